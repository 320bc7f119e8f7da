/**
 * TCP below the NATS client, by Deno's own sockets. The client's socket for Node.js works on Deno,
 * but takes off its error listener before the socket has ended, so that a refused login may end
 * the whole process; and its reads of at most 64 KiB make the parser copy every longer message: this
 * one moves gradients 1.1 to 1.4 times as fast.
 *
 * A server that offers TLS gets it, right after its greeting, as NATS has it, or before where both
 * sides are set to begin with the handshake.
 */
import { type ClientCertificate, connectWithCertificate, type Wire } from "./client_certificate.ts";
import { type Clock, systemClock } from "./clock.ts";

/** Most chunks of a gradient then lie within one read, which the parser hands out as they are. */
const readBytesMax = 256 * 1024;
/** The server's greeting is one line of JSON; a peer that sends more without an end is no server. */
const greetingBytesMax = 64 * 1024;
/** A server greets as soon as it is reached: one that does not, on any link, begins with the handshake. */
const greetingMs = 1_000;

export interface TlsOptions {
  /** Whether a server that does not speak TLS is refused. */
  readonly required: boolean;
  /** Certificates in PEM that the server's may be signed with; the system's where none are given. */
  readonly caCertificates?: readonly string[];
  /** What the server's certificate must be for. @default {the host name} */
  readonly name?: string;
  /** Shown to a server that asks. */
  readonly client?: ClientCertificate;
  /** TLS begins before the server's greeting; without it, where none comes. @default {false} */
  readonly handshakeFirst?: boolean;
  /** For how long a greeting is waited for. */
  readonly clock?: Clock;
}

/** What the client hands through to its transport, beside its own options. */
export interface SocketOptions {
  readonly socketTls?: TlsOptions;
}

/** What the client calls a transport: one connection, from dial to end. */
export class NatsSocket {
  readonly lang = "deno";
  readonly version: string = Deno.version.deno;
  closeError: Error | undefined;
  readonly #buffer = new Uint8Array(readBytesMax);
  readonly #ended = Promise.withResolvers<void | Error>();
  #connection: Wire | undefined;
  #tls: TlsOptions = { required: false };
  #isEncrypted = false;
  #greeting: Uint8Array = new Uint8Array(0);
  readonly #outgoing: Uint8Array[] = [];
  #isWriting = false;
  #isClosed = false;

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** @throws {Error} if nobody listens, the peer is no NATS server, or its certificate is not valid */
  async connect(
    { hostname, port }: { hostname: string; port: number },
    options: object = {},
  ): Promise<void> {
    this.#tls = (options as SocketOptions).socketTls ?? this.#tls;
    const { required, handshakeFirst = false } = this.#tls;
    if (!handshakeFirst) {
      const { wire, encrypt } = await this.#dial(hostname, port);
      this.#connection = wire;
      if (this.#isClosed) return wire.close();
      const answer = this.#readGreeting(wire);
      if (!required || !await this.#isSilent(answer)) {
        const { greeting, speaksTls } = await answer;
        this.#greeting = greeting;
        if (speaksTls) return await this.#encrypt(encrypt);
        if (required) throw new Error("the server does not speak TLS");
        return;
      }
      // It waits for the handshake, which no connection can begin that still waits for a greeting.
      wire.close();
      if (this.#isClosed) return;
    }
    const { wire, encrypt } = await this.#dial(hostname, port);
    this.#connection = wire;
    await this.#encrypt(encrypt);
    this.#greeting = (await this.#readGreeting(this.#connection)).greeting;
  }

  /** Whether nothing has come for as long as only a server does that waits for the handshake. */
  async #isSilent(answer: Promise<unknown>): Promise<boolean> {
    const { clock = systemClock } = this.#tls;
    const heard = answer.then(() => false, () => false);
    let cancel = () => {};
    const silent = new Promise<boolean>((resolve) => {
      cancel = clock.after(greetingMs, () => resolve(true));
    });
    try {
      return await Promise.race([heard, silent]);
    } finally {
      cancel();
    }
  }

  /** A connection, and what makes it one with TLS. */
  async #dial(
    hostname: string,
    port: number,
  ): Promise<{ wire: Wire; encrypt: () => Promise<Wire> }> {
    const { caCertificates = [], client, name = hostname } = this.#tls;
    if (client) {
      return await connectWithCertificate({
        ...{ hostname, port, caCertificates, tlsName: name },
        ...client,
      });
    }
    const connection = await Deno.connect({ hostname, port });
    connection.setNoDelay(true);
    return {
      wire: connection,
      async encrypt() {
        const options = { hostname: name, caCerts: [...caCertificates] };
        const encrypted = await Deno.startTls(connection, options);
        try {
          await encrypted.handshake();
        } catch (error) {
          encrypted.close();
          throw error;
        }
        return encrypted;
      },
    };
  }

