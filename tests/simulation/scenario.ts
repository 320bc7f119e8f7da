/**
 * What a seed stands for: a small run, a network with its moods, and which faults happen how often.
 * Rates differ from seed to seed, so that some runs see one kind of fault many times and others all of
 * them at once.
 */
import { type Random, random } from "../../net/random.ts";
import { type RunConfiguration, scheduleNames } from "../../net/run_configuration.ts";
import { tinyRun } from "../support/tiny_run.ts";

const drawnKinds = [
  "kill worker",
  "freeze worker",
  "block event loop",
  "kill coordinator",
  "die at journal",
  "freeze coordinator",
  "stick disk",
  "restart broker",
  "lame duck",
  "cut connection",
  "partition up",
  "partition down",
  "partition both",
  "lose messages",
  "miss announcement",
  "join",
  "leave",
  "stop",
] as const;
/** Drawn apart from the others. */
const mishapKinds = ["fill disk", "break disk", "send garbage"] as const;
export const faultKinds = [...drawnKinds, ...mishapKinds] as const;
export type FaultKind = typeof faultKinds[number];

/** Moments that last too short for a fault at a random time to hit them. */
export const ambushSubjects = [
  "join",
  "ready",
  "begin",
  "read",
  "write",
  "snapshot",
  "validation",
  "finished",
  "workers",
] as const;
export const ambushActions = [
  "kill the sender",
  "kill another worker",
  "kill coordinator",
  "hold the sender back",
  "hold the sender back and kill another worker",
  "cut the sender off",
  "stop",
] as const;

/** What happens when a message is sent for the n-th time, by anybody. */
export interface Ambush {
  /** Counts from the moment on that the run is asked to stop. */
  readonly afterStop: boolean;
  readonly subject: typeof ambushSubjects[number];
  readonly count: number;
  readonly action: typeof ambushActions[number];
}

/** A lane's gradient in one step. */
export interface Nan {
  readonly step: number;
  readonly lane: number;
}

export interface Scenario {
  readonly seed: number;
  readonly configuration: RunConfiguration;
  /** A launcher tells the coordinator of a lost worker; otherwise only silence does. */
  readonly isLaunched: boolean;
  readonly faults: readonly { readonly kind: FaultKind; readonly weight: number }[];
  readonly faultEveryMs: number;
  /** Gradients that are no number whenever they are computed, as what is in the data is. */
  readonly nans: readonly Nan[];
  /** One that is none the first time only; the run goes back for it. */
  readonly passingNan: Nan | undefined;
  readonly ambushes: readonly Ambush[];
  readonly safetyMs: number;
  readonly shardMs: number;
  readonly chunkBytesMax: number;
  readonly inFlightBytesMax: number;
  readonly receiveBytesMax: number;
  readonly askAfterMs: number;
  readonly payloadBytesMax: number;
  readonly pendingBytesMax: number;
  readonly latencyMs: number;
  readonly lateShare: number;
  readonly duplicateShare: number;
  /** Share of the gradients' messages that one of their receivers does not get, from first to last. */
  readonly gradientLossShare: number;
  /** How much faster or slower than true time clocks may go. */
  readonly driftMax: number;
  /** Draws whatever is decided while it runs. */
  readonly random: Random;
}

