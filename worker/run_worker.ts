/**
 * One worker from joining a run to its end. It takes part in one generation after the other: each
 * gives it some shards and a snapshot to begin from, and the bits of the result depend on neither.
 * When coordinator or broker are gone, it waits for them and joins again.
 */
import { createAllReduce } from "../collective/all_reduce.ts";
import { type AllReduceOptions, chunkBytesFor } from "../collective/all_reduce_options.ts";
import { assignShards } from "../collective/canonical_tree.ts";
import { type AllReduce, AllReduceError } from "../collective/reduction.ts";
import { type Clock, delay } from "../net/clock.ts";
import { runSubjects, type StartMessage } from "../net/messages.ts";
import { readRunConfiguration } from "../net/configuration_schema.ts";
import type { RunConfiguration } from "../net/run_configuration.ts";
import {
  BrokerAddressError,
  LoginCutError,
  LoginRefusedError,
  notPermittedOn,
  type Transport,
  TransportError,
} from "../net/transport.ts";
import {
  connectCoordinator,
  ConnectionLostError,
  type CoordinatorClient,
  GenerationEndedError,
  RunEndedError,
} from "./coordinator_client.ts";
import { parseJson } from "../net/strict_json.ts";
import { fingerprint } from "./fingerprint.ts";
import type { GenerationTrainer, OpenedRun } from "./opened_run.ts";
import { runTraining } from "./run_training.ts";
import { sendPicture } from "./send_picture.ts";
import { beginWithWeights, createSnapshots, restoreSnapshot } from "./snapshots.ts";
import { turnEventLoop } from "./turn_event_loop.ts";

/** Two connections: bulk data must never delay a heartbeat. */
export interface WorkerConnections {
  readonly control: Transport;
  readonly data: Transport;
}

export interface WorkerOptions {
  /** @throws {TransportError} where the broker cannot be reached */
  readonly connect: () => Promise<WorkerConnections>;
  /** Read after each `connect`, which may have found another coordinator's word for it. */
  readonly run: string;
  /** Unique within the run; letters, digits, dashes. */
  readonly name: string;
  /** Host and process: the same for as long as this worker lives. */
  readonly where: string;
  /** Called once, when the broker that was not there before is waited for, with the reason. */
  readonly onWait?: (why: string) => void;
  /** What this worker computes with where the run leaves that open. */
  readonly engine?: string;
  /** How long to wait for broker and coordinator, at first and whenever they are gone. */
  readonly joinTimeoutMs: number;
  readonly clock: Clock;
  /** Opens engine, data and model that a configuration names. */
  readonly open: (configuration: RunConfiguration, clock: Clock) => Promise<OpenedRun>;
  /** Resolves when this worker is asked to leave the run. */
  readonly leave?: Promise<void>;
  /** Called each time the coordinator has accepted the worker. */
  readonly onJoined?: () => void;
  /** After so long without anything new in a sum the coordinator is told. @default {5000} */
  readonly stallMs?: number;
  /** Bounds of the sums' messages, the same on all workers; the defaults are the fastest. */
  readonly sums?: Pick<
    AllReduceOptions,
    "chunkBytesMax" | "inFlightBytesMax" | "receiveBytesMax" | "askAfterMs"
  >;
}

/**
 * Longest silence of the other workers within a sum. The coordinator finds sooner who is dead, and where
 * the way between two is cut, and a worker that gave up on a slow one would find it as slow again: this
 * is for what neither knows of.
 */
const reduceTimeoutMs = 3_600_000;
const reconnectMs = 100;
/** One that the broker cuts sooner is made again after as long: a login's last second is accepted and cut. */
const briefConnectionMs = 1_000;
/** A chunk that is longer on its way comes over a link that is no use for training. */
const stallMsDefault = 5_000;
const stallReportMs = 1_000;

/**
 * @throws {RunEndedError} when the coordinator refuses the worker or ends the run early
 */
