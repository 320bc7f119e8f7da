/**
 * `deno task test`: set-up, then every test, then one closing line that counts them all. The tests
 * of each folder run in a process of their own, a few at a time: native code that crashes takes its
 * folder's tests with it and no others. TensorFlow.js's own suite counts like a folder.
 *
 * With arguments (`deno task test tests/net --filter chunk`) they go to `deno test` as they are, and
 * only that runs.
 */
import { setUp } from "../launch/setup.ts";
import { systemClock } from "../net/clock.ts";
import { formatDuration, ProgressLine, standardError } from "../report/progress_line.ts";
import {
  addCounts,
  describeCounts,
  noTests,
  readClosingLine,
  readJUnitReport,
  type TestCounts,
} from "./support/test_counts.ts";

const ROOT = new URL("..", import.meta.url).pathname;
const JOBS_MAX = 4;
const GROUP_TIMEOUT_MS = 30 * 60_000;
const TFJS_SUITE = "tests/engine/tfjs_core/run_suite.ts";

/** Tests that run in one process. */
interface Group {
  readonly name: string;
  readonly denoArgs: readonly string[];
  /** Read after the process has ended, with what it printed. */
  count(output: string, exitCode: number): TestCounts;
}

interface GroupResult {
  readonly counts: TestCounts;
  readonly output: string;
  readonly durationMs: number;
}

/** The tests of each folder of tests/, and those in tests/ itself, largest first. */
function groupsOfTests(reports: string): Group[] {
  const groups = new Map<string, { files: string[]; bytes: number }>();
  for (const file of testFiles("tests")) {
    const name = file.split("/").length > 2 ? file.split("/")[1] : "tests";
    const group = groups.get(name) ?? { files: [], bytes: 0 };
    groups.set(name, group);
    group.files.push(file);
    group.bytes += Deno.statSync(ROOT + file).size;
  }
  return [...groups].sort(([, a], [, b]) => b.bytes - a.bytes)
    .map(([name, { files }]) => denoTestGroup(name, files, `${reports}/${name}.xml`));
}

function testFiles(folder: string): string[] {
  return [...Deno.readDirSync(ROOT + folder)].flatMap((entry) => {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory) return testFiles(path);
    return entry.name.endsWith("_test.ts") ? [path] : [];
  }).sort();
}

function denoTestGroup(name: string, args: readonly string[], report: string): Group {
  return {
    name,
    // Types are checked by `deno check`, once for all.
    denoArgs: ["test", "-A", "--no-check", `--junit-path=${report}`, ...args],
    count(_output, exitCode) {
      let xml = "";
      try {
        xml = Deno.readTextFileSync(report);
      } catch {
        // It ended before it could write one.
      }
      return failedAtLeastIf(exitCode !== 0, readJUnitReport(xml));
    },
  };
}

function tfjsGroup(): Group {
  return {
    name: "tfjs-core's suite",
    denoArgs: ["run", "-A", "--no-check", TFJS_SUITE],
    count(output, exitCode) {
      const counts = readClosingLine(output) ?? noTests;
      if (exitCode !== 0) return failedAtLeastIf(true, counts);
      const { passed, failed, skipped } = counts;
      if (passed === 0) return { ...noTests, skipped: 1, skippedNames: ["no libtensorflow here"] };
      // The suite ends well where it failed only in the ways that known_failures.ts explains.
      const skippedNames = [`${skipped} tests that tfjs-node's own test runner leaves out`];
      if (failed > 0) skippedNames.push(`${failed} tests that known_failures.ts explains`);
      return { passed, failed: 0, skipped: skipped + failed, skippedNames };
    },
  };
}

/** A process that fails without a failed test (a crash, a syntax error) counts as one. */
function failedAtLeastIf(hasFailed: boolean, counts: TestCounts): TestCounts {
  return hasFailed && counts.failed === 0 ? { ...counts, failed: 1 } : counts;
}

