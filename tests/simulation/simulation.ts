/**
 * One run under faults, in virtual time: `startCoordinator` and `runWorker` as they are, on a
 * simulated broker, disk and clock. First faults happen (safety), then they stop and everything heals,
 * and the run must come to its end within a limit (liveness). All the while what every process
 * holds is compared with what the undisturbed run holds at that step.
 */
import { readCheckpoint } from "../../coordinator/checkpoint.ts";
import { listCheckpoints } from "../../coordinator/checkpoint_folder.ts";
import type { JsonValue } from "../../coordinator/checkpoint_manifest.ts";
import { openJournal } from "../../coordinator/journal.ts";
import {
  BrokerLostError,
  type Coordinator,
  InterruptedError,
  type RunEnd,
  startCoordinator,
} from "../../coordinator/run_coordinator.ts";
import { claimRun } from "../../coordinator/leadership.ts";
import { openRunFolder } from "../../coordinator/run_folder.ts";
import { delay } from "../../net/clock.ts";
import { decode } from "../../net/codec.ts";
import {
  coordinatorMessageSchema,
  leaveSchema,
  messageBytesMax,
  senderAndVerb,
} from "../../net/messages.ts";
import { type Transport, TransportError } from "../../net/transport.ts";
import { ExcludedError } from "../../worker/coordinator_client.ts";
import { runWorker } from "../../worker/run_worker.ts";
import { openTinyRun } from "../support/tiny_run.ts";
import { type Cluster, FaultInjector, type SimulatedWorker } from "./fault_injector.ts";
import { Invariants } from "./invariants.ts";
import { createOracle } from "./oracle.ts";
import { type Scenario, scenarioOf } from "./scenario.ts";
import { SimulatedBroker } from "./simulated_broker.ts";
import { diskErrors, SimulatedMachine } from "./simulated_machine.ts";
import { Trace } from "./trace.ts";
import { runMicrotasks, SimulatedProcess, VirtualTime } from "./virtual_time.ts";
import { withoutRealWorld } from "./without_real_world.ts";

export interface SimulationResult {
  readonly seed: number;
  /** The first thing that was not as promised; undefined where all was. */
  readonly violation: string | undefined;
  /** Hash of everything that happened, with its time. */
  readonly trace: string;
  readonly virtualMs: number;
  readonly events: number;
  /** How often what happened, faults and what followed from them. */
  readonly counts: Readonly<Record<string, number>>;
}

export interface SimulationOptions {
  readonly log?: (line: string) => void;
  /** Sets the time of day forward and back by an hour now and then; it must not matter. */
  readonly timeOfDayJumps?: boolean;
}

const run = "simulated";
const path = "runs/simulated";
const checkpointsPath = `${path}/checkpoints`;
/**
 * After everything is healed, until the run ends or comes further than it has ever been. Where messages
 * are lost on a connection that holds, which NATS does not do, some are only missed after the longest of
 * all time limits.
 */
const livenessMsMax = { usual: 60_000, afterLoss: 2_000_000 };
/**
 * The network keeps its moods then, and a slow network is no run that stands still: with one message in
 * fifty late by fifty times, a run of 140 steps that nothing else disturbs takes 66 s. So the end may be
 * this many times as far away, where each such time brings a step.
 */
const livenessTimesMax = 10;
/** Until a worker takes the place of one that was excluded. */
const excludedMs = 500;
const hourMs = 3_600_000;
const timeOfDayAtStart = Date.UTC(2026, 0, 1);

/** To be called from a task of the event loop, never from within a promise's reaction. */
export function simulate(
  seed: number,
  { log = () => {}, timeOfDayJumps = false }: SimulationOptions = {},
): SimulationResult {
  let turns = false;
  Promise.resolve().then(() => turns = true);
  runMicrotasks();
  if (!turns) throw new Error("Cannot simulate from within a promise's reaction: use setTimeout");
  return withoutRealWorld(() => new Simulation(scenarioOf(seed), log, timeOfDayJumps).simulate());
}

/** What is wrong where two runs of one seed have not left the same trace. */
export function differenceOf(first: string, second: string): string | undefined {
  if (first === second) return undefined;
  return `the second run of this seed, where the time of day jumps, differs: trace ${second}, ` +
    `not ${first}`;
}

