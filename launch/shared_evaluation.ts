/**
 * A split's shards shared among processes on this machine: the first share is scored here, each other
 * one in a process of its own, which ends with this one. Shards are pooled in their order, so the
 * scores have the same bits with any number of processes.
 */
import { deserialize } from "node:v8";
import { assignShards } from "../collective/canonical_tree.ts";
import {
  poolShards,
  type ScoredSplit,
  scoreShards,
  type ScoreSplitOptions,
  type ShardScores,
} from "../worker/score_split.ts";
import { evaluationWorkerFlags } from "./evaluation_worker.ts";
import { sentenceOf } from "./exit_codes.ts";
import { flagArgs, type FlagTable, type GivenFlags, UsageError } from "./flags.ts";
import { visibleGpus } from "./run_options.ts";
import { panicReason } from "./runtime_panic.ts";
import { type OnProgress, progressOfSlowest, readProgress } from "./shared_progress.ts";
import type { TrainedModel } from "./trained_model.ts";

export const sharedEvaluationFlags = {
  workers: {
    kind: "integer",
    value: "N",
    min: 1,
    max: 1000,
    help: "processes that share the split; scores do not depend on it",
    defaultText: "1",
  },
} as const satisfies FlagTable;

/**
 * @throws {UsageError} where there are fewer shards than processes
 * @throws {Error} where a process fails, with what it said
 */
export async function scoreShared(
  given: GivenFlags,
  trained: TrainedModel,
  scoring: ScoreSplitOptions,
): Promise<ScoredSplit> {
  const workers = given.workers as number | undefined ?? 1;
  const shards = scoring.shards!;
  if (workers > shards) {
    throw new UsageError(
      `Cannot share ${shards} shards among ${workers} workers: give --workers ${shards} or fewer`,
    );
  }
  const owners = assignShards(shards, workers);
  const [own, ...others] = Array.from(
    { length: workers },
    (_, rank) => owners.flatMap((owner, shard) => owner === rank ? [shard] : []),
  );
  // All of them end before this does: nobody may close the model while one share is computed.
  const progress = progressOfSlowest(workers, scoring.onProgress ?? (() => {}));
  const ends = await Promise.allSettled([
    scoreShards({ ...scoring, onProgress: progress[0] }, own),
    ...others.map((owned, index) =>
      scoreElsewhere(given, trained, owned, index + 1, progress[index + 1])
    ),
  ]);
  const parts = ends.map((end) => {
    if (end.status === "rejected") throw end.reason;
    return end.value;
  });
  return poolShards(scoring, parts.flat());
}

/** Of what a process said, where it did not end with a sentence. */
const tailCharactersMax = 1000;

async function scoreElsewhere(
  given: GivenFlags,
  { path, engine }: TrainedModel,
  owned: readonly number[],
  rank: number,
  onProgress: OnProgress,
): Promise<ShardScores[]> {
  // What is newest, or best, or found on this machine is decided once.
  const decided = { ...given, run: path, best: false, engine: engine.name, owned };
  const folder = import.meta.dirname!;
  const gpus = visibleGpus();
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--config", `${folder}/../deno.json`, "-A", `${folder}/evaluation_worker.ts`],
      ...flagArgs(decided, evaluationWorkerFlags),
    ],
    env: gpus ? { CUDA_VISIBLE_DEVICES: gpus[rank % gpus.length] } : {},
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const [{ success, code, signal }, scores, said] = await Promise.all([
    child.status,
    new Response(child.stdout).bytes(),
    readProgress(child.stderr, onProgress),
  ]);
  await child.stdin.close().catch(() => {});
  if (success) return deserialize(scores) as ShardScores[];
  const how = signal ? `was ended by ${signal}` : `ended with exit code ${code}`;
  const sentence = said.match(/^(?:Failed|Wrong usage): (.*)$/m)?.[1] ??
    panicReason(said) ?? said.slice(-tailCharactersMax);
  throw new Error(
    `Cannot score shards ${owned.join(", ")}: process ${child.pid} ${how}` +
      (sentence.trim() === "" ? "" : `: ${sentenceOf(sentence)}`),
  );
}
