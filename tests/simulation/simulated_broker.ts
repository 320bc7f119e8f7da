/**
 * nats-server in virtual time, with its real weaknesses: at most once; order for each publisher only;
 * a connection that is cut loses what was under way, or delivers it late, after its owner has gone
 * on; a reader that does not keep up is cut off, and slows its publishers before that; a partition
 * holds back what TCP would retransmit, until pings go unanswered; a request to nobody fails at once.
 * `simulated_connection.ts` is the client's side.
 *
 * Harsher than nats-server where that finds mistakes: messages may vanish, and gradients come twice.
 */
import type { Random } from "../../net/random.ts";
import { subjectMatches } from "../../net/subjects.ts";
import { type Transport, TransportError } from "../../net/transport.ts";
import { Connection, type Interest, pingTimeoutMs, type Server } from "./simulated_connection.ts";
import { Link } from "./simulated_link.ts";
import type { SimulatedProcess, VirtualTime } from "./virtual_time.ts";

export interface BrokerOptions {
  readonly time: VirtualTime;
  readonly random: Random;
  readonly payloadBytesMax: number;
  /** A connection with more than this waiting for it is cut off. */
  readonly pendingBytesMax: number;
  /** Mean time of one way. */
  readonly latencyMs: number;
  /** Share of the messages that take fifty times as long. */
  readonly lateShare: number;
  /** Share of the gradients' messages that come a second time, a little later. */
  readonly duplicateShare?: number;
  /** Share of the gradients' messages that one of their receivers does not get. */
  readonly gradientLossShare?: number;
  /** Hears of every message that somebody receives. */
  readonly onDelivery?: (to: string, subject: string, data: Uint8Array) => void;
  /** Hears of every message that somebody sends. */
  readonly onPublish?: (from: SimulatedProcess, subject: string, data: Uint8Array) => void;
  /** Hears what a connection has handed over and not had confirmed. */
  readonly onUnconfirmed?: (subject: string, bytes: number) => void;
  /** Whether this message to this process is to vanish. */
  readonly isMissed?: (to: SimulatedProcess, subject: string, data: Uint8Array) => boolean;
}

const connectTimeoutMs = 5_000;
const duplicateMsMax = 300;
/** A consumer this full slows who publishes to it. */
const stallShare = 0.75;
const stallMs = 5;
/** How often a publisher's thread in the server is overtaken by others between two subscribers. */
const overtakenShare = 0.05;

export class SimulatedBroker implements Server {
  readonly options: BrokerOptions;
  readonly counts = {
    cut: 0,
    duplicated: 0,
    held: 0,
    lost: 0,
    "lost gradient": 0,
    "missed announcement": 0,
    nobody: 0,
    overtaken: 0,
    "publisher stalled": 0,
    "slow consumer": 0,
    stale: 0,
    "write deadline": 0,
  };
  /** Share of the messages that vanish on their way. */
  lossShare = 0;
  readonly connections = new Map<number, Connection>();
  readonly #links = new Map<SimulatedProcess, Link>();
  /** Subscriptions to one subject, by that subject, and those with wildcards. */
  readonly #exact = new Map<string, Set<Interest>>();
  readonly #wild = new Set<Interest>();
  #isUp = true;
  #isLeaving = false;
  #ids = 0;
  #order = 0;
  #youngest = 0;

  constructor(options: BrokerOptions) {
    this.options = options;
  }

  get isLeaving(): boolean {
    return this.#isLeaving;
  }

  get isUp(): boolean {
    return this.#isUp;
  }

  latencyMs(): number {
    const { random, latencyMs, lateShare } = this.options;
    const isLate = lateShare > 0 && random.uniform() < lateShare;
    return -Math.log(1 - random.uniform()) * latencyMs * (isLate ? 50 : 1);
  }

  link(process: SimulatedProcess): Link {
    let link = this.#links.get(process);
    if (!link) this.#links.set(process, link = new Link());
    return link;
  }

  connect(process: SimulatedProcess, { noEcho = false } = {}): Promise<Transport> {
    return this.connectSimulated(process, { noEcho });
  }

