/**
 * What members ask of the run's state: they write and read its vectors, complete a snapshot together,
 * and go back to the last one when a step is not finite.
 */
import {
  initialVector,
  readSchema,
  rollbackSchema,
  snapshotSchema,
  writeSchema,
} from "../net/messages.ts";
import type { CheckpointMetrics } from "./checkpoint_manifest.ts";
import { accepted, refused } from "./control_channel.ts";
import type { CoordinatedRun } from "./coordinated_run.ts";
import { sentence } from "./error_sentence.ts";
import type { Gathered } from "./gathering.ts";
import type { Handler, MessageFilter } from "./message_filter.ts";
import type { RecoveryPoint } from "./recovery_point.ts";
import { bytesOf } from "./safetensors.ts";
import { assembleSnapshot, type Snapshot, type SnapshotPart } from "./snapshot.ts";
import { checkUpload } from "./upload_check.ts";

export type SnapshotVerb = "write" | "read" | "snapshot" | "rollback";

/** @param validationAt what the last validation found, where it was after this step */
export function snapshotMessages(
  run: CoordinatedRun,
  { heardNow, noteMalformed }: MessageFilter,
  { recovery, validationAt }: {
    readonly recovery: RecoveryPoint;
    readonly validationAt: (step: number) => CheckpointMetrics;
  },
): Readonly<Record<SnapshotVerb, Handler>> {
  const { uploads, apply, fail } = run;
  const { reply, answerBytesMax } = run.control;
  const { lanes, shards, onNan } = run.configuration;

  const completeSnapshot = ({ values, messages }: Gathered<SnapshotPart>) => {
    const { generation } = run.membership;
    let complete: Snapshot;
    try {
      const sources = { specs: run.ready!, lanes, take: uploads.take, validationAt };
      complete = assembleSnapshot(values, sources);
    } catch (error) {
      for (const message of messages) reply(message, refused(sentence(error)));
      return fail(sentence(error));
    }
    recovery.keep(complete);
    const [{ save }] = values;
    if (!save) {
      for (const message of messages) reply(message, accepted());
      return apply({ type: "snapshot" });
    }
    recovery.saveInTurn(complete, async (saved) => {
      try {
        await saved;
        for (const message of messages) reply(message, accepted());
      } catch (error) {
        for (const message of messages) reply(message, refused(sentence(error)));
        return fail(sentence(error));
      }
      // Meanwhile another generation may have begun, and gone on from here.
      if (run.membership.generation === generation) apply({ type: "snapshot" });
    });
  };

  return {
    write: heardNow("write", writeSchema, (part, message, worker) => {
      const members = run.membership.active;
      try {
        checkUpload(part, worker, { specs: run.ready, lanes, shards, members });
        uploads.add({ ...part, name: part.vector });
        reply(message, accepted());
      } catch (error) {
        reply(message, refused(sentence(error)));
      }
    }),
    read: heardNow("read", readSchema, ({ vector, offset, bytes }, message) => {
      const values = vector === initialVector
        ? recovery.initialParameters
        : recovery.snapshot?.vectors.get(vector);
      if (!values) return reply(message, refused(`there is no vector "${vector}" to read`));
      // The worker's broker may take more than the one that the answer goes by.
      const data = bytesOf(values).subarray(offset, offset + Math.min(bytes, answerBytesMax));
      reply(message, { ...accepted(), totalBytes: values.byteLength, data });
    }),
    snapshot: heardNow("snapshot", snapshotSchema, (request, message, worker) => {
      const complete = run.gatherings.snapshots.add(worker, message, { ...request, worker });
      if (complete) completeSnapshot(complete);
    }),
    // Whoever finds the fault first says so: all members find the same.
    rollback: heardNow("rollback", rollbackSchema, ({ step, fault }, message, worker) => {
      const from = recovery.step;
      const after = Math.max(recovery.skipUpTo, from);
      if (onNan !== "rollback" || step <= after) {
        const why = `nobody is to go back for step ${step}, with --on-nan ${onNan} after step ` +
          `${after}`;
        noteMalformed(worker, "rollback", why);
        return reply(message, refused(`Cannot take rollback: ${why}`));
      }
      reply(message, accepted());
      recovery.goBackFor(step);
      const sentence = `Step ${step} was not applied, ${fault}: back to step ${from}`;
      apply({ type: "rollback", sentence });
    }),
  };
}
