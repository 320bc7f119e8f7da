/**
 * Begins one generation after the other: whoever waits in the one before is told that it is over, the
 * journal knows of the new one before anybody else, and its members hear where they begin.
 */
import { type ReadyRequest, staleGeneration, type StartMessage } from "../net/messages.ts";
import type { Message } from "../net/transport.ts";
import { refused } from "./control_channel.ts";
import type { CoordinatedRun } from "./coordinated_run.ts";
import { sentence } from "./error_sentence.ts";
import type { Journal } from "./journal.ts";
import type { RecoveryPoint } from "./recovery_point.ts";

export interface GenerationStarts {
  /** What the workers run on, all alike; undefined before the first generation. */
  readonly ready: ReadyRequest | undefined;
  /** What the newest generation began with; undefined before the first. */
  readonly newest: StartMessage | undefined;
  /** What a worker runs on that may be a member. */
  noteReady(worker: string, request: ReadyRequest): void;
  /** What a worker's broker takes at most in one message; undefined where that is ample. */
  notePayload(worker: string, bytesMax: number | undefined): void;
  begin(generation: number, members: readonly string[]): void;
}

export interface GenerationStartsOptions {
  readonly journal: Journal;
  readonly recovery: RecoveryPoint;
  /** Why the run cannot go on with what the workers run on, in a sentence; undefined if it can. */
  readonly refuse?: (ready: ReadyRequest) => string | undefined;
  /** Called once, when the workers have said what they run on. */
  readonly onReady?: (ready: ReadyRequest) => Promise<void>;
  /** Called before the members hear after which step they begin. */
  readonly onStart: (step: number) => void;
}

export function createGenerationStarts(
  run: CoordinatedRun,
  options: GenerationStartsOptions,
): GenerationStarts {
  const { journal, recovery, refuse, onReady, onStart } = options;
  const { report, uploads, fail } = run;
  const { broadcast, reply } = run.control;
  const { beginnings, snapshots, losses } = run.gatherings;
  const firstGeneration = run.membership.generation + 1;
  const readyReports = new Map<string, ReadyRequest>();
  const payloads = new Map<string, number>();
  let readyReport: ReadyRequest | undefined;
  let newest: StartMessage | undefined;

  const begin = (generation: number, members: readonly string[]) => {
    const stale = (message: Message) => reply(message, refused(staleGeneration));
    for (const gathering of [beginnings, snapshots, losses]) gathering.dismiss(stale);
    uploads.clear();
    readyReport ??= readyReports.get(members[0])!;
    // All are alike, and those who come later are compared with this one.
    readyReports.clear();
    try {
      recovery.resume();
      const { restarts } = run.membership;
      journal.append({ generation, members, step: recovery.step, restarts });
    } catch (error) {
      return fail(sentence(error));
    }
    const { position } = recovery;
    if (generation === firstGeneration) {
      const refusal = refuse?.(readyReport);
      if (refusal !== undefined) return fail(refusal);
      report.started(readyReport, position.step);
      onReady?.(readyReport).catch((error) => report.warn(sentence(error)));
    }
    onStart(position.step);
    const short = members.flatMap((member) => payloads.get(member) ?? []);
    newest = {
      ...{ type: "start", generation, members: [...members], ...position },
      ...(short.length === 0 ? {} : { payloadBytesMax: Math.min(...short) }),
    };
    broadcast(newest);
    // After the start, which no disk is to hold up.
    if (generation !== firstGeneration) report.rewound(position.step);
  };

  return {
    get ready() {
      return readyReport;
    },
    get newest() {
      return newest;
    },
    noteReady(worker, request) {
      if (readyReport === undefined) readyReports.set(worker, request);
    },
    notePayload(worker, bytesMax) {
      if (bytesMax === undefined) payloads.delete(worker);
      else payloads.set(worker, bytesMax);
    },
    begin,
  };
}
