/**
 * One real run whose processes and connections are broken again and again, by a seed; it must end
 * with the weights of the run that nothing disturbed.
 */
import { delay, systemClock } from "../net/clock.ts";
import { formatTable } from "../report/table.ts";
import { type ChaosCluster, startChaosCluster } from "./chaos_cluster.ts";
import { type Fault, planFaults } from "./fault_plan.ts";
import { sentenceOf } from "./fault_table/trial.ts";
import { type RunWatch, watchRun } from "./run_watch.ts";
import { train, type TrainSetting } from "./train_process.ts";
import { judgeKills } from "./kill_target.ts";
import { percentile } from "./turns.ts";

/** Time for a worker that was killed to come back before the next fault. */
const stepsApart = 80;
/** A run that applies no step for so long has not survived. */
const standstillMsMax = 60_000;
const startMsMax = 120_000;
/** Fewer are not asked to leave. */
const workersMin = 2;
const bytesPerSecond = 1_000_000;

interface FaultResult {
  readonly kind: string;
  readonly victim: string;
  readonly step: number;
  /** From the fault to the generation that answers it, and to the first step applied after that. */
  readonly detectedMs: number | null;
  readonly resumedMs: number | null;
}

/** @param count faults, planned by `seed` */
export async function sufferMixedFaults(
  setting: TrainSetting,
  folder: string,
  { count, seed }: { count: number; seed: number },
) {
  const faults = planFaults(count, seed, stepsApart);
  const steps = (faults.length + 1) * stepsApart;
  const args = [...setting.args, "--steps", `${steps}`];
  console.error(`Undisturbed run of ${steps} steps`);
  const { parametersSha256: expected } = await train({ ...setting, args }, `${folder}/undisturbed`);
  const out = `${folder}/run`;
  const startedMs = systemClock.nowMs();
  const cluster = await startChaosCluster({ ...setting, args, out });
  const watch = watchRun(out, systemClock);
  void cluster.ended.then(
    (code) => watch.fail(`The run ended with exit code ${code}`),
    (error) => watch.fail(sentenceOf(error)),
  );
  const results: FaultResult[] = [];
  try {
    const lasting: Promise<void>[] = [];
    for (const [index, fault] of faults.entries()) {
      const what = `fault ${index + 1} of ${faults.length}`;
      const isThere = () => watch.step >= fault.step;
      await watch.until(
        `step ${fault.step}, for ${what}`,
        isThere,
        index ? standstillMsMax : startMsMax,
      );
      await delay(systemClock, fault.delayMs);
      const { result, isOver } = await suffer(fault, cluster, watch);
      results.push(result);
      lasting.push(isOver);
      const { kind, victim, step, detectedMs, resumedMs } = result;
      console.error(
        `${what}, step ${step}: ${kind} ${victim}; detected ${inWords(detectedMs)}, next step ` +
          inWords(resumedMs),
      );
    }
    await Promise.all(lasting);
    const late = Symbol();
    const code = await Promise.race([
      cluster.ended,
      delay(systemClock, startMsMax).then(() => late),
    ]);
    if (code === late) throw new Error(`The run stands still at step ${watch.step}`);
    const found = code === 0 ? await finalSha256(out, steps) : `exit code ${String(code)}`;
    return reportFaults(results, {
      steps,
      expected,
      found,
      stepsApplied: watch.applied,
      seconds: (systemClock.nowMs() - startedMs) / 1000,
    });
  } finally {
    watch.close();
    await cluster.close();
  }
}