export async function runWorker(options: WorkerOptions): Promise<void> {
  const { name, where, clock, joinTimeoutMs } = options;
  let opened:
    | { readonly text: string; readonly engine: string; readonly run: OpenedRun }
    | undefined;
  let isLeaving = false;
  // Who waits for broker or coordinator has nothing to hand over: it goes at once.
  let stopWaiting = () => {};
  void options.leave?.then(() => {
    isLeaving = true;
    stopWaiting();
  });
  try {
    for (let attempt = 0;; attempt++) {
      const connections = await connectInTime(options, attempt === 0, () => isLeaving);
      if (connections === undefined) return;
      const connectedAtMs = clock.nowMs();
      // Who waits to join loses nothing but the broker; a coordinator that dies later is no such loss.
      let [hasJoined, isBrief] = [false, false];
      let client: CoordinatorClient | undefined;
      try {
        const { run } = options;
        client = connectCoordinator({ ...connections, run, worker: name, clock, attempt });
        const { leave, close } = client;
        stopWaiting = close;
        if (isLeaving) return;
        // The next coordinator may leave it open again; this worker goes on with what it has opened.
        const engine = opened?.engine ?? options.engine;
        const text = await client.join(where, joinTimeoutMs, engine);
        stopWaiting = () => {};
        hasJoined = true;
        options.onJoined?.();
        if (opened && opened.text !== text) {
          throw new Error(
            "Cannot go on: the coordinator came back with another configuration; start this worker anew",
          );
        }
        const configuration = readRunConfiguration(parseJson(text), "the coordinator's answer");
        opened ??= {
          ...{ text, engine: configuration.engine },
          run: await options.open(configuration, clock),
        };
        await client.ready(opened.run.report, configuration.membership.heartbeatMs);
        void options.leave?.then(leave);
        const hasLeft = () => isLeaving;
        return await takePart(
          options,
          client,
          connections.data,
          opened.run,
          configuration,
          hasLeft,
        );
      } catch (error) {
        const refusal = await notPermittedOn(connections.control, connections.data);
        if (refusal) throw refusal;
        if (isLoss(error) && isLeaving) return;
        if (isLoss(error)) {
          isBrief = !hasJoined && clock.nowMs() - connectedAtMs < briefConnectionMs;
          continue;
        }
        if (error instanceof RunEndedError) {
          if (error.message === "") return;
          throw error;
        }
        await client?.failed(sentenceOf(error));
        throw error;
      } finally {
        client?.close();
        await Promise.allSettled([connections.control.close(), connections.data.close()]);
        if (isBrief) await delay(clock, briefConnectionMs);
      }
    }
  } finally {
    opened?.run.close();
  }
}

/** Workers and broker are often started at the same moment, so it is waited for at first as well. */
async function connectInTime(
  { connect, clock, joinTimeoutMs, onWait }: WorkerOptions,
  isFirst: boolean,
  isLeaving: () => boolean,
): Promise<WorkerConnections | undefined> {
  const deadline = clock.nowMs() + joinTimeoutMs;
  for (let hasTold = !isFirst; !isLeaving();) {
    try {
      return await connect();
    } catch (error) {
      // A broker that is there and refuses will refuse again, and what is no address never becomes one.
      if (error instanceof LoginRefusedError || error instanceof BrokerAddressError) throw error;
      if (!(error instanceof TransportError) || clock.nowMs() >= deadline) throw error;
      // Whoever has mistaken the address sees it at once, and need not wait for the end.
      if (!hasTold) onWait?.(error.message);
      hasTold = true;
      await delay(clock, error instanceof LoginCutError ? briefConnectionMs : reconnectMs);
    }
  }
  return undefined;
}

/** One generation after the other, until the run ends. */
async function takePart(
  options: WorkerOptions,
  client: CoordinatorClient,
  data: Transport,
  opened: OpenedRun,
  configuration: RunConfiguration,
  isLeaving: () => boolean,
): Promise<void> {
  let generation = 0;
  for (;;) {
    const start = await client.nextStart(generation);
    generation = start.generation;
    // Not among the members: it stands by for a later generation.
    if (!start.members.includes(options.name)) {
      if (isLeaving()) return;
      continue;
    }
    try {
      await runGeneration(options, client, data, opened, configuration, start, isLeaving);
    } catch (error) {
      if (!(error instanceof GenerationEndedError)) throw error;
    }
  }
}

