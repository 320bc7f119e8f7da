/**
 * One run under faults, in virtual time: `startCoordinator` and `runWorker` as they are, on a
 * simulated broker, disk and clock. First faults happen (safety), then they stop and everything heals,
 * and the run must come to its end within a limit (liveness). All the while what every process
 * holds is compared with what the undisturbed run holds at that step.
 */
import { createHash } from "node:crypto";
import { listCheckpoints } from "../../coordinator/checkpoint_folder.ts";
import { readCheckpoint } from "../../coordinator/checkpoint.ts";
import type { JsonValue } from "../../coordinator/checkpoint_manifest.ts";
import type { FileSystem } from "../../coordinator/file_system.ts";
import { openJournal } from "../../coordinator/journal.ts";
import {
  BrokerLostError,
  type Coordinator,
  InterruptedError,
  type RunEnd,
  startCoordinator,
} from "../../coordinator/run_coordinator.ts";
import { openRunFolder } from "../../coordinator/run_folder.ts";
import type { RunReport } from "../../coordinator/run_report.ts";
import { delay } from "../../net/clock.ts";
import { decode } from "../../net/codec.ts";
import { coordinatorMessageSchema, messageBytesMax } from "../../net/messages.ts";
import { type Transport, TransportError } from "../../net/transport.ts";
import type { OpenedRun, RunTrainer } from "../../worker/opened_run.ts";
import { runWorker } from "../../worker/run_worker.ts";
import { openTinyRun } from "../support/tiny_run.ts";
import { createOracle, type Oracle } from "./oracle.ts";
import { type FaultKind, type Scenario, scenarioOf } from "./scenario.ts";
import { SimulatedBroker } from "./simulated_broker.ts";
import { SimulatedMachine } from "./simulated_machine.ts";
import { runMicrotasks, SimulatedProcess, VirtualTime } from "./virtual_time.ts";

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

interface SimulatedWorker {
  readonly name: string;
  readonly process: SimulatedProcess;
  readonly leave: PromiseWithResolvers<void>;
  isLeaving: boolean;
}

const run = "simulated";
const path = "runs/simulated";
/**
 * After everything is healed. Where messages are lost on a connection that holds, which NATS does
 * not do, some are only missed after the longest of all time limits.
 */
const livenessMsMax = { usual: 60_000, afterLoss: 2_000_000 };

/** To be called from a task of the event loop, never from within a promise's reaction. */
export function simulate(seed: number, log: (line: string) => void = () => {}): SimulationResult {
  let turns = false;
  Promise.resolve().then(() => turns = true);
  runMicrotasks();
  if (!turns) throw new Error("Cannot simulate from within a promise's reaction: use setTimeout");
  const digest = crypto.subtle.digest;
  // The one asynchronous thing that takes real time; the same bytes come of it at once.
  crypto.subtle.digest = (_algorithm, data) =>
    Promise.resolve(
      new Uint8Array(createHash("sha256").update(data as Uint8Array).digest()).buffer,
    );
  try {
    return new Simulation(scenarioOf(seed), log).run();
  } finally {
    crypto.subtle.digest = digest;
  }
}

class Simulation {
  readonly #scenario: Scenario;
  readonly #log: (line: string) => void;
  readonly #time = new VirtualTime();
  readonly #broker: SimulatedBroker;
  readonly #machine: SimulatedMachine;
  readonly #counts: Record<string, number> = {};
  readonly #workers: SimulatedWorker[] = [];
  #oracle!: Oracle;
  #opened!: OpenedRun;
  #host: SimulatedProcess | undefined;
  #coordinator: Coordinator | undefined;
  #trace = 0x811c9dc5;
  #violation: string | undefined;
  #isOver = false;
  #isHealing = false;
  #mayEnd = false;
  #lostMessages = false;
  #processCount = 0;
  /** Newest checkpoint that the coordinator has called safe. */
  #safeStep = -1;
  #generation = 0;
  #announcement = "";
  #lastProgress = -1;
  readonly #validations = new Map<number, number>();