export function scenarioOf(seed: number): Scenario {
  const draw = random(seed, "scenario");
  const between = (low: number, high: number) => low + draw.integer(high - low + 1);
  const shards = between(4, 8);
  const lanes = shards * (shards <= 6 ? between(1, 2) : 1);
  const workers = between(2, Math.min(6, shards));
  const faults = drawnKinds
    .filter((kind) => draw.uniform() < (rare.includes(kind) ? 0.2 : 0.5))
    .map((kind): { kind: FaultKind; weight: number } => ({ kind, weight: 0.1 + draw.uniform() }));
  // What lasts long needs a run that does.
  const isLong = faults.some(({ kind }) => kind === "block event loop");
  const ambushes = Array.from({ length: Math.max(0, between(-1, 3)) }, (): Ambush => ({
    afterStop: draw.uniform() < 0.4,
    subject: ambushSubjects[draw.integer(ambushSubjects.length)],
    count: between(1, 8),
    action: ambushActions[draw.integer(ambushActions.length)],
  }));
  if (ambushes.some(({ afterStop }) => afterStop) && !faults.some(({ kind }) => kind === "stop")) {
    faults.push({ kind: "stop", weight: 0.5 });
  }
  // Drawn apart, so that the rest of a seed does not depend on it.
  const flow = random(seed, "flow control");
  const configuration = {
    ...tinyRun,
    lanes,
    shards,
    workers,
    windowFrames: between(2, 4),
    epochs: null,
    steps: isLong ? between(60, 150) : between(20, 60),
    seed: between(1, 1000),
    snapshotSteps: between(1, 6),
    checkpointSteps: between(3, 20),
    imageSteps: 7,
    membership: {
      ...tinyRun.membership,
      workersMin: between(1, workers),
      heartbeatMs: 250,
      silenceMsMax: 1_000,
      waitTimeoutMs: 3_600_000,
    },
  };
  // Drawn apart, as the flow control is.
  const training = random(seed, "training");
  const schedule = scheduleNames[training.integer(scheduleNames.length)];
  const optimizer = {
    ...tinyRun.optimizer,
    learningRate: 0.05 + training.uniform(),
    schedule,
    warmupSteps: schedule === "one-cycle" ? 0 : training.integer(12),
  };
  // What sets a run back needs one that has time left.
  const mishaps = random(seed, "mishaps");
  const isSetBack = (share: number) => mishaps.uniform() < share && !isLong;
  for (const kind of mishapKinds) {
    if (isSetBack(0.25)) faults.push({ kind, weight: 0.3 + mishaps.uniform() });
  }
  const drawNan = () => ({
    step: 1 + mishaps.integer(configuration.steps),
    lane: mishaps.integer(lanes),
  });
  const nans = Array.from(
    { length: mishaps.uniform() < 0.3 ? 1 + mishaps.integer(4) : 0 },
    drawNan,
  );
  // Before one that a run went back for already it would be left out, so it comes alone.
  const passingNan = nans.length === 0 && isSetBack(0.2) ? drawNan() : undefined;
  const onNan = passingNan || mishaps.integer(2) === 0 ? "rollback" : "skip";
  return {
    seed,
    configuration: { ...configuration, optimizer, onNan },
    nans,
    passingNan,
    isLaunched: draw.uniform() < 0.6,
    faults,
    ambushes,
    faultEveryMs: 200 + 2_000 * draw.uniform() ** 2,
    safetyMs: isLong ? between(16_000, 30_000) : between(4_000, 15_000),
    shardMs: between(2, 40),
    chunkBytesMax: 4 * between(1, 6),
    inFlightBytesMax: between(40, 400),
    receiveBytesMax: 2_000 + flow.integer(4_000),
    askAfterMs: 20 + flow.integer(180),
    payloadBytesMax: 4096 + 4 * between(6, 12),
    pendingBytesMax: draw.uniform() < 0.5 ? between(2_500, 4_000) : between(4_000, 60_000),
    latencyMs: 0.2 + 3 * draw.uniform() ** 2,
    lateShare: draw.uniform() < 0.3 ? 0.02 * draw.uniform() : 0,
    duplicateShare: draw.uniform() < 0.4 ? 0.2 * draw.uniform() : 0,
    gradientLossShare: flow.uniform() < 0.3 ? 0.05 * flow.uniform() : 0,
    driftMax: 0.01,
    random: random(seed, "events"),
  };
}

/** Those that take the rest of a run to get over, or happen once. */
const rare: readonly FaultKind[] = ["lose messages", "block event loop", "stop"];
