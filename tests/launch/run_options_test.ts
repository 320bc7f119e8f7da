import assert from "node:assert/strict";
import { helpText, parseFlags } from "../../launch/flags.ts";
import { configureRun, defaultRun } from "../../launch/run_flags.ts";
import type { InitialWeightsConfiguration } from "../../net/run_configuration.ts";
import {
  commandFlags,
  readFlags,
  requestRun,
  resolveRun,
  visibleGpus,
} from "../../launch/run_options.ts";

/** Runs in an empty folder of its own. */
async function inFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  const before = Deno.cwd();
  Deno.chdir(folder);
  try {
    await body(folder);
  } finally {
    Deno.chdir(before);
    await Deno.remove(folder, { recursive: true });
  }
}

/** Runs with these GPUs visible, whatever the machine has. */
async function withGpus(visible: string, body: () => Promise<void> | void): Promise<void> {
  const before = Deno.env.get("CUDA_VISIBLE_DEVICES");
  Deno.env.set("CUDA_VISIBLE_DEVICES", visible);
  try {
    await body();
  } finally {
    if (before === undefined) Deno.env.delete("CUDA_VISIBLE_DEVICES");
    else Deno.env.set("CUDA_VISIBLE_DEVICES", before);
  }
}

function resolve(args: string) {
  return resolveRun(parseFlags(args.split(" ").filter((part) => part !== ""), commandFlags));
}

async function saveRun(folder: string, args: string): Promise<void> {
  const flags = parseFlags(args.split(" "), commandFlags);
  await Deno.mkdir(folder, { recursive: true });
  const record = { configuration: configureRun(flags, defaultRun) };
  await Deno.writeTextFile(`${folder}/run.json`, JSON.stringify(record));
}

Deno.test("readFlags: the command line wins over --config's file", () =>
  inFolder(async () => {
    const object = { lanes: 8, seed: 5, filters: [4, 4], endless: true };
    await Deno.writeTextFile("run.json", JSON.stringify(object));
    const given = await readFlags(["--config", "run.json", "--seed", "6"], commandFlags);
    assert.deepEqual(given, { ...object, seed: 6, config: "run.json" });
    assert.deepEqual(await readFlags(["--seed", "6"], commandFlags), { seed: 6 });
  }));

Deno.test("readFlags has no module run that only --config names", () =>
  inFolder(async () => {
    for (const [model, word] of [["net.ts", "net.ts"], ["a b/it's.js", "'a b/it'\\''s.js'"]]) {
      await Deno.writeTextFile("run.json", JSON.stringify({ model, seed: 3 }));
      await assert.rejects(readFlags(["--config", "run.json"], commandFlags), {
        name: "UsageError",
        message:
          `Cannot take the model of --config run.json: ${model} is a module, and a file of ` +
          `flags has no code run; if you trust that module, add --model ${word}`,
      });
      const given = await readFlags(["--config", "run.json", "--model", "net.ts"], commandFlags);
      assert.deepEqual([given.model, given.seed], ["net.ts", 3]);
    }
    // What is built in, and layers, which are no code.
    for (const model of ["convlstm", "layers/model.json"]) {
      await Deno.writeTextFile("run.json", JSON.stringify({ model }));
      assert.equal((await readFlags(["--config", "run.json"], commandFlags)).model, model);
    }
  }));

Deno.test("readFlags names the file that cannot be read, and what is wrong in it", () =>
  inFolder(async () => {
    const read = (path: string) => readFlags(["--config", path], commandFlags);
    await assert.rejects(read("none.json"), {
      name: "UsageError",
      message: /^Cannot read --config none\.json: .*No such file/,
    });
    await Deno.writeTextFile("broken.json", '{"lanes": 12');
    await assert.rejects(read("broken.json"), {
      name: "UsageError",
      message: /^Cannot read --config broken\.json: .*JSON/,
    });
    await Deno.writeTextFile("typo.json", '{"lane": 12}');
    await assert.rejects(read("typo.json"), {
      name: "UsageError",
      message: "Unknown flag --lane: did you mean --lanes? (in typo.json)",
    });
  }));

Deno.test("resolveRun never takes more workers by default than there are shards", () =>
  withGpus(Array.from({ length: 64 }, (_, index) => `GPU-${index}`).join(), async () => {
    const workers = async (args: string) =>
      (await resolve(`--engine wasm --out run ${args}`)).configuration.workers;
    assert.equal(await workers(""), 12);
    assert.equal(await workers("--lanes 4"), 4);
    assert.equal(await workers("--lanes 131"), 1);
    assert.equal(await workers("--lanes 64 --shards 32"), 32);
    assert.equal(await workers("--workers 2"), 2);
    await assert.rejects(workers("--workers 13"), { name: "UsageError" });
  }));

