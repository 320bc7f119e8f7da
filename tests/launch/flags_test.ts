import assert from "node:assert/strict";
import {
  flagArgs,
  flagsFromObject,
  type FlagTable,
  helpText,
  parseFlags,
} from "../../launch/flags.ts";

const table = {
  lanes: { kind: "integer", value: "N", min: 1, max: 100, help: "rows", defaultText: "12" },
  rate: { kind: "number", value: "X", min: 0, help: "step size" },
  below: { kind: "number", value: "X", max: 1, help: "anything small" },
  filters: { kind: "integers", value: "N,N,...", min: 1, max: 64, help: "of each layer" },
  model: { kind: "choice", choices: ["convlstm", "other"], help: "the network" },
  out: { kind: "text", value: "DIR", help: "folder" },
  note: { kind: "text", help: "words" },
  options: { kind: "options", value: "NAME=VALUE,...", help: "of one model" },
  network: {
    kind: "choice",
    choices: ["convlstm"],
    value: "FILE.ts",
    orFile: /\.ts$/,
    help: "or a file",
  },
  json: { kind: "switch", help: "as JSON" },
} as const satisfies FlagTable;

function refuse(args: string[], message: string): void {
  assert.throws(() => parseFlags(args, table), { name: "UsageError", message }, args.join(" "));
}

Deno.test("parseFlags reads each kind of value, and only what is given", () => {
  assert.deepEqual(parseFlags([], table), {});
  const args = "--lanes 12 --rate=1e-3 --filters 16,32 --model other --out runs/a --json";
  assert.deepEqual(parseFlags(args.split(" "), table), {
    lanes: 12,
    rate: 0.001,
    filters: [16, 32],
    model: "other",
    out: "runs/a",
    json: true,
  });
  assert.deepEqual(parseFlags(["--lanes", "1", "--lanes", "2"], table), { lanes: 2 });
  // With an equals sign, a value may look like a flag.
  assert.deepEqual(parseFlags(["--out=--odd"], table), { out: "--odd" });
  assert.deepEqual(parseFlags(["--below", "-3"], table), { below: -3 });
  assert.deepEqual(parseFlags(["--filters", "8"], table), { filters: [8] });
});

Deno.test("parseFlags suggests the flag that was meant", () => {
  refuse(["--lane", "3"], "Unknown flag --lane: did you mean --lanes?");
  refuse(["--filtres=3"], "Unknown flag --filtres: did you mean --filters?");
  refuse(["--f", "3"], "Unknown flag --f: did you mean --filters?");
  refuse(["-j"], "Unknown flag -j: did you mean --json?");
  refuse(["--completely-different", "3"], "Unknown flag --completely-different: see --help");
  refuse(["--no-json"], "Unknown flag --no-json: did you mean --json?");
  // Names that every object has are no flags.
  refuse(["--constructor", "3"], "Unknown flag --constructor: see --help");
  refuse(["12"], 'Unknown argument "12": flags start with --; see --help');
  refuse(["--json", "12"], 'Unknown argument "12": flags start with --; see --help');
  refuse(["--", "--json"], 'Unknown argument "--json": flags start with --; see --help');
});

Deno.test("parseFlags refuses values that are missing, malformed or out of range", () => {
  refuse(["--lanes"], "--lanes needs a value: N");
  refuse(["--lanes="], "--lanes needs a value: N");
  refuse(["--note"], "--note needs a value: TEXT");
  refuse(["--model"], "--model needs a value: convlstm|other");
  // The folder was forgotten; a run in a folder "--json" helps nobody.
  refuse(["--out", "--json"], "--out needs a value: DIR");
  refuse(["--lanes", "0"], "--lanes must be between 1 and 100: found 0");
  refuse(["--lanes", "101"], "--lanes must be between 1 and 100: found 101");
  refuse(["--rate", "-1"], "--rate must be at least 0: found -1");
  refuse(["--below", "2"], "--below must be at most 1: found 2");
  refuse(["--filters", "16,65"], "--filters must be between 1 and 64: found 65");
  for (const text of ["1.5", "twelve", "1e400", "NaN", " ", "9007199254740993", "12px"]) {
    refuse(["--lanes", text], `--lanes must be a whole number: found "${text}"`);
  }
  for (const text of ["fast", "Infinity", "1,2"]) {
    refuse(["--rate", text], `--rate must be a number: found "${text}"`);
  }
  refuse(["--filters", "16,,16"], '--filters must be a whole number: found ""');
  refuse(["--filters", "16;16"], '--filters must be a whole number: found "16;16"');
  refuse(["--model", "gru"], 'Unknown --model "gru": choose one of convlstm, other');
  refuse(["--json=yes"], '--json takes no value: found "yes"');
});

Deno.test("flagsFromObject reads the same flags from JSON", () => {
  const object = { lanes: 12, rate: 0.001, filters: [16, 32], model: "other", json: true };
  assert.deepEqual(flagsFromObject(object, table, "a.json"), object);
  assert.deepEqual(flagsFromObject({ json: false, filters: 8 }, table, "a.json"), { filters: [8] });
  assert.deepEqual(flagsFromObject({ lanes: "12", filters: "8,8" }, table, "a.json"), {
    lanes: 12,
    filters: [8, 8],
  });
});

