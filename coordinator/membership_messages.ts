/**
 * What workers say of themselves and of each other: they join, are ready, begin, live, leave, finish,
 * find that nothing moves, accuse. Each becomes an event of the membership.
 */
import {
  accuseSchema,
  beginSchema,
  finishedSchema,
  heartbeatSchema,
  joinSchema,
  joinVersionSchema,
  leaveSchema,
  nameIsTaken,
  protocolVersion,
  readySchema,
  staleGeneration,
  stalledSchema,
  unknownWorker,
} from "../net/messages.ts";
import { accepted, refused } from "./control_channel.ts";
import type { CoordinatedRun } from "./coordinated_run.ts";
import type { GenerationStarts } from "./generation_starts.ts";
import type { Handler, MessageFilter } from "./message_filter.ts";

export type MembershipVerb =
  | "join"
  | "ready"
  | "begin"
  | "heartbeat"
  | "leave"
  | "stalled"
  | "accuse"
  | "finished";

/** Workers that have joined, active or not: the broker may let anybody in who knows its login. */
const membersMax = 1024;

export function membershipMessages(
  run: CoordinatedRun,
  { heard, heardNow }: MessageFilter,
  starts: GenerationStarts,
): Readonly<Record<MembershipVerb, Handler>> {
  const { apply } = run;
  const { broadcast, reply, defer, answer } = run.control;
  const { beginnings, snapshots, losses } = run.gatherings;

  const hearJoin = heard(
    "join",
    joinSchema,
    ({ where, attempt, payloadBytesMax }, message, worker) => {
      const { members } = run.membership;
      if (members.length >= membersMax && !members.some(({ id }) => id === worker)) {
        return reply(message, refused(`there are ${membersMax} workers already`));
      }
      starts.notePayload(worker, payloadBytesMax);
      defer(worker, message);
      apply({ type: "join", worker, where, attempt });
    },
  );

  return {
    // Whatever else another version would say: it is told about the version first.
    join: heard("join", joinVersionSchema, ({ protocol }, message, worker) => {
      if (protocol === protocolVersion) return hearJoin(message, worker);
      reply(message, refused(otherVersion(protocol)));
    }),
    ready: heard("ready", readySchema, (request, message, worker) => {
      if (!run.membership.members.some(({ id }) => id === worker)) {
        return reply(message, refused(unknownWorker));
      }
      starts.noteReady(worker, request);
      defer(worker, message);
      apply({ type: "ready", worker, report: request });
      answer(worker, accepted());
    }),
    begin: heardNow("begin", beginSchema, ({ where }, message, worker) => {
      const member = run.membership.members.find(({ id }) => id === worker);
      // One that was given up, stood still meanwhile and now hears its name called.
      if (member?.where !== where) {
        return reply(message, refused(nameIsTaken(worker, member?.where ?? "elsewhere")));
      }
      const complete = beginnings.add(worker, message, null);
      for (const waiting of complete?.messages ?? []) reply(waiting, accepted());
    }),
    heartbeat: heard(
      "heartbeat",
      heartbeatSchema,
      ({ generation, where, heardMs, attempt = 0 }, message, worker) => {
        const member = run.membership.members.find(({ id }) => id === worker);
        if (member?.attempt === attempt && member.where === where) {
          apply({ type: "heartbeat", worker, heardMs });
          const isBehind = run.membership.active.includes(worker) &&
            generation < run.membership.generation;
          const newestStart = starts.newest;
          if (isBehind && newestStart) broadcast(newestStart);
        } else if (run.membership.phase !== "ended") {
          // It was given up, or this coordinator took over: it may come again.
          broadcast({ type: "rejoin", worker, where });
        }
        reply(message, accepted());
      },
    ),
    leave: heard("leave", leaveSchema, (_, __, worker) => {
      apply({ type: "leave", worker });
      // Who takes no part has nothing to wait for.
      const isMember = run.membership.members.some(({ id }) => id === worker);
      if (!isMember && run.membership.phase !== "ended") broadcast({ type: "rejoin", worker });
    }),
    stalled: heardNow(
      "stalled",
      stalledSchema,
      ({ missing }, _, worker) => {
        // A snapshot that is not waited for goes on beside the next steps.
        const idle = [...losses.waiting(), ...snapshots.waiting(({ save }) => save)];
        apply({ type: "stalled", worker, missing, idle });
      },
    ),
    accuse: heardNow(
      "accuse",
      accuseSchema,
      ({ accused }, _, worker) => apply({ type: "accuse", worker, accused }),
    ),
    finished: heard("finished", finishedSchema, (report, message, worker) => {
      const { generation, reason, step, parametersSha256, failure } = report;
      if (failure !== "") {
        reply(message, accepted());
        return apply({ type: "failed", worker, message: failure });
      }
      if (generation !== run.membership.generation) {
        return reply(message, refused(staleGeneration));
      }
      reply(message, accepted());
      apply({ type: "finished", worker, report: { reason, step, parametersSha256 } });
    }),
  };
}

/** Why a worker of another Lockstep is refused. */
export function otherVersion(found: number | string): string {
  return `it speaks version ${found} of the protocol, the coordinator ${protocolVersion}; ` +
    "install the same Lockstep everywhere";
}
