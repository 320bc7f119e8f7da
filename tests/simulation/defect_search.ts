/**
 * How many of the seeded defects the simulation finds. Each is made in a copy of the program, one at
 * a time, and the simulation runs there until the first seed that fails; there is a copy for each
 * core, so that what takes long does not hold up the rest.
 */
import { availableParallelism } from "node:os";
import { dirname, join } from "node:path";
import { type Defect, defects } from "./defects.ts";
import { seedSecondsMax } from "./seed_limit.ts";

/** Seeds that a defect is looked for with, unless it says that it is rarer. */
const seedsOfEach = 400;
/** Of those that are known not to be found: enough to notice that one is. */
const seedsOfUnseen = 60;
/** For all seeds of one defect; a single one that does not end is noticed by `simulate`. */
const minutesMax = 10;
/** A seed that does not end shows its defect where the undisturbed program is done this much sooner. */
const unhurriedShare = 0.25;

/** What came of the simulation of a program, broken or not. */
export type Simulated =
  | { readonly kind: "well"; readonly seeds: number; readonly seconds: number }
  | { readonly kind: "violated"; readonly seed: number; readonly violation: string }
  | { readonly kind: "unended"; readonly seed: number }
  /** Nothing was simulated, or it was not over in time. */
  | { readonly kind: "failed"; readonly why: string };

export type Outcome =
  | { readonly kind: "found"; readonly seed: number; readonly violation: string }
  /** Found by a seed that goes on for ever, and is soon over in the undisturbed program. */
  | { readonly kind: "hangs"; readonly seed: number }
  | { readonly kind: "missed"; readonly seeds: number }
  /** Of the search: nothing is known of the defect. */
  | { readonly kind: "error"; readonly why: string };

/**
 * Looks for the defects whose description contains `pattern` and prints a table.
 * @returns the exit code: 0 where every defect is found or explained
 */
export async function searchDefects(pattern: string): Promise<number> {
  const chosen = defects.filter(({ what }) => what.includes(pattern));
  const outcomes = new Map<Defect, Outcome>();
  const queue = [...chosen];
  const started = performance.now();
  const search = async () => {
    const copy = await copyProgram();
    try {
      for (let defect = queue.shift(); defect; defect = queue.shift()) {
        const outcome = await searchDefect(copy, defect);
        outcomes.set(defect, outcome);
        console.error(
          `${outcomes.size} of ${chosen.length}: ${defect.what}: ${wordsOf(defect, outcome)}`,
        );
      }
    } finally {
      await Deno.remove(copy, { recursive: true });
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, search));
  const minutes = (performance.now() - started) / 60_000;
  console.log(table(chosen, outcomes));
  const count = (...kinds: Outcome["kind"][]) =>
    chosen.filter((defect) => kinds.includes(outcomes.get(defect)!.kind)).length;
  const unexplained =
    chosen.filter((defect) =>
      defect.unseen === undefined && outcomes.get(defect)!.kind === "missed"
    ).length;
  const errors = chosen.filter((defect) => outcomes.get(defect)!.kind === "error");
  console.log(
    `${count("found", "hangs")} of ${chosen.length} defects found (${count("hangs")} because the ` +
      `run hangs), ${count("missed") - unexplained} not found and explained, ${unexplained} not ` +
      `found and not explained, ${errors.length} not searched for, in ${
        minutes.toFixed(1)
      } minutes`,
  );
  for (const { what } of errors) console.error(`Not searched for: ${what}`);
  return unexplained === 0 && errors.length === 0 ? 0 : 1;
}

/** Everything that the simulation needs, to be broken. @returns its folder, which the caller removes */
export async function copyProgram(): Promise<string> {
  const copy = await Deno.makeTempDir({ prefix: "lockstep-defects-" });
  await copyTree(join(import.meta.dirname!, "../.."), copy);
  // A defect may leave unused what it has cut off, which is no reason not to run.
  const path = join(copy, "deno.json");
  const project = JSON.parse(await Deno.readTextFile(path));
  project.compilerOptions.noUnusedLocals = false;
  await Deno.writeTextFile(path, JSON.stringify(project));
  return copy;
}

/** Breaks the program in `copy`, simulates it, and mends it again. */
export async function searchDefect(
  copy: string,
  defect: Defect,
  seeds: number = seedsOf(defect),
): Promise<Outcome> {
  const path = join(copy, defect.file);
  const source = await Deno.readTextFile(path);
  let simulated: Simulated;
  try {
    await Deno.writeTextFile(path, broken(source, defect));
    const problem = await problemOf(copy);
    if (problem !== undefined) {
      return { kind: "error", why: `the broken program is no program: ${problem}` };
    }
    simulated = await simulateIn(copy, { first: 1, seeds });
  } catch (error) {
    return { kind: "error", why: error instanceof Error ? error.message : String(error) };
  } finally {
    await Deno.writeTextFile(path, source);
  }
  const undisturbed = simulated.kind === "unended"
    ? await simulateIn(copy, { first: simulated.seed, seeds: 1 })
    : undefined;
  return outcomeOf(simulated, undisturbed);
}

