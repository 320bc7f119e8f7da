/**
 * The transport inside one process: what nats-server does for Lockstep, without a server. Tests
 * and the one-process trainer use it. It keeps the properties that code must cope with: delivery
 * is asynchronous, a message is a copy, order holds for each publisher only, and nothing is stored
 * for those who subscribe later. Microtasks carry it, so virtual time suffices to drive it.
 */
import type { Clock } from "./clock.ts";
import { isPublishSubject, isSubscribeSubject, subjectMatches } from "./subjects.ts";
import { type Message, type Subscription, type Transport, TransportError } from "./transport.ts";

export interface MemoryBrokerOptions {
  /** For the time limits of requests. */
  readonly clock: Clock;
  /** @default {1048576} nats-server's default `max_payload` */
  readonly payloadBytesMax?: number;
}

export interface MemoryBroker {
  connect(options?: { noEcho?: boolean }): Transport;
  /** Cuts every connection, as a server that goes away does; what is under way is lost. */
  stop(): void;
}

/** A broker with no connections yet. */
export function createMemoryBroker(
  { clock, payloadBytesMax = 1024 * 1024 }: MemoryBrokerOptions,
): MemoryBroker {
  const connections = new Set<MemoryTransport>();
  let inboxes = 0;
  return {
    connect({ noEcho = false } = {}) {
      const inbox = `_INBOX.${++inboxes}`;
      return new MemoryTransport({ clock, payloadBytesMax, connections, noEcho, inbox });
    },
    stop() {
      for (const connection of [...connections]) {
        connection.cut(new TransportError("Lost the connection: the broker stopped"));
      }
    },
  };
}

interface ConnectionOptions {
  readonly clock: Clock;
  readonly payloadBytesMax: number;
  readonly connections: Set<MemoryTransport>;
  readonly noEcho: boolean;
  readonly inbox: string;
}

interface Interest {
  readonly pattern: string;
  readonly callback: (message: Message) => void;
}

class MemoryTransport implements Transport {
  readonly payloadBytesMax: number;
  readonly closed: Promise<TransportError | undefined>;
  readonly #options: ConnectionOptions;
  /** What the broker knows; a subscription is in force once its turn has come. */
  readonly #interests = new Set<Interest>();
  readonly #waiting = new Set<(reason: TransportError) => void>();
  readonly #resolveClosed: (reason: TransportError | undefined) => void;
  #requests = 0;
  #closing: Promise<void> | undefined;
  #open = true;

  constructor(options: ConnectionOptions) {
    const { promise, resolve } = Promise.withResolvers<TransportError | undefined>();
    this.#options = options;
    this.payloadBytesMax = options.payloadBytesMax;
    this.closed = promise;
    this.#resolveClosed = resolve;
    options.connections.add(this);
  }

  publish(subject: string, data: Uint8Array): void {
    this.#checkPublish(subject, data);
    this.#send(subject, data);
  }

  subscribe(subject: string, callback: (message: Message) => void): Subscription {
    this.#checkOpen(`subscribe to "${subject}"`);
    if (!isSubscribeSubject(subject)) {
      throw new TransportError(`Cannot subscribe to "${subject}": not a valid NATS subject`);
    }
    return this.#listen(subject, callback);
  }

  request(
    subject: string,
    data: Uint8Array,
    { timeoutMs }: { timeoutMs: number },
  ): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      this.#checkPublish(subject, data);
      const inbox = `${this.#options.inbox}.${++this.#requests}`;
      const finish = (settle: () => void) => {
        cancelTimeout();
        this.#waiting.delete(onClosed);
        answer.unsubscribe();
        settle();
      };
      const fail = (why: string) => {
        finish(() => reject(new TransportError(`Cannot get an answer on "${subject}": ${why}`)));
      };
      const onClosed = (reason: TransportError) => finish(() => reject(reason));
      const cancelTimeout = this.#options.clock.after(
        timeoutMs,
        () => fail(`none came within ${timeoutMs} ms`),
      );
      this.#waiting.add(onClosed);
      const answer = this.#listen(inbox, (message) => finish(() => resolve(message.data)));
      this.#send(subject, data, inbox, () => fail("nobody listens there"));
    });
  }

  flush(): Promise<void> {
    this.#checkOpen("flush");
    return new Promise((resolve, reject) => {
      this.#waiting.add(reject);
      queueMicrotask(() => {
        this.#waiting.delete(reject);
        resolve();
      });
    });
  }

  close(): Promise<void> {
    this.#closing ??= new Promise((resolve) => {
      queueMicrotask(() => {
        this.#end(undefined);
        resolve();
      });
    });
    return this.#closing;
  }

  /** Ends at once with `reason`. */
  cut(reason: TransportError): void {
    this.#end(reason);
  }

  #end(reason: TransportError | undefined): void {
    if (!this.#open) return;
    this.#open = false;
    this.#options.connections.delete(this);
    this.#interests.clear();
    for (const reject of [...this.#waiting]) {
      reject(reason ?? new TransportError("The connection was closed"));
    }
    this.#waiting.clear();
    this.#resolveClosed(reason);
  }

  #listen(pattern: string, callback: (message: Message) => void): Subscription {
    const interest = { pattern, callback };
    let wanted = true;
    queueMicrotask(() => {
      if (this.#open && wanted) this.#interests.add(interest);
    });
    return {
      unsubscribe: () => {
        wanted = false;
        this.#interests.delete(interest);
      },
    };
  }

  #send(subject: string, data: Uint8Array, reply?: string, onNobody?: () => void): void {
    const copy = data.slice();
    queueMicrotask(() => {
      // A connection that was cut loses what it had not sent.
      if (this.#open && this.#route(subject, copy, reply) === 0) onNobody?.();
    });
  }

  /** Hands the message to everyone interested; returns how many there were. */
  #route(subject: string, data: Uint8Array, reply: string | undefined): number {
    let receivers = 0;
    for (const connection of this.#options.connections) {
      if (connection === this && this.#options.noEcho) continue;
      for (const interest of connection.#interests) {
        if (!subjectMatches(interest.pattern, subject)) continue;
        receivers++;
        connection.#receive(interest, subject, data, reply);
      }
    }
    return receivers;
  }

  #receive(interest: Interest, subject: string, data: Uint8Array, reply?: string): void {
    const message: Message = {
      subject,
      // Each receiver gets bytes of its own: what one does to them must not reach another.
      data: data.slice(),
      respond: (answer) => {
        if (reply === undefined) return;
        this.#checkPublish(reply, answer);
        this.#send(reply, answer);
      },
    };
    queueMicrotask(() => {
      if (!this.#interests.has(interest)) return;
      try {
        interest.callback(message);
      } catch (error) {
        reportError(error);
      }
    });
  }

  #checkOpen(action: string): void {
    if (this.#open && this.#closing === undefined) return;
    throw new TransportError(`Cannot ${action}: the connection is closed`);
  }

  #checkPublish(subject: string, data: Uint8Array): void {
    this.#checkOpen(`publish on "${subject}"`);
    if (!isPublishSubject(subject)) {
      throw new TransportError(`Cannot publish on "${subject}": not a valid NATS subject`);
    }
    if (data.byteLength > this.payloadBytesMax) {
      throw new TransportError(
        `Cannot publish ${data.byteLength} bytes on "${subject}": the broker takes at most ${this.payloadBytesMax} in one message`,
      );
    }
  }
}