class Simulation implements Cluster {
  readonly time = new VirtualTime();
  readonly broker: SimulatedBroker;
  readonly machine: SimulatedMachine;
  readonly trace: Trace;
  readonly workers: SimulatedWorker[] = [];
  host: SimulatedProcess | undefined;
  coordinator: Coordinator | undefined;
  readonly #scenario: Scenario;
  readonly #timeOfDayJumps: boolean;
  #invariants!: Invariants;
  #faults: FaultInjector | undefined;
  #isOver = false;
  #mayEnd = false;
  #lostMessages = false;
  #hasPassed = false;
  #processCount = 0;
  #timesOfDay = 0;
  #lives = 0;

  constructor(scenario: Scenario, log: (line: string) => void, timeOfDayJumps: boolean) {
    this.#scenario = scenario;
    this.#timeOfDayJumps = timeOfDayJumps;
    this.trace = new Trace(this.time, log);
    const { random, latencyMs, lateShare, payloadBytesMax, pendingBytesMax } = scenario;
    this.machine = new SimulatedMachine(random, this.time);
    this.broker = new SimulatedBroker({
      time: this.time,
      random,
      payloadBytesMax,
      pendingBytesMax,
      latencyMs,
      lateShare,
      duplicateShare: scenario.duplicateShare,
      gradientLossShare: scenario.gradientLossShare,
      onDelivery: (to, subject, data) => {
        this.trace.addText(to);
        this.trace.addText(subject);
        this.trace.addBytes(data);
        const { worker, verb } = senderAndVerb(subject);
        if (verb === "leave" && worker && isLeave(data)) this.#invariants.heardLeave(worker);
      },
      onPublish: (from, subject, data) => {
        this.#faults?.published(from, subject);
        if (subject !== `lockstep.${run}.workers`) return;
        if (this.#invariants.announced(from.name, data)) this.#mayEnd = true;
      },
      onUnconfirmed: (subject, bytes) => {
        if (!subject.includes(".data.")) return;
        const most = scenario.inFlightBytesMax + scenario.chunkBytesMax + 64;
        if (bytes <= most) return;
        this.trace.violate(`${bytes} bytes of gradients are under way, at most ${most} may be`);
      },
      isMissed: (to, subject, data) =>
        subject === `lockstep.${run}.workers` && this.#faults !== undefined &&
        this.#faults.isMissed(to, () => isStart(data)),
    });
  }

  simulate(): SimulationResult {
    const { configuration, safetyMs, seed } = this.#scenario;
    const opened = openTinyRun(configuration, new SimulatedProcess("oracle", this.time));
    const { machine, trace } = this;
    createOracle(configuration, opened, (step, lane) => this.#isLastingNan(step, lane)).then(
      (oracle) => {
        const { checkpointSteps } = configuration;
        this.#invariants = new Invariants(oracle, opened, { machine, trace, checkpointSteps });
        this.#invariants.passingNanStep = this.#scenario.passingNan?.step;
      },
    );
    runMicrotasks();
    this.startHost();
    for (let index = 0; index < configuration.workers; index++) this.startWorker();
    this.#faults = new FaultInjector(this.#scenario, this);
    const isOver = () => this.#isOver || this.trace.violation !== undefined;
    this.time.run(safetyMs, isOver);
    if (!isOver()) {
      this.#heal();
      const limitMs = this.#lostMessages ? livenessMsMax.afterLoss : livenessMsMax.usual;
      const lastMs = this.time.nowMs + livenessTimesMax * limitMs;
      for (let furthest = -1; !isOver() && this.time.nowMs < lastMs;) {
        const { furthestStep } = this.#invariants;
        if (furthestStep === furthest) break;
        furthest = furthestStep;
        const hasMoved = () => isOver() || this.#invariants.furthestStep > furthest;
        this.time.run(this.time.nowMs + limitMs, hasMoved);
      }
      if (!isOver()) {
        this.trace.violate(
          `the run has neither ended nor come further ${limitMs / 1000} s after everything was ` +
            `healed (${this.#invariants.whereabouts})`,
        );
      }
    }
    this.trace.note(`over at ${this.time.nowMs}`);
    const { hash, violation, counts } = this.trace;
    return {
      seed,
      violation,
      trace: hash,
      virtualMs: this.time.nowMs,
      events: this.time.planned,
      counts: {
        ...counts,
        ...this.broker.counts,
        "stuck disk operation": this.machine.stuckOperations,
        "operation on a full disk": this.machine.failures.full,
        "operation on a broken disk": this.machine.failures.broken,
        ...(this.#timeOfDayJumps ? { "time of day jumped": this.#timesOfDay } : {}),
      },
    };
  }

  readonly run = run;

  /** Life of the coordinator that leads now, or led last. */
  get life(): string {
    return `life-${this.#lives}`;
  }

  get generation(): number {
    return this.#invariants.generation;
  }

  get isAtRest(): boolean {
    return this.#mayEnd;
  }

  messagesVanish(): void {
    this.#lostMessages = true;
    this.#invariants.mayMissProgress = true;
  }

  /** What this worker sends from now on is not asked of it. */
  sendsGarbage(worker: SimulatedWorker): void {
    worker.sendsGarbage = true;
    this.#invariants.sendsGarbage(worker.name);
  }

  #isLastingNan(step: number, lane: number): boolean {
    return this.#scenario.nans.some((nan) => nan.step === step && nan.lane === lane);
  }

  /** Also where it passes: the first time that it is computed, by whichever worker. */
  #isNan(step: number, lane: number): boolean {
    const { passingNan } = this.#scenario;
    if (!this.#hasPassed && passingNan?.step === step && passingNan.lane === lane) {
      return this.#hasPassed = true;
    }
    return this.#isLastingNan(step, lane);
  }

