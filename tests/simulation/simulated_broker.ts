/**
 * nats-server and its clients in virtual time, with their real weaknesses: at most once; order for
 * each publisher only; a connection that is cut loses what was under way, or delivers it late, after
 * its owner has gone on; a reader that does not keep up is cut off; a partition holds back what TCP
 * would retransmit, until pings go unanswered; a request to nobody fails at once.
 *
 * Harsher than the transport's contract where that finds mistakes: bytes are read from the caller's
 * memory only when the broker takes them, as a real client may, and what a callback was given is
 * overwritten after it.
 */
import type { Random } from "../../net/random.ts";
import { isPublishSubject, isSubscribeSubject, subjectMatches } from "../../net/subjects.ts";
import {
  type Message,
  type Subscription,
  type Transport,
  TransportError,
} from "../../net/transport.ts";
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
  /** Hears of every message that somebody receives. */
  readonly onDelivery: (to: string, subject: string, data: Uint8Array) => void;
  /** Hears of every message that somebody sends. */
  readonly onPublish: (from: string, subject: string, data: Uint8Array) => void;
  /** Hears what a connection has handed over and not had confirmed. */
  readonly onUnconfirmed: (from: string, bytes: number) => void;
}

export const staleMsMax = 3_000;
/** Three pings, two seconds apart, go unanswered. */
const pingTimeoutMs = 6_000;
const connectTimeoutMs = 5_000;

/** The way between a process and the broker. */
class Link {
  upBlocked = false;
  downBlocked = false;
  /** Counts the blockages, to tell one that lasts from the next. */
  blockage = 0;
}

interface Interest {
  readonly connection: Connection;
  readonly pattern: string;
  readonly callback: (message: Message) => void;
  isWanted: boolean;
}

/** Something on its way from a client to the broker. */
interface Command {
  arrive: () => void;
  /** What it reads from its sender's memory, copied when that could change. */
  detach: () => void;
  isLost: boolean;
}

export class SimulatedBroker {
  readonly options: BrokerOptions;
  readonly counts = { lost: 0, stale: 0, slowConsumers: 0, held: 0, nobody: 0, cut: 0 };
  /** Share of the messages that vanish on their way. */
  lossShare = 0;
  readonly connections = new Map<number, Connection>();
  readonly #links = new Map<SimulatedProcess, Link>();
  /** Subscriptions to one subject, by that subject, and those with wildcards. */
  readonly #exact = new Map<string, Set<Interest>>();
  readonly #wild = new Set<Interest>();
  #isUp = true;
  #ids = 0;