/**
 * @param undisturbed the same seed in the program as it is, where it did not end in the broken one: a
 * seed that is slow by itself, or on a machine that is busy, shows nothing
 */
export function outcomeOf(simulated: Simulated, undisturbed: Simulated | undefined): Outcome {
  switch (simulated.kind) {
    case "violated":
      return { kind: "found", seed: simulated.seed, violation: simulated.violation };
    case "well":
      return { kind: "missed", seeds: simulated.seeds };
    case "failed":
      return { kind: "error", why: simulated.why };
    case "unended": {
      const { seed } = simulated;
      const secondsMax = unhurriedShare * seedSecondsMax;
      if (undisturbed?.kind === "well" && undisturbed.seconds <= secondsMax) {
        return { kind: "hangs", seed };
      }
      return {
        kind: "error",
        why: `seed ${seed} is not over after ${seedSecondsMax} s, and is not well within ` +
          `${secondsMax} s in the undisturbed program either`,
      };
    }
  }
}

/** @throws {Error} where the program has changed and the table has not */
export function broken(source: string, { what, file, from, to }: Defect): string {
  const count = source.split(from).length - 1;
  if (count !== 1) {
    throw new Error(`Cannot break ${file} so that ${what}: its text stands there ${count} times`);
  }
  return source.replace(from, () => to);
}

function seedsOf({ unseen, seeds }: Defect): number {
  return seeds ?? (unseen === undefined ? seedsOfEach : seedsOfUnseen);
}

/** What the compiler says against the program; undefined where it is one. */
async function problemOf(copy: string): Promise<string | undefined> {
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["check", "--quiet", "--config", join(copy, "deno.json"), scriptIn(copy)],
    cwd: copy,
    env: { NO_COLOR: "1" },
    stdout: "null",
  }).output();
  if (success) return undefined;
  const lines = new TextDecoder().decode(stderr).trim().split("\n");
  return lines.find((line) => /error/i.test(line)) ?? lines[0];
}

async function simulateIn(
  copy: string,
  { first, seeds }: { first: number; seeds: number },
): Promise<Simulated> {
  const { stdout, stderr, signal, code } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "-A", "--no-check", "--config", join(copy, "deno.json"), scriptIn(copy)],
      ...["--first", `${first}`, "--seeds", `${seeds}`],
      ...["--threads", "1", "--once", "--until-violation", "--json"],
    ],
    cwd: copy,
    env: { NO_COLOR: "1" },
    signal: AbortSignal.timeout(minutesMax * 60_000),
  }).output();
  if (signal !== null) {
    return { kind: "failed", why: `no seed fails, and not all are over in ${minutesMax} minutes` };
  }
  const text = new TextDecoder();
  const line = text.decode(stdout).trim().split("\n").at(-1) ?? "";
  if (line === "") {
    const [why] = text.decode(stderr).trim().split("\n");
    return { kind: "failed", why: `the broken program ends with exit code ${code}: ${why}` };
  }
  const result = JSON.parse(line) as {
    seeds: number;
    seconds: number;
    violations: { seed: number; violation: string; hangs?: true }[];
  };
  const [failed] = result.violations;
  if (!failed) return { kind: "well", seeds: result.seeds, seconds: result.seconds };
  const { seed, violation, hangs } = failed;
  return hangs ? { kind: "unended", seed } : { kind: "violated", seed, violation };
}

function scriptIn(copy: string): string {
  return join(copy, "tests/simulation/simulate.ts");
}

function wordsOf({ unseen }: Defect, outcome: Outcome): string {
  switch (outcome.kind) {
    case "found":
      return `seed ${outcome.seed}: ${outcome.violation.split("\n")[0].slice(0, 100)}`;
    case "hangs":
      return `seed ${outcome.seed} hangs`;
    case "missed":
      return `not found in ${outcome.seeds} seeds${unseen === undefined ? "" : `: ${unseen}`}`;
    case "error":
      return `not searched for: ${outcome.why}`;
  }
}

function table(chosen: readonly Defect[], outcomes: ReadonlyMap<Defect, Outcome>): string {
  const width = Math.max(...chosen.map(({ what }) => what.length));
  return chosen.map((defect) =>
    `${defect.what.padEnd(width)}  ${wordsOf(defect, outcomes.get(defect)!)}`
  ).join("\n");
}

/** Everything but what git and tests' data hold. */
async function copyTree(from: string, to: string): Promise<void> {
  for await (const { name, isDirectory, isFile } of Deno.readDir(from)) {
    if (name.startsWith(".") || ["fixtures", "results", "runs"].includes(name)) continue;
    const [source, target] = [join(from, name), join(to, name)];
    if (isDirectory) {
      await Deno.mkdir(target);
      await copyTree(source, target);
    } else if (isFile) {
      await Deno.mkdir(dirname(target), { recursive: true });
      await Deno.copyFile(source, target);
    }
  }
}
