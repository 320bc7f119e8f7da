/**
 * `deno task mutate`: random small changes of the program, one at a time, and how many of them the tests
 * notice. A survivor is shown as the lines that it changed: either a test is missing, or the change
 * makes no difference. The seed is drawn from the clock and printed.
 */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { clockSeed } from "../../benchmarks/clock_seed.ts";
import { runCommand } from "../../launch/exit_codes.ts";
import { type FlagTable, helpText, parseFlags } from "../../launch/flags.ts";
import { random } from "../../net/random.ts";
import { formatTable } from "../../report/table.ts";
import { copyProject, MutantRuns, type Outcome, type Trial } from "./mutant_run.ts";
import { mutated, type Mutation, mutationsOf } from "./mutations.ts";
import { createTypeCheck } from "./type_check.ts";
import { chooseTests, importGraph } from "./test_choice.ts";

const root = fileURLToPath(new URL("../..", import.meta.url)).replace(/\/$/, "");
const mutatedFolders = ["worker", "coordinator", "collective", "datasets"];
/** Who is changed where these folders are is under the simulation. */
const simulatedFolders = ["worker/", "coordinator/", "collective/"];
const simulatedSeeds = 60;
const trialSecondsMax = 60;
/** Tests that run a whole command reach nearly everything through it, and import none of it. */
const commandTests = [
  "tests/integration/same_bits_test.ts",
  "tests/integration/by_hand_test.ts",
  "tests/integration/evaluate_test.ts",
];
/** Tests at once: many take less time than one after the other, and the first failure ends them. */
const testsAtOnce = [2, 4, 8, 16];

const flags = {
  mutants: {
    kind: "integer",
    value: "N",
    min: 1,
    max: 100_000,
    help: "how many changes that compile",
    defaultText: "100",
  },
  seed: {
    kind: "integer",
    value: "SEED",
    min: 0,
    max: 2 ** 32 - 1,
    help: "which ones",
    defaultText: "drawn from the clock, and printed",
  },
  seconds: {
    kind: "integer",
    value: "S",
    min: 1,
    max: 100_000,
    help: "for all tests of one change, after which it has survived",
    defaultText: "300",
  },
  file: { kind: "text", value: "TEXT", help: "in files alone whose path contains the text" },
  help: { kind: "switch", help: "show this" },
} as const satisfies FlagTable;

interface Tried {
  readonly mutation: Mutation;
  readonly outcome: Outcome;
}

if (import.meta.main) await runCommand(main);