async function runGroup(group: Group, env: Record<string, string>): Promise<GroupResult> {
  const startMs = systemClock.nowMs();
  const child = new Deno.Command(Deno.execPath(), {
    args: [...group.denoArgs],
    cwd: ROOT,
    env: { ...env, NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const cancel = systemClock.after(GROUP_TIMEOUT_MS, () => child.kill("SIGKILL"));
  const { code, stdout, stderr } = await child.output();
  cancel();
  const output = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes)).join("");
  return {
    counts: group.count(output, code),
    output,
    durationMs: systemClock.nowMs() - startMs,
  };
}

/** Runs all groups, `jobs` at a time; tells each when it ends, and a failed one's whole output. */
async function runGroups(
  groups: readonly Group[],
  jobs: number,
  env: Record<string, string>,
): Promise<TestCounts> {
  const progress = new ProgressLine({ output: standardError, clock: systemClock });
  const startMs = systemClock.nowMs();
  const width = Math.max(...groups.map(({ name }) => name.length));
  const waiting = [...groups];
  const running = new Set<string>();
  let total = noTests;
  const show = () => {
    const elapsed = formatDuration(systemClock.nowMs() - startMs);
    progress.show([`testing ${[...running].join(", ")}`, `${total.passed} passed`, elapsed]);
  };
  async function work(): Promise<void> {
    for (let group = waiting.shift(); group !== undefined; group = waiting.shift()) {
      running.add(group.name);
      show();
      const { counts, output, durationMs } = await runGroup(group, env);
      running.delete(group.name);
      total = addCounts(total, counts);
      if (counts.failed > 0) progress.print(failures(output));
      const seconds = `${(durationMs / 1000).toFixed(1)} s`;
      progress.print(`${group.name.padEnd(width)}  ${describeCounts(counts)}  ${seconds}`);
      for (const reason of skipReasons(output, counts)) progress.print(`  skipped: ${reason}`);
    }
  }
  await Promise.all(Array.from({ length: jobs }, work));
  progress.end();
  return total;
}

/** What `deno test` says of failed tests; everything where it did not get that far. */
function failures(output: string): string {
  return output.slice(Math.max(output.indexOf("\n ERRORS "), 0)).trim();
}

/** Names of what was skipped, and the reasons that test files print when they cannot run. */
function skipReasons(output: string, counts: TestCounts): string[] {
  if (counts.skipped === 0) return [];
  const told = output.split("\n").filter((line) => /\bskipped\b.*:/i.test(line))
    .filter((line) => readClosingLine(line) === undefined)
    .map((line) => line.replace(/^skipped: /i, "").trim());
  return [...new Set([...counts.skippedNames, ...told])];
}

/** Runs `deno test` with a user's own arguments, its output as it comes. */
async function runSelected(args: readonly string[], report: string): Promise<TestCounts> {
  const group = denoTestGroup("selected", args, report);
  const child = new Deno.Command(Deno.execPath(), { args: [...group.denoArgs] }).spawn();
  return group.count("", (await child.status).code);
}

async function main(args: readonly string[]): Promise<number> {
  const { natsServer, problems } = await setUp();
  for (const problem of problems) console.error(problem);
  const env: Record<string, string> = natsServer ? { NATS_SERVER: natsServer.path } : {};
  const reports = await Deno.makeTempDir({ prefix: "lockstep-tests-" });
  try {
    const jobs = Math.min(navigator.hardwareConcurrency, JOBS_MAX);
    const counts = args.length > 0
      ? await runSelected(args, `${reports}/selected.xml`)
      : await runGroups([tfjsGroup(), ...groupsOfTests(reports)], jobs, env);
    console.log(describeCounts(counts));
    return counts.failed > 0 || counts.passed === 0 ? 1 : 0;
  } finally {
    await Deno.remove(reports, { recursive: true });
  }
}

if (import.meta.main) Deno.exit(await main(Deno.args));
