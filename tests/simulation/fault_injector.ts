/**
 * Does to a simulated run what its scenario has in store: faults at random times, and faults at
 * moments that are too short to be hit by chance. Each one that has happened is counted.
 */
import type { Coordinator } from "../../coordinator/run_coordinator.ts";
import { dataSubjects } from "../../collective/data_subjects.ts";
import { encode } from "../../net/codec.ts";
import { runSubjects, workerSubjects, workerVerbs } from "../../net/messages.ts";
import { TransportError } from "../../net/transport.ts";
import type { Ambush, FaultKind, Scenario } from "./scenario.ts";
import type { SimulatedBroker } from "./simulated_broker.ts";
import { journalPoints, type SimulatedMachine } from "./simulated_machine.ts";
import type { Trace } from "./trace.ts";
import type { SimulatedProcess, VirtualTime } from "./virtual_time.ts";

export interface SimulatedWorker {
  readonly name: string;
  readonly process: SimulatedProcess;
  readonly leave: PromiseWithResolvers<void>;
  isLeaving: boolean;
  sendsGarbage: boolean;
}

/** What faults happen to. */
export interface Cluster {
  readonly time: VirtualTime;
  readonly broker: SimulatedBroker;
  readonly machine: SimulatedMachine;
  readonly trace: Trace;
  readonly workers: readonly SimulatedWorker[];
  readonly host: SimulatedProcess | undefined;
  coordinator: Coordinator | undefined;
  /** A run that somebody has stopped has no processes to disturb until it is resumed. */
  readonly isAtRest: boolean;
  /** The run's name. */
  readonly run: string;
  /** Life of the coordinator that leads the run. */
  readonly life: string;
  /** The newest that was announced. */
  readonly generation: number;
  startHost(): void;
  startWorker(): void;
  /** Messages vanish: what waits for an answer may have to wait for its whole limit. */
  messagesVanish(): void;
  /** It is to be excluded, and may drag a sound one along. */
  sendsGarbage(worker: SimulatedWorker): void;
}

/** Some more than anybody takes of one sender. */
const garbageMessages = 24;
/** A synchronous loop, a collection of garbage: longer than nats-server waits for a write. */
const eventLoopBlockMs = 15_000;

export class FaultInjector {
  readonly #scenario: Scenario;
  readonly #cluster: Cluster;
  readonly #ambushes: (Ambush & { seen: number })[];
  /** Processes that the next announcement of a generation does not reach, this many times. */
  readonly #deaf = new Map<SimulatedProcess, number>();
  #isOver = false;
  #isStopping = false;

  constructor(scenario: Scenario, cluster: Cluster) {
    this.#scenario = scenario;
    this.#cluster = cluster;
    this.#ambushes = scenario.ambushes.map((ambush) => ({ ...ambush, seen: 0 }));
    this.#plan();
  }

