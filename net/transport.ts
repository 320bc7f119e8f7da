/**
 * What Lockstep asks of a messaging system: publish bytes on a subject, receive them by callback,
 * ask and answer. The NATS form and the in-memory form (`nats_transport.ts`,
 * `memory_transport.ts`) give the same service: at most once, in order for each publisher only.
 */
export interface Message {
  readonly subject: string;
  /** Valid only during the callback: copy what outlives it. */
  readonly data: Uint8Array;
  /** Answers a request; does nothing for a message that asks for no answer. */
  respond(data: Uint8Array): void;
}

export interface Subscription {
  unsubscribe(): void;
}

export interface Transport {
  /** Largest message in bytes that the broker takes. */
  readonly payloadBytesMax: number;
  /**
   * Fire and forget. `data` must stay as it is until the next `flush()` has resolved.
   * @throws {TransportError} if longer than `payloadBytesMax` or closed
   */
  publish(subject: string, data: Uint8Array): void;
  /** `subject` may hold the NATS wildcards `*` and `>`. The callback must not block. */
  subscribe(subject: string, callback: (message: Message) => void): Subscription;
  /** @throws {TransportError} if nobody answers within `timeoutMs` */
  request(subject: string, data: Uint8Array, options: { timeoutMs: number }): Promise<Uint8Array>;
  /** Resolves when the broker has processed everything sent before. */
  flush(): Promise<void>;
  /** Sends what is queued, then closes. */
  close(): Promise<void>;
  /** Resolves with the reason when the connection has ended for good. */
  readonly closed: Promise<TransportError | undefined>;
}

/** The messaging system failed, refused or did not answer. */
export class TransportError extends Error {
  override readonly name = "TransportError";
}

/** The broker is there and does not take the login: asking again would not help. */
export class LoginRefusedError extends TransportError {}

/** The broker is there and cannot be used as it is set up: asking again would not help either. */
export class UnusableBrokerError extends LoginRefusedError {}

/** What was given is no broker's address: asking again would not help. */
export class BrokerAddressError extends TransportError {}

/** The broker took the login and ended the connection at once, without a reason. */
export class LoginCutError extends TransportError {}

/** The broker does not let this login say or hear what it tried, and never will. */
export class NotPermittedError extends TransportError {}

/** Why these connections ended, where the broker did not permit something on one of them. */
export async function notPermittedOn(
  ...transports: readonly Transport[]
): Promise<NotPermittedError | undefined> {
  const ends = transports.map(({ closed }) => Promise.race([closed, undefined]));
  return (await Promise.all(ends)).find((end) => end instanceof NotPermittedError);
}
