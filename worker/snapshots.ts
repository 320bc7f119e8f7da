/**
 * Snapshots of a run as this worker's part of them: parameters and optimizer slots from rank 0, the
 * states of its lanes from everyone. The coordinator puts them together; whoever begins a generation
 * begins from the last one that was complete.
 */
import { initialVector, type Tally } from "../net/messages.ts";
import type { GenerationClient } from "./coordinator_client.ts";
import type { Position } from "./position.ts";
import type { RunTrainer } from "./opened_run.ts";

export interface Snapshots {
  /**
   * Copies everything, then sends it while training goes on; at most one is under way.
   * @param save waits until the snapshot is a checkpoint on disk
   */
  write(position: Position, save: boolean, tally: Tally): Promise<void>;
  /** Resolves when the last one is complete. */
  settled(): Promise<void>;
}

/** @param pause awaited before the lanes of each shard, so that this worker is heard of meanwhile */
export function createSnapshots(
  conversation: GenerationClient,
  trainer: RunTrainer,
  rank: number,
  shards: readonly number[],
  lanesPerShard: number,
  pause: () => Promise<void> = () => Promise.resolve(),
): Snapshots {
  let pending: Promise<void> = Promise.resolve();
  return {
    async write(position, save, tally) {
      await pending;
      const vectors: [string, Float32Array][] = [];
      if (rank === 0) {
        vectors.push(["parameters", trainer.readParameters()]);
        trainer.readSlots().forEach((slot, index) => {
          vectors.push([`slot/${trainer.slotNames[index]}`, slot]);
        });
      }
      const { states } = trainer;
      for (const shard of shards) {
        await pause();
        const lanes = lanesOf([shard], lanesPerShard);
        const values = states.readShard?.(shard) ?? lanes.map((lane) => states.readLane(lane));
        lanes.forEach((lane, row) => vectors.push([`lane/${lane}`, values[row]]));
      }
      pending = send(conversation, vectors, position, save, tally);
      // Who waits for it next hears of a failure.
      pending.catch(() => {});
      if (save) await pending;
    },
    settled: () => pending,
  };
}

async function send(
  conversation: GenerationClient,
  vectors: readonly [string, Float32Array][],
  position: Position,
  save: boolean,
  tally: Tally,
): Promise<void> {
  for (const [name, values] of vectors) await conversation.writeVector(name, values);
  await conversation.snapshot(position, save, tally);
}

/** Sets a trainer to the snapshot that its generation begins from. */
export async function restoreSnapshot(
  conversation: GenerationClient,
  trainer: RunTrainer,
  step: number,
  shards: readonly number[],
  lanesPerShard: number,
): Promise<void> {
  const parameters = await conversation.readVector("parameters");
  const slots: Float32Array[] = [];
  for (const name of trainer.slotNames) slots.push(await conversation.readVector(`slot/${name}`));
  trainer.restore(step, parameters, slots);
  const lanes = new Map<number, Float32Array>();
  for (const lane of lanesOf(shards, lanesPerShard)) {
    lanes.set(lane, await conversation.readVector(`lane/${lane}`));
  }
  trainer.states.writeLanes(lanes);
}

/** Sets a new trainer to the weights that its run was given; those that are missing stay as drawn. */
export async function beginWithWeights(
  conversation: Pick<GenerationClient, "readVector">,
  trainer: Pick<RunTrainer, "step" | "readParameters" | "readSlots" | "restore">,
): Promise<void> {
  const given = await conversation.readVector(initialVector);
  const parameters = trainer.readParameters();
  if (given.length !== parameters.length) {
    throw new Error(
      `Cannot begin with the run's weights: ${given.length} values came for ${parameters.length}`,
    );
  }
  given.forEach((value, index) => {
    if (!Number.isNaN(value)) parameters[index] = value;
  });
  trainer.restore(trainer.step, parameters, trainer.readSlots());
}

function lanesOf(shards: readonly number[], lanesPerShard: number): number[] {
  return shards.flatMap((shard) =>
    Array.from({ length: lanesPerShard }, (_, row) => shard * lanesPerShard + row)
  );
}