  /** No more faults; what is frozen or cut off is free again. */
  heal(): void {
    this.#isOver = true;
    this.#deaf.clear();
    const { broker, host, machine } = this.#cluster;
    broker.lossShare = 0;
    machine.mend();
    if (!broker.isUp) broker.start();
    for (const process of [host!, ...this.#living().map(({ process }) => process)]) {
      process.thaw();
      broker.unblock(process);
    }
  }

  /** Somebody sends a message: perhaps something waits for it. */
  published(sender: SimulatedProcess, subject: string): void {
    if (this.#cluster.isAtRest) this.#isStopping = false;
    if (this.#isOver || this.#cluster.isAtRest) return;
    const kind = subject.slice(subject.lastIndexOf(".") + 1);
    for (const ambush of this.#ambushes) {
      if (ambush.afterStop && !this.#isStopping) continue;
      if (ambush.subject !== kind || ++ambush.seen !== ambush.count) continue;
      const { time, trace } = this.#cluster;
      const delayMs = this.#scenario.random.uniform() * 2 * this.#scenario.latencyMs;
      time.after(delayMs, () => {
        if (this.#isOver || this.#cluster.isAtRest) return;
        trace.note(`at a "${kind}" of ${sender.name}: ${ambush.action}`);
        if (!this.#ambush(ambush.action, sender)) return;
        trace.count(`at ${kind}`);
        trace.count(`ambush: ${ambush.action}`);
      });
    }
  }

  /** Whether a process misses an announcement. */
  isMissed(process: SimulatedProcess, isStart: () => boolean): boolean {
    const left = this.#deaf.get(process) ?? 0;
    if (left === 0 || !isStart()) return false;
    this.#deaf.set(process, left - 1);
    return true;
  }

  #living(): SimulatedWorker[] {
    return this.#cluster.workers.filter(({ process }) => process.isAlive);
  }

  #plan(): void {
    const { random, faultEveryMs, faults } = this.#scenario;
    if (faults.length === 0) return;
    this.#cluster.time.after(-Math.log(1 - random.uniform()) * faultEveryMs, () => {
      if (this.#isOver) return;
      const total = faults.reduce((sum, { weight }) => sum + weight, 0);
      let at = random.uniform() * total;
      const drawn = faults.find(({ weight }) => (at -= weight) < 0) ?? faults[0];
      if (!this.#cluster.isAtRest && this.#inject(drawn.kind)) {
        this.#cluster.trace.count(drawn.kind);
      }
      this.#plan();
    });
  }

  #pick<T>(items: readonly T[]): T | undefined {
    return items.length === 0 ? undefined : items[this.#scenario.random.integer(items.length)];
  }

  /** Between 10 ** low and 10 ** high milliseconds. */
  #duration(low: number, high: number): number {
    return 10 ** (low + (high - low) * this.#scenario.random.uniform());
  }

  /** @returns whether it happened */
  #inject(kind: FaultKind): boolean {
    const { random, configuration } = this.#scenario;
    const { time, broker, machine, trace, host } = this.#cluster;
    const living = this.#living();
    const worker = this.#pick(living);
    switch (kind) {
      case "kill worker":
        return this.#killWorker(worker);
      case "freeze worker":
        return this.#freeze(worker?.process, this.#duration(2, 4));
      case "block event loop":
        return this.#freeze(worker?.process, eventLoopBlockMs);
      case "freeze coordinator":
        return this.#freeze(host, this.#duration(2, 3.7));
      case "kill coordinator":
        return this.#killCoordinator();
      case "die at journal": {
        const point = this.#pick(journalPoints)!;
        trace.note(`the coordinator is to die with its next journal entry ${point}`);
        machine.dieAtJournal(point, () => {
          trace.count(`journal: ${point}`);
          this.#killCoordinator();
        });
        return true;
      }
      case "stick disk": {
        const ms = this.#duration(2, 4.3);
        trace.note(`the disk is stuck for ${ms.toFixed(0)} ms`);
        machine.stick(time.nowMs + ms);
        return true;
      }
      case "restart broker":
        if (!broker.isUp) return false;
        trace.note("the broker stops");
        broker.stop();
        time.after(this.#duration(1.5, 3.5), () => broker.start());
        return true;
      case "lame duck": {
        if (!broker.isUp || broker.isLeaving) return false;
        trace.note("the broker is a lame duck");
        const ms = this.#duration(2, 3.3);
        broker.leave(ms);
        time.after(ms + this.#duration(1.5, 3.3), () => broker.start());
        return true;
      }
      case "cut connection": {
        const connection = this.#pick([...broker.connections.values()]);
        return connection !== undefined &&
          this.#cutOff(connection.process, this.#duration(1, 2.7));
      }
      case "partition up":
      case "partition down":
      case "partition both": {
        const process = this.#pick([host, ...living.map(({ process }) => process)]);
        if (!process?.isAlive) return false;
        return this.#partition(
          process,
          kind.slice("partition ".length) as "up" | "down" | "both",
          this.#duration(2, 4),
        );
      }
      case "lose messages":
        trace.note("messages are lost");
        this.#cluster.messagesVanish();
        broker.lossShare = 0.1 * random.uniform();
        time.after(500 * random.uniform(), () => broker.lossShare = 0);
        return true;
      case "miss announcement":
        if (!worker) return false;
        trace.note(`${worker.name} misses the next generation's start`);
        this.#deaf.set(worker.process, 1 + random.integer(2));
        return true;
      case "fill disk": {
        const ms = this.#duration(1.5, 3.5);
        trace.note(`the disk is full for ${ms.toFixed(0)} ms`);
        machine.fill();
        time.after(ms, () => machine.makeRoom());
        return true;
      }
      case "break disk":
        trace.note("the next operation on the disk fails");
        machine.breakOnce();
        return true;
      case "send garbage":
        return this.#sendGarbage(worker);
      case "join":
        if (living.length >= configuration.shards + 2) return false;
        this.#cluster.startWorker();
        return true;
      case "leave":
        if (!worker || worker.isLeaving) return false;
        trace.note(`${worker.name} is asked to leave`);
        worker.isLeaving = true;
        worker.process.enter(() => worker.leave.resolve());
        return true;
      case "stop":
        return this.#stop();
    }
  }

  #ambush(action: Ambush["action"], sender: SimulatedProcess): boolean {
    switch (action) {
      case "kill the sender":
        return this.#killWorker(this.#living().find((each) => each.process === sender));
      case "kill another worker":
        return this.#killWorker(
          this.#pick(this.#living().filter((each) => each.process !== sender)),
        );
      case "kill coordinator":
        return this.#killCoordinator();
      case "hold the sender back":
        return sender.isAlive && this.#partition(sender, "up", this.#duration(1, 3.3));
      case "hold the sender back and kill another worker":
        // Its message is of the generation before when it comes.
        return this.#ambush("kill another worker", sender) &&
          this.#ambush("hold the sender back", sender);
      case "cut the sender off":
        return this.#cutOff(sender, 0);
      case "stop":
        return this.#stop();
    }
  }

  #stop(): boolean {
    const { host, coordinator, trace } = this.#cluster;
    if (!host?.isAlive || !coordinator) return false;
    trace.note("the run is asked to stop");
    this.#isStopping = true;
    host.enter(() => coordinator.stop());
    return true;
  }