Deno.test("flagsFromObject names the file and the key of what it refuses", () => {
  const refuseObject = (object: unknown, message: string) =>
    assert.throws(() => flagsFromObject(object, table, "a.json"), { name: "UsageError", message });
  for (const object of [null, [], "lanes", 12]) {
    refuseObject(object, "Cannot read a.json: it must hold one JSON object of flags");
  }
  refuseObject({ lane: 1 }, "Unknown flag --lane: did you mean --lanes? (in a.json)");
  refuseObject({ json: "yes" }, '"json" in a.json must be true or false: found yes');
  refuseObject({ lanes: 0 }, "--lanes must be between 1 and 100: found 0");
  refuseObject({ lanes: null }, '"lanes" in a.json must be N: found null');
  refuseObject({ lanes: [12] }, '"lanes" in a.json must be N: found [12]');
  refuseObject({ filters: [] }, '"filters" in a.json must be N,N,...: found []');
  refuseObject({ filters: [[1]] }, '"filters" in a.json must be N,N,...: found [[1]]');
  refuseObject({ out: { path: "a" } }, '"out" in a.json must be DIR: found {"path":"a"}');
  refuseObject({ out: "" }, '"out" in a.json must be DIR: found ""');
  refuseObject({ model: true }, '"model" in a.json must be convlstm|other: found true');
});

Deno.test("helpText has a line for every flag, its value and its default", () => {
  const lines = helpText("Usage: run", table).split("\n");
  assert.equal(lines[0], "Usage: run");
  for (const [name, flag] of Object.entries(table)) {
    const [line, ...more] = lines.filter((each) => each.includes(`  --${name} `));
    assert.ok(line?.includes(flag.help), `no help for --${name}`);
    assert.deepEqual(more, []);
  }
  assert.ok(lines.some((line) => /--lanes N +rows \(default: 12\)$/.test(line)));
  assert.ok(lines.some((line) => /--model convlstm\|other +the network$/.test(line)));
  assert.ok(lines.some((line) => /--json +as JSON$/.test(line)));
  // Aligned: the help of all begins in one column.
  const columns = Object.values(table).map(({ help }) =>
    lines.find((line) => line.includes(help))!.indexOf(help)
  );
  assert.equal(new Set(columns).size, 1);
});

Deno.test("parseFlags reads options of every kind, and flagsFromObject the same from an object", () => {
  const text = "latent=6,rate=1e-3,name=shi,warm=true,filters=8,16,32,single=4";
  const options = {
    latent: 6,
    rate: 0.001,
    name: "shi",
    warm: true,
    filters: [8, 16, 32],
    single: 4,
  };
  assert.deepEqual(parseFlags(["--options", text], table), { options });
  assert.deepEqual(flagsFromObject({ options }, table, "a.json"), { options });
  for (const wrong of ["latent", "=6", "6,latent=2", "latent=1,latent=2"]) {
    refuse(
      ["--options", wrong],
      `--options must be NAME=VALUE,NAME=VALUE,... with each name once: found "${wrong}"`,
    );
  }
  refuse(["--options", "name=a,b"], '--options name must be numbers: found "a,b"');
  for (const wrong of ["latent=6", null, { nested: { a: 1 } }, { list: ["a"] }]) {
    assert.throws(() => flagsFromObject({ options: wrong }, table, "a.json"), {
      name: "UsageError",
      message: /^"options" in a\.json must be an object of numbers, /,
    });
  }
});

Deno.test("parseFlags takes a file where a choice may be one", () => {
  assert.deepEqual(parseFlags(["--network", "./mine.ts"], table), { network: "./mine.ts" });
  refuse(
    ["--network", "mine.py"],
    'Unknown --network "mine.py": choose one of convlstm, or name a FILE.ts',
  );
});

Deno.test("flagArgs gives arguments that parseFlags reads the same flags from", () => {
  // Texts that look like something else, or hold what separates options.
  const texts = { mask: "a,b=c", size: "12", flag: "true", path: "/tmp/{x}" };
  const options = { latent: 6, filters: [32, 64], warm: true, one: [8], ...texts };
  const given = { lanes: 3, below: -0.5, filters: [16, 8], out: "-a b,c=d", json: true, options };
  assert.deepEqual(parseFlags(flagArgs(given, table), table), given);
  assert.throws(() => parseFlags(["--options={latent=6}"], table), {
    name: "UsageError",
    message: '--options begins as JSON and is none: found "{latent=6}"',
  });
  assert.deepEqual(flagArgs({ json: false, unknown: 1 }, table), []);
});

Deno.test("parseFlags joins what a flag that repeats is given, and takes the last of any other", () => {
  const table = {
    nats: { kind: "text", help: "", repeats: true },
    out: { kind: "text", help: "" },
  } as const;
  const args = ["--nats", "a", "--out", "x", "--nats=b,c", "--out", "y"];
  assert.deepEqual(parseFlags(args, table), { nats: "a,b,c", out: "y" });
});

Deno.test("parseFlags tells what another trainer's flag is called here", () => {
  const table = { lanes: { kind: "integer" }, "learning-rate": { kind: "number" } } as const;
  const refusal = (flag: string) => {
    try {
      parseFlags([flag, "1"], table as unknown as FlagTable);
    } catch (error) {
      return (error as Error).message;
    }
  };
  assert.equal(refusal("--lr"), "Unknown flag --lr: it is --learning-rate here");
  assert.equal(refusal("--batch-size"), "Unknown flag --batch-size: it is --lanes here");
  assert.match(refusal("--nats-token")!, /set LOCKSTEP_NATS_TOKEN$/);
  assert.match(
    refusal("--early-stopping")!,
    /^Unknown flag --early-stopping: the checkpoint with the lowest/,
  );
  // A name that this command has no counterpart of.
  assert.equal(refusal("--weights"), "Unknown flag --weights: see --help");
});