  /** No more faults, and as many workers as the run began with. */
  #heal(): void {
    this.trace.note("everything is healed");
    this.#faults!.heal();
    if (this.#mayEnd) return;
    const staying = this.workers.filter(({ process, isLeaving }) => process.isAlive && !isLeaving);
    for (let count = staying.length; count < this.#scenario.configuration.workers; count++) {
      this.startWorker();
    }
  }

  #process(name: string): SimulatedProcess {
    const { random, driftMax } = this.#scenario;
    this.#processCount++;
    return new SimulatedProcess(name, this.time, {
      originMs: random.integer(1e6),
      rate: 1 + driftMax * (2 * random.uniform() - 1),
    });
  }

  startWorker(): void {
    const { configuration, random, shardMs } = this.#scenario;
    const { chunkBytesMax, inFlightBytesMax, receiveBytesMax, askAfterMs } = this.#scenario;
    const name = `w${this.#processCount}`;
    const process = this.#process(name);
    const worker: SimulatedWorker = {
      name,
      process,
      leave: Promise.withResolvers<void>(),
      isLeaving: false,
      sendsGarbage: false,
    };
    this.workers.push(worker);
    this.trace.note(`${name} starts`);
    const connect = () => this.broker.connect(process, { noEcho: true });
    runWorker({
      connect: async () => {
        const control = await connect();
        try {
          return { control, data: await connect() };
        } catch (error) {
          await control.close();
          throw error;
        }
      },
      run,
      name,
      where: `process ${this.#processCount}`,
      joinTimeoutMs: 36_000_000,
      clock: process,
      leave: worker.leave.promise,
      sums: { chunkBytesMax, inFlightBytesMax, receiveBytesMax, askAfterMs },
      open: async () => {
        await delay(process, 20 + 300 * random.uniform());
        const isNan = (step: number, lane: number) => this.#isNan(step, lane);
        const opened = openTinyRun(configuration, process, { shardMs, isNan });
        return this.#invariants.observed(name, opened, configuration.lanes / configuration.shards);
      },
    }).then(() => this.#workerEnded(worker), (error) => this.#workerEnded(worker, error));
  }

  #workerEnded(worker: SimulatedWorker, error?: Error): void {
    if (!worker.process.isAlive) return;
    this.trace.note(`${worker.name} ends: ${error?.message ?? "well"}`);
    worker.process.kill();
    if (this.#mayEnd) return;
    if (error instanceof ExcludedError) {
      this.#invariants.wasExcluded(worker.name);
      // As the launcher does.
      this.time.after(excludedMs, () => {
        if (!this.isAtRest) this.startWorker();
      });
      return;
    }
    if (error) return this.trace.violate(`worker ${worker.name} failed: ${error.stack}`);
    if (!worker.isLeaving) {
      this.trace.violate(`worker ${worker.name} ended although the run had not`);
    }
  }

  startHost(): void {
    const host = this.#process("coordinator");
    this.host = host;
    this.trace.note("the coordinator starts");
    const failuresBefore = this.#diskFailures;
    this.#coordinate(host).catch((error) => {
      // What it says in the turn in which it died is not heard any more.
      if (!host.isAlive) return;
      const isDisk = this.#diskFailures > failuresBefore && diskErrors.test(`${error}`);
      if (isDisk) {
        this.trace.note(`the coordinator failed: ${error}`);
        return this.#resumeLater(host, "resumed after a failure of the disk");
      }
      this.trace.violate(`the coordinator failed: ${error instanceof Error ? error.stack : error}`);
    });
  }

  get #diskFailures(): number {
    const { full, broken } = this.machine.failures;
    return full + broken;
  }

  /** What the `coordinator` command does, without a terminal. */
  async #coordinate(host: SimulatedProcess): Promise<void> {
    const { configuration } = this.#scenario;
    const fileSystem = this.machine.fileSystem(host);
    const startedMs = host.nowMs();
    for (;;) {
      const transport = await waitFor(host, () => this.broker.connect(host));
      const life = `life-${++this.#lives}`;
      const leadership = await claimRun({
        ...{ transport, run, life, process: 1, folder: path, clock: host },
        ageMs: () => host.nowMs() - startedMs,
      }).catch((error) => {
        if (error instanceof TransportError) return undefined;
        throw error;
      });
      if (leadership === undefined) {
        await transport.close();
        continue;
      }
      const resume = (await listCheckpoints(fileSystem, checkpointsPath)).length > 0;
      const record = {
        configuration: configuration as unknown as JsonValue,
        versions: {},
        device: "",
      };
      const folder = await openRunFolder(fileSystem, path, record, {
        resume,
        mayChange: [],
        warn: (sentence) => this.trace.note(sentence),
      });
      this.#invariants.coordinatorBegins(folder.resumed);
      const journal = openJournal(`${path}/journal.jsonl`, this.machine.journalDisk);
      let coordinator: Coordinator | undefined;
      try {
        coordinator = startCoordinator({
          transport,
          run,
          configuration,
          folder,
          journal,
          fileSystem,
          report: this.#invariants.report(),
          limits: {
            startTimeoutMs: 36_000_000,
            silenceMsMax: configuration.membership.silenceMsMax!,
            waitTimeoutMs: configuration.membership.waitTimeoutMs,
            workersMin: configuration.membership.workersMin,
            workersMax: configuration.shards,
          },
          clock: host,
          life,
          timeOfDay: () => this.#timeOfDay(),
        });
        this.coordinator = coordinator;
        leadership.lead(() => this.coordinator!.isRunning, coordinator.fail);
        const end = await coordinator.ended;
        this.#mayEnd = true;
        await coordinator.close();
        for (const place of await listCheckpoints(fileSystem, checkpointsPath)) {
          const checkpoint = await readCheckpoint(fileSystem, place.path);
          this.#invariants.checkpointIsThere(place.path, checkpoint);
        }
        return this.#ended(host, end, journal.skippedSteps);
      } catch (error) {
        await coordinator?.close();
        this.coordinator = undefined;
        if (error instanceof InterruptedError) {
          return this.#resumeLater(host, "stopped and resumed");
        }
        if (!(error instanceof BrokerLostError || error instanceof TransportError)) throw error;
        this.trace.note(`the coordinator lost the broker: ${error.message}`);
        this.trace.count("coordinator lost the broker");
      } finally {
        leadership[Symbol.dispose]();
        journal.close();
        await transport.close();
      }
    }
  }

  #ended(host: SimulatedProcess, end: RunEnd, skippedSteps: readonly number[]): void {
    this.#invariants.ended(end, skippedSteps);
    if (end.reason === "stopped") return this.#resumeLater(host, "stopped and resumed");
    this.#isOver = true;
  }

  /** After a stop, and where the disk has failed, somebody starts the run again. */
  #resumeLater(host: SimulatedProcess, why: string): void {
    this.#mayEnd = true;
    this.trace.count(why);
    this.time.after(500, () => {
      host.kill();
      for (const { process } of this.workers) process.kill();
      this.#mayEnd = false;
      this.startHost();
      for (let i = 0; i < this.#scenario.configuration.workers; i++) this.startWorker();
    });
  }

  /** ISO 8601. Where it jumps, it is an hour off in either direction, another one each time. */
  #timeOfDay(): string {
    const jump = this.#timeOfDayJumps ? [hourMs, -hourMs, 0][this.#timesOfDay++ % 3] : 0;
    return new Date(timeOfDayAtStart + this.time.nowMs + jump).toISOString();
  }
}

function isStart(data: Uint8Array): boolean {
  return decode(data, coordinatorMessageSchema, { bytesMax: messageBytesMax }).type === "start";
}

/** Garbage on its subject is refused, and asks for nothing. */
function isLeave(data: Uint8Array): boolean {
  try {
    decode(data, leaveSchema, { bytesMax: messageBytesMax });
    return true;
  } catch {
    return false;
  }
}

/** Connects as the commands do that wait for a broker to come back. */
async function waitFor(
  process: SimulatedProcess,
  connect: () => Promise<Transport>,
): Promise<Transport> {
  for (;;) {
    try {
      return await connect();
    } catch (error) {
      if (!(error instanceof TransportError)) throw error;
    }
    await delay(process, 250);
  }
}