  #partition(process: SimulatedProcess, direction: "up" | "down" | "both", ms: number): boolean {
    const { broker, time, trace } = this.#cluster;
    trace.note(`${process.name} is cut off for ${ms.toFixed(0)} ms: ${direction}`);
    broker.block(process, direction);
    time.after(ms, () => broker.unblock(process));
    return true;
  }

  /** A connection stalls and is reset. */
  #cutOff(process: SimulatedProcess, afterMs: number): boolean {
    const { broker, time, trace } = this.#cluster;
    const connection = this.#pick(broker.connectionsOf(process));
    if (!connection) return false;
    trace.note(`a connection of ${process.name} stalls and is cut`);
    broker.block(process, "up");
    time.after(afterMs, () => {
      connection.cut("reset by peer", { arrives: "some", isHeardAtOnce: true });
      broker.unblock(process);
    });
    return true;
  }

  /** Beside its own messages, over a connection of its own: each once the one before has gone. */
  #sendGarbage(worker: SimulatedWorker | undefined): boolean {
    if (!worker || worker.sendsGarbage) return false;
    const { name, process } = worker;
    const { broker, run, trace } = this.#cluster;
    const { random, configuration } = this.#scenario;
    const subjects = dataSubjects(runSubjects(run).data, this.#cluster.life);
    const subject = this.#pick([
      subjects.totals(name),
      subjects.partials(name, random.integer(configuration.workers)),
      subjects.credits(name, random.integer(configuration.workers)),
      workerSubjects(run, name)[this.#pick(workerVerbs)!],
    ])!;
    trace.note(`${name} sends garbage on ${subject}`);
    this.#cluster.sendsGarbage(worker);
    const send = async () => {
      const connection = await broker.connect(process, { noEcho: true });
      for (let count = 0; count < garbageMessages && !this.#isOver; count++) {
        // Either no message at all or one of the run's with a length and a sender that are wrong.
        const garbage = random.integer(2) === 0
          ? new Uint8Array([0xc1, count])
          : encode([this.#cluster.generation, 63, count, 1, 0, 0, new Uint8Array(3 + count % 2)]);
        connection.publish(subject, garbage);
        await connection.flush();
      }
      await connection.close();
    };
    process.enter(() => {
      send().catch((error) => {
        if (!(error instanceof TransportError)) throw error;
      });
    });
    return true;
  }

  #killWorker(worker: SimulatedWorker | undefined): boolean {
    if (!worker) return false;
    const { name, process } = worker;
    const { random, isLaunched } = this.#scenario;
    const { time, trace } = this.#cluster;
    trace.note(`${name} is killed`);
    process.kill();
    if (isLaunched) {
      time.after(20 + 300 * random.uniform(), () => {
        const { host, coordinator } = this.#cluster;
        if (host?.isAlive) host.enter(() => coordinator?.workerLost(name, "it was killed"));
      });
    }
    time.after(100 + 3_000 * random.uniform(), () => {
      if (!this.#cluster.isAtRest) this.#cluster.startWorker();
    });
    return true;
  }

  #freeze(process: SimulatedProcess | undefined, ms: number): boolean {
    if (!process?.isAlive || process.isFrozen) return false;
    const { time, trace } = this.#cluster;
    trace.note(`${process.name} is frozen for ${ms.toFixed(0)} ms`);
    process.freeze();
    time.after(ms, () => process.thaw());
    return true;
  }

  #killCoordinator(): boolean {
    const { random } = this.#scenario;
    const cluster = this.#cluster;
    if (!cluster.host?.isAlive) return false;
    const survival = random.uniform() < 0.6 ? "all" : this.#pick(["synced", "names"] as const)!;
    cluster.trace.note(`the coordinator is killed, its disk keeps: ${survival}`);
    cluster.host.kill();
    cluster.coordinator = undefined;
    cluster.machine.crash(survival);
    cluster.time.after(100 + 2_000 * random.uniform(), () => cluster.startHost());
    return true;
  }
}