async function main(): Promise<number> {
  const given = parseFlags(Deno.args, flags);
  if (given.help) {
    console.log(helpText("Usage: deno task mutate [flags]", flags));
    return 0;
  }
  const seed = given.seed as number | undefined ?? clockSeed();
  const wanted = given.mutants as number | undefined ?? 100;
  console.error(`Mutants of seed ${seed}: the same ones come with --seed ${seed}`);
  const types = createTypeCheck(root, mutatedFolders.flatMap(sourceFiles));
  const mutations = drawn(seed, given.file as string | undefined ?? "");
  const folder = await Deno.makeTempDir({ prefix: "lockstep-mutants-" });
  const tried: Tried[] = [];
  let others = 0;
  try {
    const [broken, sound] = [join(folder, "broken"), join(folder, "sound")];
    for (const copy of [broken, sound]) await copyProject(root, copy);
    const mutantSecondsMax = given.seconds as number | undefined ?? 300;
    const tests = testFiles("tests");
    const graph = await importGraph(sound, tests);
    const trials = (file: string) => trialsOf(file, tests, graph);
    const runs = new MutantRuns({ broken, sound, trials, trialSecondsMax, mutantSecondsMax });
    for (const mutation of mutations) {
      if (tried.length === wanted) break;
      if (!types.isProgram(mutation.file, mutated(sourceOf(mutation.file), mutation))) {
        others++;
        continue;
      }
      const outcome = await runs.tryMutant(mutation);
      tried.push({ mutation, outcome });
      console.error(`${tried.length} of ${wanted}: ${placeOf(mutation)}: ${inWords(outcome)}`);
      if (outcome.kind === "survived") console.error(difference(mutation));
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
  show(seed, tried, others);
  return 0;
}

function drawn(seed: number, pattern: string): Mutation[] {
  const files = mutatedFolders.flatMap(sourceFiles).filter((file) => file.includes(pattern));
  const all = files.flatMap((file) => mutationsOf(file, sourceOf(file)));
  return random(seed, "mutation").shuffle(all);
}

function trialsOf(
  file: string,
  tests: readonly string[],
  graph: Awaited<ReturnType<typeof importGraph>>,
): Trial[] {
  const chosen = chooseTests(file, tests, graph).map(({ test }) => test)
    .filter((test) => !/^tests\/(?:integration|simulation|mutation|recipes)/.test(test));
  const groups: string[][] = [];
  for (let at = 0; at < chosen.length;) {
    const count = testsAtOnce[Math.min(groups.length, testsAtOnce.length - 1)];
    groups.push(chosen.slice(at, at += count));
  }
  const testing = (group: readonly string[]): Trial => ({
    name: group.length === 1 ? group[0] : `${group[0]} and ${group.length - 1} more`,
    args: ["test", "-A", "--no-check", "--fail-fast", ...group],
  });
  const simulating: Trial = {
    name: "simulation",
    args: [
      ...["run", "-A", "--no-check", "tests/simulation/simulate.ts", "--seeds"],
      ...[`${simulatedSeeds}`, "--first", "1", "--threads", "1", "--once", "--until-violation"],
    ],
  };
  const [nearest, ...others] = groups.map(testing);
  const isSimulated = simulatedFolders.some((folder) => file.startsWith(folder));
  return [
    ...(nearest ? [nearest] : []),
    ...(isSimulated ? [simulating] : []),
    ...others,
    ...commandTests.map((test) => testing([test])),
  ];
}

function show(seed: number, tried: readonly Tried[], others: number): void {
  const caught = tried.filter(({ outcome }) => outcome.kind === "caught");
  console.log(formatTable(
    ["place", "operator", "change", "noticed by"],
    tried.map(({ mutation, outcome }) => [
      placeOf(mutation),
      mutation.operator,
      changeOf(mutation),
      inWords(outcome),
    ]),
  ));
  const survivors = tried.filter(({ outcome }) => outcome.kind === "survived");
  for (const { mutation } of survivors) console.log(`\n${difference(mutation)}`);
  console.log(
    `\n${caught.length} of ${tried.length} mutants of seed ${seed} are noticed; ${others} more do not ` +
      "compile",
  );
}

function inWords(outcome: Outcome): string {
  switch (outcome.kind) {
    case "caught":
      return outcome.isHung ? `${outcome.by} (hangs)` : outcome.by;
    case "survived":
      return "nobody";
  }
}

function placeOf({ file, line }: Mutation): string {
  return `${file}:${line}`;
}

function changeOf({ file, start, end, text }: Mutation): string {
  const short = (part: string) => part.replace(/\s+/g, " ").slice(0, 40);
  return `${short(sourceOf(file).slice(start, end))} -> ${short(text)}`;
}

/** The lines that differ. */
function difference(mutation: Mutation): string {
  const source = sourceOf(mutation.file);
  const [before, after] = [source, mutated(source, mutation)].map((text) => text.split("\n"));
  let first = 0;
  while (before[first] === after[first]) first++;
  let last = 1;
  while (before.at(-last) === after.at(-last)) last++;
  const lines = (mark: string, text: readonly string[]) =>
    text.slice(first, text.length - last + 1).map((line) => `${mark}${line}`);
  return [`${placeOf(mutation)}`, ...lines("-", before), ...lines("+", after)].join("\n");
}

function sourceOf(file: string): string {
  return Deno.readTextFileSync(join(root, file));
}

function sourceFiles(folder: string): string[] {
  return [...Deno.readDirSync(join(root, folder))].flatMap(({ name, isDirectory }) =>
    isDirectory
      ? sourceFiles(`${folder}/${name}`)
      : name.endsWith(".ts")
      ? [`${folder}/${name}`]
      : []
  ).sort();
}

function testFiles(folder: string): string[] {
  return sourceFiles(folder).filter((file) => file.endsWith("_test.ts"));
}