  async #encrypt(encrypt: () => Promise<Wire>): Promise<void> {
    let encrypted: Wire;
    try {
      encrypted = await encrypt();
    } catch (cause) {
      throw new Error(`no TLS with it: ${(cause as Error).message}`, { cause });
    }
    this.#connection = encrypted;
    this.#isEncrypted = true;
    if (this.#isClosed) encrypted.close();
  }

  /** Bytes as they come. Each view is valid until the next one is asked for. */
  async *[Symbol.asyncIterator](): AsyncIterableIterator<Uint8Array> {
    yield this.#greeting;
    let reason: Error | undefined;
    try {
      while (!this.#isClosed && this.#connection !== undefined) {
        const count = await this.#connection.read(this.#buffer);
        if (count === null) break;
        yield this.#buffer.subarray(0, count);
      }
    } catch (error) {
      reason = error as Error;
    }
    this.#end(reason);
  }

  isEncrypted(): boolean {
    return this.#isEncrypted;
  }

  send(frame: Uint8Array): void {
    if (this.#isClosed) return;
    this.#outgoing.push(frame);
    if (!this.#isWriting) this.#write();
  }

  close(reason?: Error): Promise<void> {
    this.#end(reason);
    return Promise.resolve();
  }

  disconnect(): void {
    this.#end(undefined);
  }

  discard(): void {
    this.#end(undefined);
  }

  /** Resolves when the connection has ended, with the reason if it was not asked for. */
  closed(): Promise<void | Error> {
    return this.#ended.promise;
  }

  async #write(): Promise<void> {
    this.#isWriting = true;
    try {
      for (let frame = this.#outgoing.shift(); frame; frame = this.#outgoing.shift()) {
        for (let at = 0; at < frame.length && this.#connection !== undefined;) {
          at += await this.#connection.write(frame.subarray(at));
        }
      }
    } catch (error) {
      this.#end(error as Error);
    }
    this.#isWriting = false;
  }

  async #readGreeting(
    connection: Wire,
  ): Promise<{ greeting: Uint8Array; speaksTls: boolean }> {
    let length = 0;
    while (length < greetingBytesMax) {
      const count = await connection.read(this.#buffer.subarray(length));
      if (count === null) throw new Error("the peer closed the connection before its greeting");
      length += count;
      const end = this.#buffer.subarray(0, length).indexOf(10);
      if (end >= 0) {
        const speaksTls = greetingOffersTls(
          new TextDecoder().decode(this.#buffer.subarray(0, end)),
        );
        return { greeting: this.#buffer.slice(0, length), speaksTls };
      }
    }
    throw new Error("the peer is not a nats-server");
  }

  #end(reason: Error | undefined): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.closeError = reason;
    this.#outgoing.length = 0;
    try {
      this.#connection?.close();
    } catch {
      // It is closed already.
    }
    this.#ended.resolve(reason);
  }
}

/** @throws {Error} if it is no greeting of a nats-server */
function greetingOffersTls(line: string): boolean {
  let info: { tls_required?: unknown; tls_available?: unknown };
  try {
    info = JSON.parse(line.replace(/^INFO /, () => ""));
    if (!line.startsWith("INFO ")) throw new SyntaxError("no INFO");
  } catch (cause) {
    throw new Error("the peer is not a nats-server", { cause });
  }
  return info.tls_required === true || info.tls_available === true;
}

/** What rustls says, with what to do where it is stricter than others. */
export function tlsReason(message: string): string {
  if (message.includes("CaUsedAsEndEntity")) {
    return `${message}; a server's own certificate must not be that of an authority: make it with ` +
      "basicConstraints=CA:FALSE";
  }
  if (message.includes("CertificateRequired")) {
    return `${message}; it asks for a certificate: give --tls-cert and --tls-key`;
  }
  return message;
}
