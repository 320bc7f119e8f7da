/**
 * A client's connection to the simulated broker. Harsher than the transport's contract where that
 * finds mistakes: bytes are read from the caller's memory only when the broker takes them, as a real
 * client may, and what a callback was given is overwritten after it.
 */
import type { Random } from "../../net/random.ts";
import { isPublishSubject, isSubscribeSubject } from "../../net/subjects.ts";
import {
  type Message,
  type Subscription,
  type Transport,
  TransportError,
} from "../../net/transport.ts";
import type { Link } from "./simulated_link.ts";
import type { SimulatedProcess, VirtualTime } from "./virtual_time.ts";

/** Three pings, two seconds apart, go unanswered. */
export const pingTimeoutMs = 6_000;
/** How late what a cut connection had sent may arrive. */
const staleMsMax = 3_000;
/** A write that takes longer than this ends the connection, as nats-server's write_deadline does. */
const writeDeadlineMs = 10_000;
/** What the kernels on the way hold for a reader that does not read, before a write has to wait. */
const socketShare = 0.1;

/** A subscription. */
export interface Interest {
  readonly connection: Connection;
  readonly pattern: string;
  readonly callback: (message: Message) => void;
  isWanted: boolean;
}

/** What a connection asks of the broker at its other end. */
export interface Server {
  readonly options: {
    readonly time: VirtualTime;
    readonly random: Random;
    readonly payloadBytesMax: number;
    readonly pendingBytesMax: number;
    readonly onDelivery?: (to: string, subject: string, data: Uint8Array) => void;
    readonly onPublish?: (from: SimulatedProcess, subject: string, data: Uint8Array) => void;
    readonly onUnconfirmed?: (subject: string, bytes: number) => void;
  };
  readonly counts: {
    cut: number;
    held: number;
    stale: number;
    "slow consumer": number;
    "write deadline": number;
  };
  readonly isUp: boolean;
  readonly connections: Map<number, Connection>;
  latencyMs(): number;
  link(process: SimulatedProcess): Link;
  subscribe(interest: Interest): void;
  unsubscribe(interest: Interest): void;
  /** Messages are counted, to know which overtake others. */
  nextOrder(): number;
  noteArrival(order: number): void;
  /** @returns how many receive it, and for how long the broker is busy with it */
  route(
    from: Connection,
    subject: string,
    data: Uint8Array,
    reply: string | undefined,
  ): { readonly receivers: number; readonly busyMs: number };
}

/** How a connection ends. */
export interface Cut {
  /** What of that which was on its way to the broker arrives there, late. */
  readonly arrives: "none" | "some" | "all";
  /** Whether its process notices by itself, or hears of it from the broker. */
  readonly isHeardAtOnce: boolean;
}

/** Something on its way from a client to the broker. */
interface Command {
  /** @returns for how long the broker is busy with it */
  arrive: () => number;
  /** What it reads from its sender's memory, copied when that could change. */
  detach: () => void;
  isLost: boolean;
}

export class Connection implements Transport {
  readonly payloadBytesMax: number;
  readonly closed: Promise<TransportError | undefined>;
  readonly process: SimulatedProcess;
  readonly noEcho: boolean;
  readonly id: number;
  /** What the broker knows of its subscriptions. */
  readonly #interests = new Set<Interest>();
  readonly #broker: Server;
  readonly #time: VirtualTime;
  readonly #link: Link;
  readonly #resolveClosed: (reason: TransportError | undefined) => void;
  readonly #requests = new Map<number, (answer: Uint8Array | TransportError) => void>();
  readonly #waiting = new Set<(reason: TransportError) => void>();
  readonly #inFlight = new Set<Command>();
  readonly #heldUp: Command[] = [];
  readonly #heldDown: (() => void)[] = [];
  /** What the broker sends is one stream. */
  #lastDeliveryMs = 0;
  #lastArrivalMs = 0;
  #busyUntilMs = 0;
  #cancelWriteDeadline: (() => void) | undefined;
  #pendingBytes = 0;
  #unconfirmedBytes = 0;
  #unflushedBytes = 0;
  #requestCount = 0;
  /** For the process: ends when it hears of the end; for the broker: at once. */
  #isOpen = true;
  #isCut = false;
  #closing: Promise<void> | undefined;

  constructor(broker: Server, process: SimulatedProcess, noEcho: boolean, id: number) {
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
    process.onKilled(() =>
      this.cut("its process ended", { arrives: "some", isHeardAtOnce: false })
    );
  }

  /** Sent by the broker and not read by the process. */
  get pendingBytes(): number {
    return this.#pendingBytes;
  }

  publish(subject: string, data: Uint8Array): void {
    this.#checkPublish(subject, data);
    this.#publish(subject, data);
  }

