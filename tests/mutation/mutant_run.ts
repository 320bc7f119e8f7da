/**
 * What becomes of one mutant: which command notices it first. Commands run in
 * copies of the tree, one that is broken and one that is not: what fails in both says nothing.
 */
import { dirname, join } from "node:path";
import type { Mutation } from "./mutations.ts";
import { mutated } from "./mutations.ts";

export type Outcome =
  | { readonly kind: "caught"; readonly by: string; readonly isHung: boolean }
  | { readonly kind: "survived"; readonly tried: readonly string[] };

/** One command that may notice it, with the arguments of `deno`. */
export interface Trial {
  readonly name: string;
  readonly args: readonly string[];
}

export interface MutantRunOptions {
  /** Two copies of the project. */
  readonly broken: string;
  readonly sound: string;
  readonly trials: (file: string) => readonly Trial[];
  /** For one command; what takes longer and does not in the sound copy is noticed, too. */
  readonly trialSecondsMax: number;
  /** For all commands of one mutant. */
  readonly mutantSecondsMax: number;
}

/** A sound program may take so many times as long as a broken one is given. */
const soundFactor = 5;

type Ended = "well" | "failed" | "late";

export class MutantRuns {
  readonly #options: MutantRunOptions;
  /** How each command ends in the sound copy. */
  readonly #sound = new Map<string, Ended>();

  constructor(options: MutantRunOptions) {
    this.#options = options;
  }

  async tryMutant(mutation: Mutation): Promise<Outcome> {
    const { broken, trials, trialSecondsMax, mutantSecondsMax } = this.#options;
    const path = join(broken, mutation.file);
    const source = await Deno.readTextFile(path);
    const started = performance.now();
    const tried: string[] = [];
    try {
      await Deno.writeTextFile(path, mutated(source, mutation));
      for (const trial of trials(mutation.file)) {
        if (performance.now() - started > mutantSecondsMax * 1000) break;
        tried.push(trial.name);
        const ended = await run(broken, trial.args, trialSecondsMax);
        if (ended === "well" || await this.#endSound(trial) !== "well") continue;
        return { kind: "caught", by: trial.name, isHung: ended === "late" };
      }
      return { kind: "survived", tried };
    } finally {
      await Deno.writeTextFile(path, source);
    }
  }

  async #endSound(trial: Trial): Promise<Ended> {
    const { sound, trialSecondsMax } = this.#options;
    // All of its tests, where the broken copy's end with the first that fails.
    const known = this.#sound.get(trial.name) ??
      await run(sound, trial.args, soundFactor * trialSecondsMax);
    this.#sound.set(trial.name, known);
    return known;
  }
}

async function run(cwd: string, args: readonly string[], secondsMax: number): Promise<Ended> {
  // A group of its own, so that what a test has started ends with it.
  const child = new Deno.Command("setsid", {
    args: ["--wait", Deno.execPath(), ...args],
    cwd,
    env: { NO_COLOR: "1" },
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  let isLate = false;
  const watchdog = setTimeout(() => {
    isLate = true;
    endTree(child.pid);
  }, secondsMax * 1000);
  const { success } = await child.status;
  clearTimeout(watchdog);
  return isLate ? "late" : success ? "well" : "failed";
}

/** Ends a process, and all that it has started. */
function endTree(pid: number): void {
  const { stdout } = new Deno.Command("ps", { args: ["-o", "pid=", "--ppid", `${pid}`] })
    .outputSync();
  const children = new TextDecoder().decode(stdout).split(/\s+/).filter(Boolean).map(Number);
  try {
    Deno.kill(pid, "SIGKILL");
  } catch {
    // It has ended by itself.
  }
  for (const child of children) endTree(child);
}

/** Copies what git knows of the project, and links to the data beside it. */
export async function copyProject(root: string, to: string): Promise<void> {
  const { stdout } = await new Deno.Command("git", { args: ["ls-files", "-z"], cwd: root })
    .output();
  for (const file of new TextDecoder().decode(stdout).split("\0").filter(Boolean)) {
    const target = join(to, file);
    await Deno.mkdir(dirname(target), { recursive: true });
    await Deno.copyFile(join(root, file), target).catch((error) => {
      // Removed since the last commit.
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    });
  }
  const shared = join(dirname(root), "shared");
  const beside = join(dirname(to), "shared");
  const isThere = (path: string) => Deno.lstat(path).then(() => true, () => false);
  if (await isThere(shared) && !await isThere(beside)) await Deno.symlink(shared, beside);
  // A mutant may leave unused what it has cut off, which is no reason not to run.
  const configuration = join(to, "deno.json");
  const project = JSON.parse(await Deno.readTextFile(configuration));
  project.compilerOptions.noUnusedLocals = false;
  await Deno.writeTextFile(configuration, JSON.stringify(project));
}