  constructor(options: BrokerOptions) {
    this.options = options;
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
    return new Promise((resolve, reject) => {
      const fail = (delayMs: number, why: string) =>
        process.after(delayMs, () => reject(new TransportError(`Cannot connect: ${why}`)));
      const link = this.link(process);
      if (link.upBlocked || link.downBlocked) return fail(connectTimeoutMs, "no answer");
      process.after(2 * this.latencyMs(), () => {
        if (!this.#isUp) return reject(new TransportError("Cannot connect: nobody listens there"));
        const connection = new Connection(this, process, noEcho, ++this.#ids);
        this.connections.set(connection.id, connection);
        resolve(connection);
      });
    });
  }

  /** The server is gone, with all that was on its way through it. */
  stop(): void {
    this.#isUp = false;
    for (const connection of [...this.connections.values()]) {
      connection.cut("the server closed it", false);
    }
  }

  start(): void {
    this.#isUp = true;
  }

  block(process: SimulatedProcess, direction: "up" | "down" | "both"): void {
    const link = this.link(process);
    link.upBlocked ||= direction !== "down";
    link.downBlocked ||= direction !== "up";
    const blockage = ++link.blockage;
    this.options.time.after(pingTimeoutMs, () => {
      if (link.blockage !== blockage || !(link.upBlocked || link.downBlocked)) return;
      for (const connection of this.connectionsOf(process)) {
        connection.cut("nats-server did not answer three pings", true);
      }
    });
  }

  unblock(process: SimulatedProcess): void {
    const link = this.link(process);
    link.upBlocked = link.downBlocked = false;
    link.blockage++;
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

  /** Hands a message to everyone interested; returns how many there were. */
  route(from: Connection, subject: string, data: Uint8Array, reply: string | undefined): number {
    const { random } = this.options;
    if (this.lossShare > 0 && random.uniform() < this.lossShare) {
      this.counts.lost++;
      return 1;
    }
    if (subject.startsWith("_INBOX.")) {
      const [, id, token] = subject.split(".");
      this.connections.get(Number(id))?.answer(from, Number(token), data.slice());
      return 1;
    }
    let receivers = 0;
    const deliver = (interest: Interest) => {
      const { connection } = interest;
      if (connection === from && from.noEcho) return;
      receivers++;
      connection.deliver(from, interest, subject, data.slice(), reply);
    };
    for (const interest of this.#exact.get(subject) ?? []) deliver(interest);
    for (const interest of this.#wild) {
      if (subjectMatches(interest.pattern, subject)) deliver(interest);
    }
    if (receivers === 0) this.counts.nobody++;
    return receivers;
  }
}

export class Connection implements Transport {
  readonly payloadBytesMax: number;
  readonly closed: Promise<TransportError | undefined>;
  readonly process: SimulatedProcess;
  readonly noEcho: boolean;
  readonly id: number;
  /** What the broker knows of its subscriptions. */
  readonly #interests = new Set<Interest>();
  readonly #broker: SimulatedBroker;
  readonly #time: VirtualTime;
  readonly #link: Link;
  readonly #resolveClosed: (reason: TransportError | undefined) => void;
  readonly #requests = new Map<number, (answer: Uint8Array | TransportError) => void>();
  readonly #waiting = new Set<(reason: TransportError) => void>();
  readonly #inFlight = new Set<Command>();
  readonly #heldUp: Command[] = [];
  readonly #heldDown: (() => void)[] = [];
  /** When the last message of each publisher arrives here: order holds for each of them. */
  readonly #lastFrom = new Map<number, number>();
  #lastArrivalMs = 0;
  #pendingBytes = 0;
  #unconfirmedBytes = 0;
  #unflushedBytes = 0;
  #requestCount = 0;
  /** For the process: ends when it hears of the end; for the broker: at once. */
  #isOpen = true;
  #isCut = false;
  #closing: Promise<void> | undefined;

  constructor(broker: SimulatedBroker, process: SimulatedProcess, noEcho: boolean, id: number) {
    const { promise, resolve } = Promise.withResolvers<TransportError | undefined>();
    this.#broker = broker;
    this.#time = broker.options.time;
    this.#link = broker.link(process);
    this.payloadBytesMax = broker.options.payloadBytesMax;
    this.process = process;
    this.noEcho = noEcho;
    this.id = id;
    this.closed = promise;
    this.#resolveClosed = resolve;
    process.onKilled(() => this.cut("its process ended", true));
  }

  publish(subject: string, data: Uint8Array): void {
    this.#checkPublish(subject, data);
    this.#publish(subject, data);
  }

  subscribe(subject: string, callback: (message: Message) => void): Subscription {
    this.#checkOpen(`subscribe to "${subject}"`);
    if (!isSubscribeSubject(subject)) throw new TransportError(`Cannot subscribe to "${subject}"`);
    const interest: Interest = {
      connection: this,
      pattern: subject,
      callback,
      isWanted: true,
    };
    this.#send(() => {
      if (!interest.isWanted || this.#isCut) return;
      this.#interests.add(interest);
      this.#broker.subscribe(interest);
    });
    return {
      unsubscribe: () => {
        interest.isWanted = false;
        this.#interests.delete(interest);
        this.#broker.unsubscribe(interest);
      },
    };
  }

  request(
    subject: string,
    data: Uint8Array,
    { timeoutMs }: { timeoutMs: number },
  ): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      this.#checkPublish(subject, data);
      const token = ++this.#requestCount;
      const finish = (answer: Uint8Array | TransportError) => {
        cancel();
        this.#requests.delete(token);
        answer instanceof TransportError ? reject(answer) : resolve(answer);
      };
      const fail = (why: string) =>
        finish(new TransportError(`Cannot get an answer on "${subject}": ${why}`));
      const cancel = this.process.after(
        timeoutMs,
        () => fail(`none came within ${timeoutMs} ms`),
      );
      this.#requests.set(token, finish);
      this.#publish(subject, data, `_INBOX.${this.id}.${token}`, () => {
        this.#receive(0, 0, () => {
          if (this.#requests.has(token)) fail("nobody listens there");
        });
      });
    });
  }

  flush(): Promise<void> {
    this.#checkOpen("flush");
    const bytes = this.#unflushedBytes;
    this.#unflushedBytes = 0;
    return new Promise((resolve, reject) => {
      this.#waiting.add(reject);
      this.#send(() => {
        this.#receive(0, 0, () => {
          this.#unconfirmedBytes -= bytes;
          this.#waiting.delete(reject);
          resolve();
        });
      });
    });
  }

  close(): Promise<void> {
    this.#closing ??= new Promise((resolve) => {
      void this.closed.then(() => resolve());
      if (!this.#isOpen || this.#isCut) return;
      const end = () => {
        this.#end(undefined);
        this.#leave();
      };
      // What is queued goes first; a server that is silent is not waited for longer than its pings.
      this.#send(() => this.#receive(0, 0, end));
      this.process.after(pingTimeoutMs, end);
    });
    return this.#closing;
  }

  /**
   * The connection is lost. Of what was on its way to the broker, the last part is lost and the rest
   * arrives late, unless the broker itself is gone.
   */
  cut(why: string, mayArrive: boolean): void {
    if (this.#isCut) return;
    const { random } = this.#broker.options;
    this.#broker.counts.cut++;
    this.#leave();
    const commands = [...this.#inFlight];
    this.#inFlight.clear();
    this.#heldUp.length = 0;
    this.#heldDown.length = 0;
    const arrives = mayArrive ? random.integer(commands.length + 1) : 0;
    let atMs = 0;
    commands.forEach((command, index) => {
      command.detach();
      command.isLost = true;
      if (index >= arrives) return;
      this.#broker.counts.stale++;
      atMs = Math.max(atMs, random.uniform() * staleMsMax);
      this.#time.after(atMs, () => {
        if (this.#broker.isUp) command.arrive();
      });
    });
    this.process.enter(() => this.#end(new TransportError(`Lost the connection: ${why}`)));
  }

  /** The way is free again. */
  release(): void {
    for (const command of this.#heldUp.splice(0)) {
      this.#time.after(0, () => this.#arrive(command));
    }
    for (const action of this.#heldDown.splice(0)) this.#time.after(0, action);
  }

  deliver(
    from: Connection,
    interest: Interest,
    subject: string,
    data: Uint8Array,
    reply: string | undefined,
  ): void {
    this.#receive(from.id, data.length, () => {
      if (!interest.isWanted) return;
      this.#broker.options.onDelivery(this.process.name, subject, data);
      interest.callback({
        subject,
        data,
        respond: (answer) => {
          if (reply === undefined) return;
          this.#checkPublish(reply, answer);
          this.#publish(reply, answer);
        },
      });
      data.fill(0xa5);
    });
  }

  answer(from: Connection, token: number, data: Uint8Array): void {
    this.#receive(from.id, data.length, () => {
      this.#broker.options.onDelivery(this.process.name, "answer", data);
      this.#requests.get(token)?.(data);
    });
  }

  /** Something comes from the broker to the process. */
  #receive(from: number, bytes: number, action: () => void): void {
    if (this.#isCut) return;
    this.#pendingBytes += bytes;
    if (this.#pendingBytes > this.#broker.options.pendingBytesMax) {
      this.#broker.counts.slowConsumers++;
      return this.cut("slow consumer", true);
    }
    const atMs = Math.max(
      this.#lastFrom.get(from) ?? 0,
      this.#time.nowMs + this.#broker.latencyMs(),
    );
    this.#lastFrom.set(from, atMs);
    const arrive = () => {
      if (this.#isCut) return;
      if (this.#link.downBlocked) {
        this.#broker.counts.held++;
        return void this.#heldDown.push(arrive);
      }
      this.process.enter(() => {
        this.#pendingBytes -= bytes;
        if (this.#isOpen) action();
      });
    };
    this.#time.after(atMs - this.#time.nowMs, arrive);
  }

  #publish(subject: string, data: Uint8Array, reply?: string, onNobody?: () => void): void {
    this.#unconfirmedBytes += data.length;
    this.#unflushedBytes += data.length;
    this.#broker.options.onPublish(this.process.name, subject, data);
    this.#broker.options.onUnconfirmed(subject, this.#unconfirmedBytes);
    let bytes = data;
    this.#send(
      () => {
        const receivers = this.#broker.route(this, subject, bytes, reply);
        if (receivers === 0) onNobody?.();
      },
      () => bytes = bytes.slice(),
    );
  }

  #send(arrive: () => void, detach: () => void = () => {}): void {
    if (this.#isCut) return;
    const command: Command = { arrive, detach, isLost: false };
    this.#inFlight.add(command);
    const atMs = Math.max(this.#lastArrivalMs, this.#time.nowMs + this.#broker.latencyMs());
    this.#lastArrivalMs = atMs;
    this.#time.after(atMs - this.#time.nowMs, () => this.#arrive(command));
  }

  #arrive(command: Command): void {
    if (command.isLost) return;
    if (this.#link.upBlocked) {
      this.#broker.counts.held++;
      this.#heldUp.push(command);
      return;
    }
    this.#inFlight.delete(command);
    command.arrive();
  }

  /** The broker forgets this connection. */
  #leave(): void {
    this.#isCut = true;
    for (const interest of this.#interests) this.#broker.unsubscribe(interest);
    this.#interests.clear();
    this.#broker.connections.delete(this.id);
  }

  #end(reason: TransportError | undefined): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    const why = reason ?? new TransportError("The connection was closed");
    for (const reject of [...this.#waiting]) reject(why);
    for (const settle of [...this.#requests.values()]) settle(why);
    this.#waiting.clear();
    this.#resolveClosed(reason);
  }

  #checkOpen(action: string): void {
    if (this.#isOpen && this.#closing === undefined) return;
    throw new TransportError(`Cannot ${action}: the connection is closed`);
  }

  #checkPublish(subject: string, data: Uint8Array): void {
    this.#checkOpen(`publish on "${subject}"`);
    if (!isPublishSubject(subject)) throw new TransportError(`Cannot publish on "${subject}"`);
    if (data.byteLength > this.payloadBytesMax) {
      throw new TransportError(
        `Cannot publish ${data.byteLength} bytes on "${subject}": at most ${this.payloadBytesMax}`,
      );
    }
  }
}