  subscribe(subject: string, callback: (message: Message) => void): Subscription {
    this.#checkOpen(`subscribe to "${subject}"`);
    if (!isSubscribeSubject(subject)) {
      throw new TransportError(`Cannot subscribe to "${subject}": not a valid NATS subject`);
    }
    const interest: Interest = {
      connection: this,
      pattern: subject,
      callback,
      isWanted: true,
    };
    this.#send(() => {
      if (!interest.isWanted || this.#isCut) return 0;
      this.#interests.add(interest);
      this.#broker.subscribe(interest);
      return 0;
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
        this.#receive(0, () => {
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
        this.#receive(0, () => {
          this.#unconfirmedBytes -= bytes;
          this.#waiting.delete(reject);
          resolve();
        });
        return 0;
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
      this.#send(() => {
        this.#receive(0, end);
        return 0;
      });
      this.process.after(pingTimeoutMs, end);
    });
    return this.#closing;
  }

  /**
   * The connection is lost. Of what was on its way to the broker, the last part is lost and the rest
   * arrives late, unless the broker itself is gone; what was on its way here is lost.
   */
  cut(why: string, { arrives, isHeardAtOnce }: Cut): void {
    if (this.#isCut) return;
    const { random } = this.#broker.options;
    this.#broker.counts.cut++;
    this.#leave();
    const commands = [...this.#inFlight];
    this.#inFlight.clear();
    this.#heldUp.length = 0;
    this.#heldDown.length = 0;
    const some = random.integer(commands.length + 1);
    const count = { none: 0, some, all: commands.length }[arrives];
    let atMs = 0;
    commands.forEach((command, index) => {
      command.detach();
      command.isLost = true;
      if (index >= count) return;
      this.#broker.counts.stale++;
      atMs = Math.max(atMs, random.uniform() * staleMsMax);
      this.#time.after(atMs, () =>
        this.#link.arriveLate(() => {
          if (this.#broker.isUp) command.arrive();
        }));
    });
    const tell = () =>
      this.process.enter(() => this.#end(new TransportError(`Lost the connection: ${why}`)));
    if (isHeardAtOnce) tell();
    else this.#link.tell(tell);
  }

  /** The way is free again. */
  release(): void {
    for (const command of this.#heldUp.splice(0)) {
      this.#time.after(0, () => this.#arrive(command));
    }
    for (const action of this.#heldDown.splice(0)) this.#time.after(0, action);
  }

  deliver(
    interest: Interest,
    subject: string,
    data: Uint8Array,
    reply: string | undefined,
  ): void {
    this.#receive(data.length, () => {
      if (!interest.isWanted) return;
      this.#broker.options.onDelivery?.(this.process.name, subject, data);
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

  answer(token: number, data: Uint8Array): void {
    this.#receive(data.length, () => {
      this.#broker.options.onDelivery?.(this.process.name, "answer", data);
      this.#requests.get(token)?.(data);
    });
  }

  /** Something comes from the broker to the process. */
  #receive(bytes: number, action: () => void): void {
    if (this.#isCut) return;
    this.#pendingBytes += bytes;
    const { pendingBytesMax } = this.#broker.options;
    if (this.#pendingBytes > pendingBytesMax) return this.#cutSlowConsumer("slow consumer");
    if (this.#pendingBytes > socketShare * pendingBytesMax) {
      this.#cancelWriteDeadline ??= this.#time.after(
        writeDeadlineMs,
        () => this.#cutSlowConsumer("write deadline"),
      );
    }
    const atMs = Math.max(this.#lastDeliveryMs, this.#time.nowMs + this.#broker.latencyMs());
    this.#lastDeliveryMs = atMs;
    const arrive = () => {
      if (this.#isCut) return;
      if (this.#link.downBlocked) {
        this.#broker.counts.held++;
        return void this.#heldDown.push(arrive);
      }
      this.process.enter(() => {
        this.#pendingBytes -= bytes;
        if (this.#pendingBytes <= socketShare * pendingBytesMax) this.#stopWriteDeadline();
        if (this.#isOpen) action();
      });
    };
    this.#time.after(atMs - this.#time.nowMs, arrive);
  }

  #cutSlowConsumer(what: "slow consumer" | "write deadline"): void {
    if (this.#isCut) return;
    this.#broker.counts[what]++;
    this.cut("the server closed it", { arrives: "some", isHeardAtOnce: false });
  }

  #stopWriteDeadline(): void {
    this.#cancelWriteDeadline?.();
    this.#cancelWriteDeadline = undefined;
  }

  #publish(subject: string, data: Uint8Array, reply?: string, onNobody?: () => void): void {
    // Its last turn may go on for a moment after its death was simulated.
    if (!this.process.isAlive) return;
    this.#unconfirmedBytes += data.length;
    this.#unflushedBytes += data.length;
    const { options } = this.#broker;
    options.onPublish?.(this.process, subject, data);
    options.onUnconfirmed?.(subject, this.#unconfirmedBytes);
    const order = this.#broker.nextOrder();
    let bytes = data;
    this.#send(
      () => {
        this.#broker.noteArrival(order);
        const { receivers, busyMs } = this.#broker.route(this, subject, bytes, reply);
        if (receivers === 0) onNobody?.();
        return busyMs;
      },
      () => bytes = bytes.slice(),
    );
  }

  #send(arrive: () => number, detach: () => void = () => {}): void {
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
    const { nowMs } = this.#time;
    // The broker takes one thing after the other from each connection.
    if (nowMs < this.#busyUntilMs) {
      this.#time.after(this.#busyUntilMs - nowMs, () => this.#arrive(command));
      return;
    }
    this.#inFlight.delete(command);
    this.#busyUntilMs = nowMs + command.arrive();
  }

  /** The broker forgets this connection. */
  #leave(): void {
    this.#isCut = true;
    this.#stopWriteDeadline();
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
    if (!isPublishSubject(subject)) {
      throw new TransportError(`Cannot publish on "${subject}": not a valid NATS subject`);
    }
    if (data.byteLength > this.payloadBytesMax) {
      throw new TransportError(
        `Cannot publish ${data.byteLength} bytes on "${subject}": at most ${this.payloadBytesMax}`,
      );
    }
  }
}