  constructor(scenario: Scenario, log: (line: string) => void) {
    this.#scenario = scenario;
    this.#log = log;
    const { random, latencyMs, lateShare, payloadBytesMax, pendingBytesMax } = scenario;
    this.#machine = new SimulatedMachine(random);
    this.#broker = new SimulatedBroker({
      time: this.#time,
      random,
      payloadBytesMax,
      pendingBytesMax,
      latencyMs,
      lateShare,
      onDelivery: (to, subject, data) => {
        this.#hashText(to);
        this.#hashText(subject);
        this.#hashBytes(data);
      },
      onPublish: (from, subject, data) => this.#observe(from, subject, data),
      onUnconfirmed: (subject, bytes) => {
        if (!subject.includes(".data.")) return;
        const most = scenario.inFlightBytesMax + scenario.chunkBytesMax + 64;
        if (bytes > most) {
          this.#fault(`${bytes} bytes of gradients are under way, at most ${most} may be`);
        }
      },
    });
  }

  run(): SimulationResult {
    const { configuration, safetyMs, seed } = this.#scenario;
    this.#opened = openTinyRun(configuration, new SimulatedProcess("oracle", this.#time, 0));
    createOracle(configuration, this.#opened).then((oracle) => this.#oracle = oracle);
    runMicrotasks();
    this.#startHost();
    for (let index = 0; index < configuration.workers; index++) this.#startWorker();
    this.#planFault();
    const isOver = () => this.#isOver || this.#violation !== undefined;
    this.#time.run(safetyMs, isOver);
    if (!isOver()) {
      this.#heal();
      const limitMs = this.#lostMessages ? livenessMsMax.afterLoss : livenessMsMax.usual;
      this.#time.run(this.#time.nowMs + limitMs, isOver);
      if (!isOver()) {
        const at = `generation ${this.#generation}, last heard of step ${this.#lastProgress}`;
        this.#fault(
          `the run has not ended ${limitMs / 1000} s after everything was healed (${at})`,
        );
      }
    }
    this.#note(`over at ${this.#time.nowMs}`);
    return {
      seed,
      violation: this.#violation,
      trace: (this.#trace >>> 0).toString(16).padStart(8, "0"),
      virtualMs: this.#time.nowMs,
      events: this.#time.planned,
      counts: { ...this.#counts, ...this.#broker.counts },
    };
  }

  // What is checked.

  #fault(what: string): void {
    if (this.#violation !== undefined) return;
    this.#note(`VIOLATION: ${what}`);
    this.#violation = what;
  }

  #note(line: string): void {
    this.#hashText(line);
    this.#log(`${this.#time.nowMs.toFixed(1).padStart(10)} ${line}`);
  }

  #count(what: string): void {
    this.#counts[what] = (this.#counts[what] ?? 0) + 1;
  }

  #hashText(text: string): void {
    for (let i = 0; i < text.length; i++) {
      this.#trace = Math.imul(this.#trace ^ text.charCodeAt(i), 0x01000193);
    }
  }

  #hashBytes(bytes: Uint8Array): void {
    this.#trace = Math.imul(this.#trace ^ Math.round(this.#time.nowMs * 1000), 0x01000193);
    for (let i = 0; i < bytes.length; i++) {
      this.#trace = Math.imul(this.#trace ^ bytes[i], 0x01000193);
    }
  }

  /** Announcements: generations grow for ever, and never begin before what is safe. */
  #observe(from: string, subject: string, data: Uint8Array): void {
    if (subject !== `lockstep.${run}.workers`) return;
    const message = decode(data, coordinatorMessageSchema, { bytesMax: messageBytesMax });
    this.#note(`${from} announces ${JSON.stringify(message)}`);
    if (message.type === "end") this.#mayEnd = true;
    if (message.type !== "start") return;
    const { generation, members, step } = message;
    // Who has missed it is told again, and in the same words.
    const words = JSON.stringify(message);
    if (generation === this.#generation && words === this.#announcement) return;
    this.#announcement = words;
    this.#count("generations");
    if (generation <= this.#generation) {
      this.#fault(`generation ${generation} is announced after generation ${this.#generation}`);
    }
    if (step < this.#safeStep || (step > 0 && !message.restore)) {
      this.#fault(
        `generation ${generation} begins at step ${step}, ${this.#safeStep} was safe on disk`,
      );
    }
    if (new Set(members).size !== members.length) {
      this.#fault(`generation ${generation} has a member twice`);
    }
    const wrong = this.#oracle.faultOfPosition(message);
    if (wrong) this.#fault(`generation ${generation} begins wrongly: ${wrong}`);
    this.#generation = generation;
    this.#lastProgress = step;
  }

  #check(worker: string, what: string, trainer: RunTrainer, lanes: readonly number[]): void {
    const wrong = this.#oracle.faultOfTrainer(trainer, lanes);
    if (wrong) this.#fault(`worker ${worker} has ${what} step ${trainer.step}, but ${wrong}`);
  }

  async #checkCheckpoints(fileSystem: FileSystem): Promise<void> {
    for (const place of await listCheckpoints(fileSystem, `${path}/checkpoints`)) {
      const checkpoint = await readCheckpoint(fileSystem, place.path);
      const wrong = this.#oracle.faultOfCheckpoint(checkpoint, this.#opened.report);
      if (wrong) this.#fault(`checkpoint ${place.path} is wrong: ${wrong}`);
    }
  }

  #report(): RunReport {
    const heard: Partial<RunReport> = {
      tell: (sentence) => this.#note(sentence),
      progress: ({ step, loss }) => {
        if (loss !== this.#oracle.lossAt(step)) {
          this.#fault(
            `step ${step} is reported with loss ${loss}, not ${this.#oracle.lossAt(step)}`,
          );
        }
        if (!this.#lostMessages && step !== this.#lastProgress + 1) {
          this.#fault(`step ${step} is reported after step ${this.#lastProgress}`);
        }
        this.#lastProgress = step;
        this.#count("steps");
      },
      validated: ({ step, validationLoss }) => {
        const before = this.#validations.get(step) ?? validationLoss;
        if (before !== validationLoss) {
          this.#fault(`the validation loss of step ${step} is ${validationLoss} and was ${before}`);
        }
        this.#validations.set(step, validationLoss);
        this.#count("validations");
      },
      checkpointed: (step) => {
        this.#note(`checkpoint of step ${step} is safe`);
        this.#safeStep = step;
        this.#count("checkpoints");
      },
      warn: (sentence) => this.#fault(`the coordinator warns: ${sentence}`),
      picture: () => Promise.resolve(),
    };
    // All else is for people to look at.
    return new Proxy(heard, {
      get: (target, name) => Reflect.get(target, name) ?? (() => {}),
    }) as RunReport;
  }

  // Processes.

  #process(name: string): SimulatedProcess {
    this.#processCount++;
    return new SimulatedProcess(name, this.#time, this.#scenario.random.integer(1e6));
  }

  #startWorker(): void {
    const { configuration, random, shardMs, chunkBytesMax, inFlightBytesMax } = this.#scenario;
    const name = `w${this.#processCount}`;
    const process = this.#process(name);
    const worker: SimulatedWorker = {
      name,
      process,
      leave: Promise.withResolvers<void>(),
      isLeaving: false,
    };
    this.#workers.push(worker);
    this.#note(`${name} starts`);
    const connect = () => this.#broker.connect(process, { noEcho: true });
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
      waitsForBroker: true,
      clock: process,
      leave: worker.leave.promise,
      sums: { chunkBytesMax, inFlightBytesMax },
      open: async () => {
        await delay(process, 20 + 300 * random.uniform());
        return this.#observed(name, openTinyRun(configuration, process, { shardMs }));
      },
    }).then(() => this.#workerEnded(worker), (error) => this.#workerEnded(worker, error));
  }

  #workerEnded(worker: SimulatedWorker, error?: Error): void {
    this.#note(`${worker.name} ends: ${error?.message ?? "well"}`);
    worker.process.kill();
    if (this.#mayEnd) return;
    if (error) return this.#fault(`worker ${worker.name} failed: ${error.stack}`);
    if (!worker.isLeaving) this.#fault(`worker ${worker.name} ended although the run had not`);
  }

  /** Looks at a trainer whenever it has something new. */
  #observed(name: string, opened: OpenedRun): OpenedRun {
    const { lanes, shards: shardCount } = this.#scenario.configuration;
    return {
      ...opened,
      createTrainer: (shards, allReduce) => {
        const own = opened.createTrainer(shards, allReduce);
        const { trainer } = own;
        const size = lanes / shardCount;
        const ownLanes = shards.flatMap((shard) =>
          Array.from({ length: size }, (_, row) => shard * size + row)
        );
        return {
          ...own,
          trainer: {
            errorsPerPrediction: trainer.errorsPerPrediction,
            states: {
              readLane: (lane) => trainer.states.readLane(lane),
              writeLanes: (values) => {
                trainer.states.writeLanes(values);
                this.#count("restores");
                this.#check(name, "restored", trainer, ownLanes);
              },
            },
            get step() {
              return trainer.step;
            },
            slotNames: trainer.slotNames,
            trainStep: async (next, stop) => {
              const report = await trainer.trainStep(next, stop);
              this.#count("applied");
              this.#check(name, "applied", trainer, ownLanes);
              return report;
            },
            readParameters: () => trainer.readParameters(),
            readSlots: () => trainer.readSlots(),
            restore: (step, parameters, slots) => trainer.restore(step, parameters, slots),
            dispose: () => trainer.dispose(),
          },
        };
      },
    };
  }

  #startHost(): void {
    const host = this.#process("coordinator");
    this.#host = host;
    this.#note("the coordinator starts");
    this.#coordinate(host).catch((error) =>
      this.#fault(`the coordinator failed: ${error instanceof Error ? error.stack : error}`)
    );
  }

  /** What the `coordinator` command does, without a terminal. */
  async #coordinate(host: SimulatedProcess): Promise<void> {
    const { configuration } = this.#scenario;
    const fileSystem = this.#machine.fileSystem(host);
    const checkpointsPath = `${path}/checkpoints`;
    for (;;) {
      const transport = await waitFor(host, () => this.#broker.connect(host));
      const resume = (await listCheckpoints(fileSystem, checkpointsPath)).length > 0;
      if (!resume && this.#safeStep >= 0) {
        this.#fault(`no checkpoint is left, that of step ${this.#safeStep} was safe`);
      }
      const record = {
        configuration: configuration as unknown as JsonValue,
        versions: {},
        device: "",
      };
      const folder = await openRunFolder(fileSystem, path, record, {
        resume,
        mayChange: [],
        warn: (sentence) => this.#note(sentence),
      });
      if (folder.resumed) {
        const { resumed } = folder;
        const wrong = this.#oracle.faultOfCheckpoint(resumed, this.#opened.report);
        if (wrong) this.#fault(`resuming from a wrong checkpoint: ${wrong}`);
        if (resumed.step < this.#safeStep) {
          this.#fault(`resuming from step ${resumed.step}, ${this.#safeStep} was safe`);
        }
        // A death between the disk and the report of it leaves one more than was told.
        this.#safeStep = Math.max(this.#safeStep, resumed.step);
      }
      const journal = openJournal(`${path}/journal.jsonl`, this.#machine.journalDisk);
      let coordinator: Coordinator | undefined;
      try {
        coordinator = startCoordinator({
          transport,
          run,
          configuration,
          folder,
          journal,
          fileSystem,
          report: this.#report(),
          limits: {
            startTimeoutMs: 36_000_000,
            silenceMsMax: configuration.membership.silenceMsMax!,
            waitTimeoutMs: configuration.membership.waitTimeoutMs,
            workersMin: configuration.membership.workersMin,
            workersMax: configuration.shards,
          },
          clock: host,
          timeOfDay: () => "2026-01-01T00:00:00.000Z",
        });
        this.#coordinator = coordinator;
        const end = await coordinator.ended;
        this.#mayEnd = true;
        await coordinator.close();
        await this.#checkCheckpoints(fileSystem);
        return this.#ended(host, end, folder.resumed?.step ?? 0);
      } catch (error) {
        await coordinator?.close();
        this.#coordinator = undefined;
        if (error instanceof InterruptedError) return this.#resumeLater(host);
        if (!(error instanceof BrokerLostError || error instanceof TransportError)) throw error;
        this.#note(`the coordinator lost the broker: ${error.message}`);
        this.#count("coordinator lost the broker");
      } finally {
        journal.close();
        await transport.close();
      }
    }
  }

  #ended(host: SimulatedProcess, { reason, step, parametersSha256 }: RunEnd, from: number): void {
    this.#note(`the run is ${reason} at step ${step}, from ${from}`);
    if (parametersSha256 !== this.#oracle.sha256At(step)) {
      this.#fault(`the run ends at step ${step} with other parameters than the undisturbed run`);
    }
    if (this.#safeStep !== step) {
      this.#fault(`the run ends at step ${step}, its last checkpoint is of step ${this.#safeStep}`);
    }
    if (reason === "stopped") return this.#resumeLater(host);
    if (step !== this.#oracle.steps) {
      this.#fault(`the run is done at step ${step} of ${this.#oracle.steps}`);
    }
    this.#isOver = true;
  }

  /** After a stop somebody starts the run again. */
  #resumeLater(host: SimulatedProcess): void {
    this.#mayEnd = true;
    this.#count("stopped and resumed");
    this.#time.after(500, () => {
      host.kill();
      for (const { process } of this.#workers) process.kill();
      this.#mayEnd = false;
      this.#startHost();
      for (let i = 0; i < this.#scenario.configuration.workers; i++) this.#startWorker();
    });
  }

  // Faults.

  #living(): SimulatedWorker[] {
    return this.#workers.filter(({ process }) => process.isAlive);
  }

  #planFault(): void {
    const { random, faultEveryMs, faults } = this.#scenario;
    if (faults.length === 0) return;
    this.#time.after(-Math.log(1 - random.uniform()) * faultEveryMs, () => {
      if (this.#isHealing || this.#isOver) return;
      const total = faults.reduce((sum, { weight }) => sum + weight, 0);
      let at = random.uniform() * total;
      const drawn = faults.find(({ weight }) => (at -= weight) < 0) ?? faults[0];
      // A run that somebody has stopped has no processes to disturb until it is resumed.
      if (!this.#mayEnd) this.#inject(drawn.kind);
      this.#planFault();
    });
  }

  #pick<T>(items: readonly T[]): T | undefined {
    return items.length === 0 ? undefined : items[this.#scenario.random.integer(items.length)];
  }

  #inject(kind: FaultKind): void {
    const { random } = this.#scenario;
    const processes = [this.#host, ...this.#living().map(({ process }) => process)]
      .filter((process) => process?.isAlive) as SimulatedProcess[];
    const worker = this.#pick(this.#living());
    this.#count(kind);
    switch (kind) {
      case "kill worker":
        return worker && this.#killWorker(worker);
      case "freeze worker":
        return worker && this.#freeze(worker.process, 10 ** (2 + 2 * random.uniform()));
      case "freeze coordinator":
        return this.#host && this.#freeze(this.#host, 10 ** (2 + 1.7 * random.uniform()));
      case "kill coordinator":
        return this.#killCoordinator();
      case "restart broker": {
        if (!this.#broker.isUp) return;
        this.#note("the broker stops");
        this.#broker.stop();
        this.#time.after(10 ** (1.5 + 2 * random.uniform()), () => this.#broker.start());
        return;
      }
      case "cut connection": {
        const connection = this.#pick([...this.#broker.connections.values()]);
        if (!connection) return;
        this.#note(`a connection of ${connection.process.name} stalls and is cut`);
        this.#broker.block(connection.process, "up");
        this.#time.after(10 ** (1 + 1.7 * random.uniform()), () => {
          connection.cut("reset by peer", true);
          this.#broker.unblock(connection.process);
        });
        return;
      }
      case "partition": {
        const process = this.#pick(processes);
        if (!process) return;
        const direction = this.#pick(["up", "down", "both"] as const)!;
        this.#note(`${process.name} is cut off: ${direction}`);
        this.#broker.block(process, direction);
        this.#time.after(
          10 ** (2 + 2 * random.uniform()),
          () => this.#broker.unblock(process),
        );
        return;
      }
      case "lose messages":
        this.#note("messages are lost");
        this.#lostMessages = true;
        this.#broker.lossShare = 0.1 * random.uniform();
        this.#time.after(500 * random.uniform(), () => this.#broker.lossShare = 0);
        return;
      case "join":
        if (this.#living().length < this.#scenario.configuration.shards + 2) this.#startWorker();
        return;
      case "leave":
        if (!worker || worker.isLeaving) return;
        this.#note(`${worker.name} is asked to leave`);
        worker.isLeaving = true;
        return worker.process.enter(() => worker.leave.resolve());
      case "stop": {
        const [host, coordinator] = [this.#host, this.#coordinator];
        if (!host?.isAlive || !coordinator) return;
        this.#note("the run is asked to stop");
        return host.enter(() => coordinator.stop());
      }
    }
  }

  #killWorker({ name, process }: SimulatedWorker): void {
    const { random, isLaunched } = this.#scenario;
    this.#note(`${name} is killed`);
    process.kill();
    if (isLaunched) {
      this.#time.after(20 + 300 * random.uniform(), () => {
        const [host, coordinator] = [this.#host, this.#coordinator];
        if (host?.isAlive) host.enter(() => coordinator?.workerLost(name, "it was killed"));
      });
    }
    this.#time.after(100 + 3_000 * random.uniform(), () => {
      if (!this.#mayEnd) this.#startWorker();
    });
  }

  #freeze(process: SimulatedProcess, ms: number): void {
    if (!process.isAlive || process.isFrozen) return;
    this.#note(`${process.name} is frozen for ${ms.toFixed(0)} ms`);
    process.freeze();
    this.#time.after(ms, () => process.thaw());
  }

  #killCoordinator(): void {
    const { random } = this.#scenario;
    if (!this.#host?.isAlive) return;
    const survival = random.uniform() < 0.6 ? "all" : this.#pick(["synced", "names"] as const)!;
    this.#note(`the coordinator is killed, its disk keeps: ${survival}`);
    this.#host.kill();
    this.#coordinator = undefined;
    this.#machine.crash(survival);
    this.#time.after(100 + 2_000 * random.uniform(), () => this.#startHost());
  }

  /** No more faults, and as many workers as the run began with. */
  #heal(): void {
    this.#note("everything is healed");
    this.#isHealing = true;
    this.#broker.lossShare = 0;
    if (!this.#broker.isUp) this.#broker.start();
    for (const process of [this.#host!, ...this.#living().map(({ process }) => process)]) {
      process.thaw();
      this.#broker.unblock(process);
    }
    if (this.#mayEnd) return;
    const staying = this.#living().filter(({ isLeaving }) => !isLeaving).length;
    for (let count = staying; count < this.#scenario.configuration.workers; count++) {
      this.#startWorker();
    }
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
