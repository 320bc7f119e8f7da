/**
 * How many of the seeded defects the simulation finds. Each is made in a copy of the program, one at
 * a time, and the simulation runs there until the first seed that fails; there is a copy for each
 * core, so that what takes long does not hold up the rest.
 */
import { availableParallelism } from "node:os";
import { dirname, join } from "node:path";
import { type Defect, defects } from "./defects.ts";

/** Seeds that a defect is looked for with, unless it says that it is rarer. */
const seedsOfEach = 400;
/** Of those that are known not to be found: enough to notice that one is. */
const seedsOfUnseen = 60;
/** For all seeds of one defect; a single one that does not end is noticed by `simulate`. */
const minutesMax = 10;

interface Found {
  readonly seeds: number;
  /** The first seed that fails, and how. */
  readonly seed?: number;
  readonly violation?: string;
}

/**
 * Looks for the defects whose description contains `pattern` and prints a table.
 * @returns the exit code: 0 where every defect is found or explained
 */
export async function searchDefects(pattern: string): Promise<number> {
  const root = join(import.meta.dirname!, "../..");
  const chosen = defects.filter(({ what }) => what.includes(pattern));
  const found = new Map<Defect, Found>();
  const queue = [...chosen];
  const started = performance.now();
  const search = async () => {
    const copy = await Deno.makeTempDir({ prefix: "lockstep-defects-" });
    try {
      await copyTree(root, copy);
      for (let defect = queue.shift(); defect; defect = queue.shift()) {
        const path = join(copy, defect.file);
        const source = await Deno.readTextFile(path);
        await Deno.writeTextFile(path, broken(source, defect));
        found.set(defect, await simulateIn(copy, seedsOf(defect)));
        await Deno.writeTextFile(path, source);
        const outcome = outcomeOf(defect, found.get(defect)!);
        console.error(`${found.size} of ${chosen.length}: ${defect.what}: ${outcome}`);
      }
    } finally {
      await Deno.remove(copy, { recursive: true });
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, search));
  const minutes = (performance.now() - started) / 60_000;
  console.log(table(chosen, found));
  const isFound = (defect: Defect) => found.get(defect)!.violation !== undefined;
  const missed = chosen.filter((defect) => !isFound(defect));
  const unexplained = missed.filter(({ unseen }) => unseen === undefined).length;
  console.log(
    `${chosen.length - missed.length} of ${chosen.length} defects found, ` +
      `${missed.length - unexplained} not found and explained, ${unexplained} not found and not ` +
      `explained, in ${minutes.toFixed(1)} minutes`,
  );
  return unexplained === 0 ? 0 : 1;
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

async function simulateIn(copy: string, seeds: number): Promise<Found> {
  const process = new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "-A", "--no-check", "--config", join(copy, "deno.json")],
      join(copy, "tests/simulation/simulate.ts"),
      ...["--seeds", String(seeds), "--threads", "1", "--once", "--until-violation", "--json"],
    ],
    cwd: copy,
    stdout: "piped",
    stderr: "null",
    signal: AbortSignal.timeout(minutesMax * 60_000),
  });
  const { stdout, signal, code } = await process.output();
  if (signal !== null) return { seeds: 0, violation: `not over after ${minutesMax} minutes` };
  const last = new TextDecoder().decode(stdout).trim().split("\n").at(-1) ?? "";
  if (last === "") return { seeds: 0, violation: `it fails with exit code ${code}` };
  const result = JSON.parse(last) as {
    seeds: number;
    violations: { seed: number; violation: string }[];
  };
  return { seeds: result.seeds, ...result.violations[0] };
}

function outcomeOf({ unseen }: Defect, { seeds, seed, violation }: Found): string {
  if (violation === undefined) {
    return `not found in ${seeds} seeds${unseen === undefined ? "" : `: ${unseen}`}`;
  }
  return `${seed === undefined ? "" : `seed ${seed}: `}${violation.split("\n")[0].slice(0, 100)}`;
}

function table(chosen: readonly Defect[], found: ReadonlyMap<Defect, Found>): string {
  const width = Math.max(...chosen.map(({ what }) => what.length));
  return chosen.map((defect) =>
    `${defect.what.padEnd(width)}  ${outcomeOf(defect, found.get(defect)!)}`
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