/** Inflicts one fault, and waits until the run has got over it or need not. */
async function suffer(
  fault: Fault,
  cluster: ChaosCluster,
  watch: RunWatch,
): Promise<{ result: FaultResult; isOver: Promise<void> }> {
  const { kind, durationMs } = fault;
  const workers = cluster.workers();
  const worker = workers[Math.floor(fault.victim * workers.length)] ?? "";
  let isOver = Promise.resolve();
  const later = (undo: () => void) => {
    isOver = delay(systemClock, durationMs).then(undo);
  };
  const { generation, step } = watch;
  const startMs = systemClock.nowMs();
  let victim = "";
  switch (kind) {
    case "kill worker":
      cluster.signal(victim = worker, "SIGKILL");
      break;
    case "stop worker":
      cluster.signal(victim = worker, "SIGSTOP");
      later(() => cluster.signal(worker, "SIGCONT"));
      break;
    case "kill coordinator":
      cluster.signal("coordinator", "SIGKILL");
      break;
    case "kill broker":
      cluster.signalBroker("SIGKILL");
      break;
    case "stop broker":
      cluster.signalBroker("SIGSTOP");
      later(() => cluster.signalBroker("SIGCONT"));
      break;
    case "partition":
      victim = `${worker} ${fault.directions.join(" and ")}`;
      cluster.proxy.stall(worker, fault.directions);
      later(() => cluster.proxy.heal(worker));
      break;
    case "cut":
      cluster.proxy.cut(victim = worker);
      break;
    case "slow link":
      cluster.proxy.limit(victim = worker, bytesPerSecond);
      later(() => cluster.proxy.heal(worker));
      break;
    case "join":
      victim = cluster.join();
      break;
    case "leave":
      victim = workers.length > workersMin ? worker : "";
      if (victim !== "") cluster.signal(victim, "SIGTERM");
      break;
  }
  // A slow link slows the run, and who stands by can die unnoticed: no generation need answer.
  const goesOn = watch.applied + stepsApart / 2;
  const isAnswered = () => watch.generation > generation && watch.resumedMs !== undefined;
  await watch.until(
    `a step after "${kind} ${victim}" at step ${step}`,
    () => isAnswered() || watch.applied >= goesOn,
    standstillMsMax,
  );
  const since = (ms: number | undefined) => isAnswered() && ms ? Math.round(ms - startMs) : null;
  const [detectedMs, resumedMs] = [since(watch.openedMs), since(watch.resumedMs)];
  return { result: { kind, victim, step, detectedMs, resumedMs }, isOver };
}

function reportFaults(
  results: readonly FaultResult[],
  run: { steps: number; expected: string; found: string; stepsApplied: number; seconds: number },
) {
  const kinds = [...new Set(results.map(({ kind }) => kind))].map((kind) => {
    const own = results.filter((result) => result.kind === kind);
    return { kind, count: own.length, ...delays(own) };
  });
  const kills = results.filter(({ kind }) => kind === "kill worker");
  const target = judgeKills(kills.map(({ resumedMs }) => resumedMs));
  console.error(formatTable(
    ["fault", "times", "detected p50 ms", "p95", "next step p50 ms", "p95"],
    kinds.map((row) => [
      row.kind,
      row.count,
      ...[row.detectedP50Ms, row.detectedP95Ms, row.resumedP50Ms, row.resumedP95Ms]
        .map((ms) => ms ?? "–"),
    ]),
  ));
  const survived = run.found === run.expected;
  console.error(
    `${results.length} faults in ${run.seconds.toFixed(0)} s and ${run.steps} steps, ` +
      `${run.stepsApplied - run.steps} of them done again: ` +
      (survived
        ? `the same weights as undisturbed, SHA-256 ${run.expected}`
        : `SHA-256 ${run.found} in place of ${run.expected}`),
  );
  return {
    survived,
    faults: results.length,
    ...run,
    killed: delays(kills),
    target,
    kinds,
    results,
  };
}

function delays(results: readonly FaultResult[]) {
  const read = (field: "detectedMs" | "resumedMs", share: number) => {
    const found = results.map((result) => result[field]).filter((ms) => ms !== null);
    return found.length === 0 ? null : percentile(found, share);
  };
  return {
    detectedP50Ms: read("detectedMs", 0.5),
    detectedP95Ms: read("detectedMs", 0.95),
    resumedP50Ms: read("resumedMs", 0.5),
    resumedP95Ms: read("resumedMs", 0.95),
  };
}

/** As the last checkpoint's manifest has it. */
async function finalSha256(out: string, step: number): Promise<string> {
  const path = `${out}/checkpoints/step-${String(step).padStart(6, "0")}/manifest.json`;
  return JSON.parse(await Deno.readTextFile(path)).parametersSha256;
}

function inWords(ms: number | null): string {
  return ms === null ? "–" : `after ${(ms / 1000).toFixed(2)} s`;
}