Deno.test("resolveRun numbers new runs after what they train", () =>
  inFolder(async () => {
    const out = async (args: string) => (await resolve(`--engine wasm ${args}`)).out;
    assert.equal(await out(""), "runs/moving-mnist-convlstm-001");
    assert.equal(await out(""), "runs/moving-mnist-convlstm-002");
    assert.equal(await out("--dataset radar"), "runs/radar-convlstm-001");
    assert.equal(await out("--out elsewhere"), "elsewhere");
    await Deno.mkdir("runs/moving-mnist-convlstm-041");
    const two = await Promise.all([out(""), out("")]);
    assert.deepEqual(two.sort(), [
      "runs/moving-mnist-convlstm-042",
      "runs/moving-mnist-convlstm-043",
    ]);
    // Wrong usage leaves nothing behind.
    await assert.rejects(resolve("--engine wasm --dataset radar --kernel 2"));
    await assert.rejects(Deno.stat("runs/radar-convlstm-002"), Deno.errors.NotFound);
  }));

Deno.test("resolveRun --resume goes on with the newest run, or the one that is named", () =>
  inFolder(async () => {
    await saveRun("runs/a", "--seed 5 --engine wasm --workers 3");
    await saveRun("runs/b", "--seed 6 --engine tensorflow");
    await Deno.mkdir("runs/without-a-record");
    await Deno.utime("runs/a/run.json", new Date(0), new Date(2_000_000));
    await Deno.utime("runs/b/run.json", new Date(0), new Date(1_000_000));
    const newest = await resolve("--resume --steps 9");
    assert.equal(newest.out, "runs/a");
    assert.equal(newest.resume, true);
    const { seed, engine, workers, steps } = newest.configuration;
    assert.deepEqual([seed, engine, workers, steps], [5, "wasm", 3, 9]);
    const named = await resolve("--resume --out runs/b --json");
    assert.deepEqual([named.out, named.configuration.seed, named.json], ["runs/b", 6, true]);
    // What is found automatically on this machine does not overrule what the run was made with.
    const auto = await resolve("--resume --out runs/b --engine auto");
    assert.equal(auto.configuration.engine, "tensorflow");
  }));

Deno.test("requestRun --resume takes the --init that the run has begun with, and no other one", () =>
  inFolder(async (folder) => {
    const step = "first/checkpoints/step-000002";
    const weights = { path: `${await Deno.realPath(folder)}/${step}/parameters.safetensors` };
    const initialWeights = { ...weights, sha256: "ab".repeat(32) };
    await Deno.mkdir("begun/checkpoints/step-000001", { recursive: true });
    await Deno.writeTextFile("begun/checkpoints/step-000001/manifest.json", "{}");
    const begin = async (initialWeights: InitialWeightsConfiguration | null) => {
      const configuration = { ...configureRun({}, defaultRun), initialWeights };
      await Deno.writeTextFile("begun/run.json", JSON.stringify({ configuration }));
    };
    const request = (resume: "auto" | true, init: string) =>
      requestRun({ resume, init, out: "begun", engine: "wasm" });
    const refused = (init: string) => ({
      name: "UsageError",
      message:
        `Cannot use --init ${init} with --resume: begun has begun, and goes on from its own ` +
        "weights; leave one of them out",
    });
    await begin(initialWeights);
    // None of them is there any more.
    for (const init of ["first", "first/", step, `${step}/parameters.safetensors`, weights.path]) {
      for (const resume of ["auto", true] as const) {
        assert.deepEqual((await request(resume, init)).initialWeights, initialWeights, init);
      }
    }
    await assert.rejects(request(true, "fir"), refused("fir"));
    await assert.rejects(request(true, "second"), refused("second"));
    await assert.rejects(request("auto", "second"), refused("second"));
    await begin(null);
    for (const resume of ["auto", true] as const) {
      await assert.rejects(request(resume, "first"), refused("first"));
    }
  }));

Deno.test("resolveRun --resume without a run says where it looked", () =>
  inFolder(async () => {
    await assert.rejects(resolve("--resume"), {
      name: "UsageError",
      message: "Cannot resume: there is no run in runs/; name its folder with --out",
    });
    await assert.rejects(resolve("--resume --out nowhere"), {
      name: "UsageError",
      message: /^Cannot resume nowhere: .*No such file.*; name a run's folder with --out$/,
    });
    await Deno.mkdir("torn");
    await Deno.writeTextFile("torn/run.json", "");
    await assert.rejects(resolve("--resume --out torn"), { name: "UsageError" });
    await Deno.writeTextFile("torn/run.json", '{"versions": {}}');
    await assert.rejects(resolve("--resume --out torn"), {
      name: "UsageError",
      message:
        "Cannot resume torn: run.json holds no configuration; name a run's folder with --out",
    });
  }));