  connectSimulated(process: SimulatedProcess, { noEcho = false } = {}): Promise<Connection> {
    return new Promise((resolve, reject) => {
      const fail = (delayMs: number, why: string) =>
        process.after(delayMs, () => reject(new TransportError(`Cannot connect: ${why}`)));
      const link = this.link(process);
      if (link.upBlocked || link.downBlocked) return fail(connectTimeoutMs, "no answer");
      process.after(2 * this.latencyMs(), () => {
        if (!this.#isUp || this.#isLeaving) {
          return reject(new TransportError("Cannot connect: nobody listens there"));
        }
        const connection = new Connection(this, process, noEcho, ++this.#ids);
        this.connections.set(connection.id, connection);
        resolve(connection);
      });
    });
  }

  /** The server is gone, with all that was on its way through it. */
  stop(): void {
    this.#isUp = false;
    this.#isLeaving = false;
    for (const connection of [...this.connections.values()]) {
      connection.cut("the server closed it", { arrives: "none", isHeardAtOnce: false });
    }
  }

  /** Lame duck: takes no new connections and ends the others one by one, then is gone. */
  leave(withinMs: number): void {
    const { time, random } = this.options;
    this.#isLeaving = true;
    for (const connection of [...this.connections.values()]) {
      time.after(random.uniform() * withinMs, () => {
        connection.cut("the server closed it", { arrives: "some", isHeardAtOnce: false });
      });
    }
    time.after(withinMs, () => {
      if (this.#isLeaving) this.stop();
    });
  }

  start(): void {
    this.#isUp = true;
    this.#isLeaving = false;
  }

  block(process: SimulatedProcess, direction: "up" | "down" | "both"): void {
    const link = this.link(process);
    link.upBlocked ||= direction !== "down";
    link.downBlocked ||= direction !== "up";
    const blockage = ++link.blockage;
    this.options.time.after(pingTimeoutMs, () => {
      if (link.blockage !== blockage || !(link.upBlocked || link.downBlocked)) return;
      link.tellAll();
      for (const connection of this.connectionsOf(process)) {
        connection.cut("nats-server did not answer three pings", {
          arrives: "some",
          isHeardAtOnce: true,
        });
      }
    });
  }

  unblock(process: SimulatedProcess): void {
    this.link(process).unblock();
    for (const connection of this.connectionsOf(process)) connection.release();
  }

  subscribe(interest: Interest): void {
    if (/[*>]/.test(interest.pattern)) {
      this.#wild.add(interest);
      return;
    }
    const interests = this.#exact.get(interest.pattern) ?? new Set();
    this.#exact.set(interest.pattern, interests.add(interest));
  }

  unsubscribe(interest: Interest): void {
    this.#wild.delete(interest);
    this.#exact.get(interest.pattern)?.delete(interest);
  }

  connectionsOf(process: SimulatedProcess): Connection[] {
    return [...this.connections.values()].filter((each) => each.process === process);
  }

  nextOrder(): number {
    return ++this.#order;
  }

  /** Counts what comes after something younger, which is somebody else's. */
  noteArrival(order: number): void {
    if (order < this.#youngest) this.counts.overtaken++;
    else this.#youngest = order;
  }

  /**
   * Hands a message to everyone interested, one after the other in the publisher's own thread.
   * @returns how many there were, and for how long that thread is busy with it
   */
  route(
    from: Connection,
    subject: string,
    data: Uint8Array,
    reply: string | undefined,
    isDuplicate = false,
  ): { receivers: number; busyMs: number } {
    const { random, time, duplicateShare = 0, gradientLossShare = 0, isMissed } = this.options;
    if (this.lossShare > 0 && random.uniform() < this.lossShare) {
      this.counts.lost++;
      return { receivers: 1, busyMs: 0 };
    }
    if (subject.startsWith("_INBOX.")) {
      const [, id, token] = subject.split(".");
      this.connections.get(Number(id))?.answer(Number(token), data.slice());
      return { receivers: 1, busyMs: 0 };
    }
    if (!isDuplicate && duplicateShare > 0 && subject.includes(".data.")) {
      if (random.uniform() < duplicateShare) {
        const copy = data.slice();
        time.after(random.uniform() * duplicateMsMax, () => {
          if (!this.#isUp) return;
          this.counts.duplicated++;
          this.route(from, subject, copy, reply, true);
        });
      }
    }
    let [receivers, busyMs] = [0, 0];
    const deliver = (interest: Interest) => {
      const { connection } = interest;
      if (connection === from && from.noEcho) return;
      receivers++;
      if (isMissed?.(connection.process, subject, data)) {
        this.counts["missed announcement"]++;
        return;
      }
      if (gradientLossShare > 0 && subject.includes(".data.")) {
        if (random.uniform() < gradientLossShare) return void this.counts["lost gradient"]++;
      }
      if (connection.pendingBytes > stallShare * this.options.pendingBytesMax) {
        this.counts["publisher stalled"]++;
        busyMs = Math.max(busyMs, stallMs);
      }
      const copy = data.slice();
      if (random.uniform() < overtakenShare) busyMs += this.options.latencyMs * random.uniform();
      if (busyMs === 0 || isDuplicate) {
        connection.deliver(interest, subject, copy, reply);
      } else {
        time.after(busyMs, () => connection.deliver(interest, subject, copy, reply));
      }
    };
    for (const interest of this.#exact.get(subject) ?? []) deliver(interest);
    for (const interest of this.#wild) {
      if (subjectMatches(interest.pattern, subject)) deliver(interest);
    }
    if (receivers === 0) this.counts.nobody++;
    return { receivers, busyMs };
  }
}