async function runGeneration(
  options: WorkerOptions,
  client: CoordinatorClient,
  data: Transport,
  opened: OpenedRun,
  configuration: RunConfiguration,
  start: StartMessage,
  isLeaving: () => boolean,
): Promise<never> {
  const { clock } = options;
  const rank = start.members.indexOf(options.name);
  const owners = assignShards(configuration.shards, start.members.length);
  const shards = owners.flatMap((owner, shard) => (owner === rank ? [shard] : []));
  const conversation = client.generation(start);
  const allReduce = createAllReduce({
    transport: data,
    subjectPrefix: runSubjects(options.run).data,
    life: client.life,
    rank,
    members: start.members,
    generation: start.generation,
    owners,
    elements: opened.reducedElements,
    firstStep: start.step + 1,
    timeoutMs: reduceTimeoutMs,
    clock,
    onBadSender: (bad) => conversation.accuse(start.members[bad]),
    ...(start.payloadBytesMax !== undefined &&
      { chunkBytesMax: chunkBytesFor(start.payloadBytesMax) }),
    ...options.sums,
  });
  const stopWatching = watchForStall(
    clock,
    options.stallMs ?? stallMsDefault,
    () => allReduce.waiting,
    (ranks) => conversation.stalled(ranks.map((each) => start.members[each])),
  );
  // A sum that waits for a member that is gone would wait for ever.
  let isOver = false;
  conversation.interrupted.catch(() => {
    isOver = true;
    allReduce.close();
  });
  // The others wait for whoever is still busy with what is void.
  let hasAsked = false;
  const isGivenUp = () => isOver || client.stopRequested();
  let own: GenerationTrainer | undefined;
  try {
    own = opened.createTrainer(shards, allReduce);
    const { trainer, evaluate, samples } = own;
    const lanesPerShard = configuration.lanes / configuration.shards;
    if (start.restore) {
      await restoreSnapshot(conversation, trainer, start.step, shards, lanesPerShard);
    } else if (configuration.initialWeights !== null) {
      await beginWithWeights(conversation, trainer);
    }
    // Nobody sends before everybody listens: what comes too early is lost.
    await allReduce.ready();
    await conversation.begin();
    const snapshots = createSnapshots(
      ...[conversation, trainer, rank, shards, lanesPerShard, turnEventLoop(clock)] as const,
    );
    const { reason, position } = await runTraining({
      configuration,
      dataset: opened.dataset,
      window: opened.window,
      trainer,
      shards,
      start: { step: start.step, epoch: start.epoch, planStep: start.planStep },
      tally: start.tally,
      skipUpTo: start.skipUpTo,
      learningRate: opened.learningRate,
      clock,
      hooks: {
        stopRequested: client.stopRequested,
        keepRequested() {
          // Once: the snapshot lets it go.
          const isNew = isLeaving() && !hasAsked;
          hasAsked ||= isNew;
          return isNew;
        },
        progress({ position: at, ...step }) {
          if (rank === 0) conversation.progress({ ...step, ...at });
        },
        async validate(at) {
          const onProgress = (done: number, total: number) => {
            if (rank === 0) conversation.validating({ done, total });
          };
          const losses = await evaluate(isGivenUp, onProgress);
          await conversation.validation(at, losses);
        },
        async picture(at) {
          if (rank !== 0) return;
          await sendPicture(conversation, samples, opened.report.frameShape, at, false);
        },
        snapshot: snapshots.write,
        async rollback(step, fault) {
          // What is under way may be the snapshot to go back to.
          await snapshots.settled();
          return await conversation.rollback(step, fault);
        },
      },
    });
    await snapshots.settled();
    if (rank === 0 && reason === "done") {
      await sendPicture(conversation, samples, opened.report.frameShape, position, true);
    }
    const parametersSha256 = fingerprint(trainer.readParameters());
    await conversation.finished({ reason, step: position.step, parametersSha256 });
    return await conversation.interrupted;
  } catch (error) {
    // Whatever was under way fails when the generation is interrupted; why it was is what matters.
    if (error instanceof AllReduceError || error instanceof TransportError) {
      await Promise.race([conversation.interrupted, delay(clock, interruptionGraceMs)]);
      throw new ConnectionLostError(sentenceOf(error), { cause: error });
    }
    throw error;
  } finally {
    stopWatching();
    allReduce.close();
    own?.trainer.dispose();
  }
}

/**
 * Tells again and again of a sum in which nothing moves. Who waits for a slow worker tells as well: that
 * nobody is computing, so that something is wrong with the way between them, only the coordinator knows.
 * @returns stops it
 */
function watchForStall(
  clock: Clock,
  stallMs: number,
  waiting: () => AllReduce["waiting"],
  tell: (ranks: readonly number[]) => void,
): () => void {
  let cancel = () => {};
  const look = () => {
    const { silentMs, ranks } = waiting() ?? { silentMs: 0, ranks: [] };
    if (silentMs >= stallMs) tell(ranks);
    cancel = clock.after(stallReportMs, look);
  };
  look();
  return () => cancel();
}

/** A sum may fail a moment before the message that says why. */
const interruptionGraceMs = 2_000;

function isLoss(error: unknown): boolean {
  return error instanceof ConnectionLostError || error instanceof TransportError;
}

function sentenceOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).slice(0, 4000);
}