Deno.test("resolveRun --resume takes nothing of run.json unchecked, and no module from it", () =>
  inFolder(async () => {
    const save = async (model: object, more: object = {}) => {
      await Deno.mkdir("a", { recursive: true });
      const configuration = { ...defaultRun, model: { ...defaultRun.model, ...model } };
      await Deno.writeTextFile("a/run.json", JSON.stringify({ configuration, ...more }));
    };
    await save({ filters: "16" });
    await assert.rejects(resolve("--resume --out a"), {
      name: "UsageError",
      message:
        "Cannot resume a: run.json holds an unusable configuration.model.filters: expected " +
        'a list, got "16"; mend it, or use the version of Lockstep that wrote it',
    });
    const impossible: readonly [string, RegExp][] = [
      ['"lanes":12.5', /configuration\.lanes: expected an integer/],
      ['"seed":-1', /configuration\.seed: expected an integer from 0/],
      ['"steps":1e308', /configuration\.steps: expected an integer/],
      ['"learningRate":1e999', /configuration\.optimizer\.learningRate: expected a finite number/],
      ['"seed":1,"seed":2', /it has two members "seed"/],
      [`"options":{"a":${"[".repeat(99)}`, /it nests deeper than 32/],
    ];
    for (const [members, why] of impossible) {
      const text = JSON.stringify({ configuration: defaultRun });
      const [name] = members.split(":");
      await Deno.writeTextFile("a/run.json", text.replace(RegExp(`${name}:[^,}]*`), () => members));
      await assert.rejects(resolve("--resume --out a"), { name: "UsageError", message: why });
    }
    await save({});
    await Deno.symlink("/", "a/checkpoints");
    await assert.rejects(resolve("--resume --out a"), {
      message: /^Cannot use run folder a: checkpoints in it is a link to \/, out of the folder/,
    });
    await Deno.remove("a/checkpoints");
    const name = `${Deno.cwd()}/mine.ts`;
    const source = "0123456789abcdef".repeat(4);
    for (const model of [{ name }, { name, source }]) {
      await save(model, { modelSource: source });
      await assert.rejects(resolve("--resume --out a"), {
        name: "UsageError",
        message:
          `Cannot resume a: its model is the module ${name}, and what lies in a run's folder ` +
          `has no code run; if you trust that file, add --model ${name}`,
      });
      const given = parseFlags(["--resume", "--out=a", "--model=./mine.ts"], commandFlags);
      const request = await requestRun(given);
      assert.equal(request.savedSource, source);
      assert.deepEqual(request.configuration.model, { ...defaultRun.model, ...model });
    }
    // Moved, it keeps its options where its source tells that it is the same.
    const moved = { ...defaultRun.model, name: `${Deno.cwd()}/b.ts`, source };
    const flags = { resume: true, out: "a", model: "b.ts", "model-source": source };
    await save({ name, source, options: { deep: 1 } });
    assert.deepEqual((await requestRun(flags)).configuration.model, {
      ...moved,
      options: { deep: 1 },
    });
    await save({ name, source: "f".repeat(64), options: { deep: 1 } });
    assert.deepEqual((await requestRun(flags)).configuration.model, moved);
  }));

