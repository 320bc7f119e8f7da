/**
 * What a seed stands for: a small run, a network with its moods, and which faults happen how often.
 * Rates differ from seed to seed, so that some runs see one kind of fault many times and others all of
 * them at once.
 */
import { type Random, random } from "../../net/random.ts";
import type { RunConfiguration } from "../../net/run_configuration.ts";
import { tinyRun } from "../support/tiny_run.ts";

export const faultKinds = [
  "kill worker",
  "freeze worker",
  "kill coordinator",
  "freeze coordinator",
  "restart broker",
  "cut connection",
  "partition",
  "lose messages",
  "join",
  "leave",
  "stop",
] as const;
export type FaultKind = typeof faultKinds[number];

export interface Scenario {
  readonly seed: number;
  readonly configuration: RunConfiguration;
  /** A launcher tells the coordinator of a lost worker; otherwise only silence does. */
  readonly isLaunched: boolean;
  readonly faults: readonly { readonly kind: FaultKind; readonly weight: number }[];
  readonly faultEveryMs: number;
  readonly safetyMs: number;
  readonly shardMs: number;
  readonly chunkBytesMax: number;
  readonly inFlightBytesMax: number;
  readonly payloadBytesMax: number;
  readonly pendingBytesMax: number;
  readonly latencyMs: number;
  readonly lateShare: number;
  /** Draws whatever is decided while it runs. */
  readonly random: Random;
}

export function scenarioOf(seed: number): Scenario {
  const draw = random(seed, "scenario");
  const between = (low: number, high: number) => low + draw.integer(high - low + 1);
  const shards = between(4, 8);
  const lanes = shards * (shards <= 6 ? between(1, 2) : 1);
  const workers = between(2, Math.min(6, shards));
  const faults = faultKinds
    .filter((kind) => draw.uniform() < (rare.includes(kind) ? 0.2 : 0.5))
    .map((kind) => ({ kind, weight: 0.1 + draw.uniform() }));
  return {
    seed,
    configuration: {
      ...tinyRun,
      lanes,
      shards,
      workers,
      windowFrames: between(2, 4),
      epochs: null,
      steps: between(20, 60),
      seed: between(1, 1000),
      snapshotSteps: between(1, 6),
      checkpointSteps: between(3, 20),
      membership: {
        ...tinyRun.membership,
        workersMin: between(1, workers),
        heartbeatMs: 250,
        silenceMsMax: 1_000,
        waitTimeoutMs: 3_600_000,
      },
    },
    isLaunched: draw.uniform() < 0.6,
    faults,
    faultEveryMs: 200 + 2_000 * draw.uniform() ** 2,
    safetyMs: between(4_000, 15_000),
    shardMs: between(2, 40),
    chunkBytesMax: 4 * between(1, 6),
    inFlightBytesMax: between(40, 400),
    payloadBytesMax: 4096 + 4 * between(6, 12),
    pendingBytesMax: between(1, 60) * 1024,
    latencyMs: 0.2 + 3 * draw.uniform() ** 2,
    lateShare: draw.uniform() < 0.3 ? 0.02 * draw.uniform() : 0,
    random: random(seed, "events"),
  };
}

/** Those that take the rest of a run to get over, or happen once. */
const rare: readonly FaultKind[] = ["lose messages", "stop"];