Deno.test("resolveRun refuses a flag that does nothing for what the run is made of, and names both", () =>
  inFolder(async () => {
    const refused: [args: string, message: string][] = [
      [
        "--input-frames 5",
        "--input-frames 5 does nothing with --model convlstm; leave it out",
      ],
      [
        "--model encoder-forecaster --sequence-frames 20 --window 5",
        "--window 5 does nothing with --model encoder-forecaster; leave it out",
      ],
      [
        "--model conv-autoencoder --window 5",
        "--window 5 does nothing with --model conv-autoencoder; leave it out",
      ],
      [
        "--model predrnn --sequence-frames 20 --window 5",
        "--window 5 does nothing with --model predrnn as its --model-options are; leave it out",
      ],
      [
        "--model vae --model-options form=convlstm --stride 5",
        "--stride 5 does nothing with --model vae as its --model-options are; leave it out",
      ],
      ["--model prednet --kernel 5", "--kernel 5 does nothing with --model prednet; leave it out"],
      ["--dataset radar --digits 3", "--digits 3 does nothing with --dataset radar; leave it out"],
      [
        "--data a.npy --sequences 10",
        `--sequences 10 does nothing with --data ${Deno.cwd()}/a.npy, which holds whole sequences; ` +
        "leave it out",
      ],
      [
        "--dataset radar --data rain --endless",
        `--endless does nothing with --data ${Deno.cwd()}/rain, which is recorded radar; leave it out`,
      ],
      [
        "--dataset radar --on-bad-file skip",
        "--on-bad-file skip does nothing with generated rain: name a folder with --data; leave it out",
      ],
      [
        "--dataset bouncing-balls --data balls",
        "--data balls does nothing with --dataset bouncing-balls; leave it out",
      ],
      [
        "--dataset moving-points --data points",
        "--data points does nothing with --dataset moving-points; leave it out",
      ],
      [
        "--dataset moving-points --model cnn-lstm --images-every 5",
        "--images-every 5 does nothing with --model cnn-lstm; leave it out",
      ],
      [
        "--dataset moving-points --model convlstm-classifier --images-every 5",
        "--images-every 5 does nothing with --model convlstm-classifier; leave it out",
      ],
      ["--weight-decay 0", "--weight-decay 0 does nothing with --optimizer adam; leave it out"],
    ];
    for (const [args, message] of refused) {
      await assert.rejects(resolve(args), { name: "UsageError", message });
    }
    for (
      const args of [
        "--model encoder-forecaster --sequence-frames 20 --input-frames 5 --output-frames 5",
        "--model shi-convlstm --sequence-frames 20 --input-frames 5 --output-frames 5",
        "--model predrnn --model-options mode=next-frame --window 5",
        "--model vae --window 5 --stride 5",
        "--data digits --digits 3 --sequences 10",
        "--dataset radar --sequences 10 --endless",
        "--dataset mnist --data digits --model conv-autoencoder --images-every 5",
        "--dataset radar --data rain --on-bad-file skip",
        "--optimizer adamw --weight-decay 0.1",
      ]
    ) await resolve(args);
    // The window of a network of layers may be one that it is saved for.
    const layer = (time: number | null) => ({ batch_input_shape: [1, time, 4, 4, 1] });
    for (const [name, time] of [["five", 5], ["any", null]] as const) {
      const saved = { modelTopology: { config: { layers: [{ config: layer(time) }] } } };
      await Deno.writeTextFile(`${name}.json`, JSON.stringify(saved));
    }
    await assert.rejects(resolve("--model five.json --window 4"), {
      name: "UsageError",
      message: `--window 4 does nothing with --model ${Deno.cwd()}/five.json, which is saved for ` +
        "windows of 5 frames; leave it out",
    });
    for (const args of ["--model five.json --window 5", "--model any.json --window 4"]) {
      await resolve(args);
    }
    // What the run to go on with was made with is not what was given now.
    await saveRun("runs/saved", "--seed 5 --input-frames 7");
    await resolve("--resume --out runs/saved");
    await assert.rejects(resolve("--resume --out runs/saved --input-frames 7"), {
      name: "UsageError",
    });
  }));

Deno.test("resolveRun refuses a canvas on which no digit has room", () =>
  inFolder(async () => {
    await assert.rejects(resolve("--size 16"), {
      name: "UsageError",
      message: "Cannot draw digits with --size 16: a digit is 28 pixels high and wide; " +
        "give at least 28",
    });
    await resolve("--size 28");
    await resolve("--size 16 --dataset radar");
    await resolve("--size 16 --data sequences.npy");
  }));

Deno.test("visibleGpus reads CUDA_VISIBLE_DEVICES as CUDA does", async () => {
  await withGpus("0,GPU-1f", () => assert.deepEqual(visibleGpus(), ["0", "GPU-1f"]));
  await withGpus("GPU-8932f937", () => assert.deepEqual(visibleGpus(), ["GPU-8932f937"]));
  // Slurm's word, and those of NVIDIA's container runtime.
  for (const none of ["", "-1", "NoDevFiles", "nodevfiles", "void", "none"]) {
    await withGpus(none, () => assert.equal(visibleGpus(), undefined));
  }
  const before = Deno.env.get("CUDA_VISIBLE_DEVICES");
  Deno.env.delete("CUDA_VISIBLE_DEVICES");
  const all = visibleGpus();
  if (before !== undefined) Deno.env.set("CUDA_VISIBLE_DEVICES", before);
  await withGpus("all", () => assert.deepEqual(visibleGpus(), all));
  await withGpus("0,some", () => {
    assert.throws(visibleGpus, { name: "UsageError", message: /"some" is neither a GPU's number/ });
  });
});

Deno.test("the help of train names every flag", () => {
  const help = helpText("Usage", commandFlags);
  for (const name of Object.keys(commandFlags)) assert.ok(help.includes(`  --${name}`), name);
});
