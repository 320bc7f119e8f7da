/**
 * TCP below the NATS client, by Deno's own sockets. The client's socket for Node.js works on Deno,
 * but takes off its error listener before the socket has ended, so that a refused login may end
 * the whole process; and its reads of at most 64 KiB make the parser copy every longer message: this
 * one moves gradients 1.1 to 1.4 times as fast.
 *
 * A server that offers TLS gets it, right after its greeting, as NATS has it.
 */

/** Most chunks of a gradient then lie within one read, which the parser hands out as they are. */
const readBytesMax = 256 * 1024;
/** The server's greeting is one line of JSON; a peer that sends more without an end is no server. */
const greetingBytesMax = 64 * 1024;

export interface TlsOptions {
  /** Whether a server that does not speak TLS is refused. */
  readonly required: boolean;
  /** Certificates in PEM that the server's may be signed with; the system's where none are given. */
  readonly caCertificates?: readonly string[];
}

/** What the client calls a transport: one connection, from dial to end. */
export class NatsSocket {
  readonly lang = "deno";
  readonly version: string = Deno.version.deno;
  closeError: Error | undefined;
  readonly #buffer = new Uint8Array(readBytesMax);
  readonly #ended = Promise.withResolvers<void | Error>();
  #connection: Deno.TcpConn | Deno.TlsConn | undefined;
  readonly #tls: TlsOptions;
  #isEncrypted = false;
  #greeting: Uint8Array = new Uint8Array(0);
  readonly #outgoing: Uint8Array[] = [];
  #isWriting = false;
  #isClosed = false;

  constructor(tls: TlsOptions = { required: false }) {
    this.#tls = tls;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** @throws {Error} if nobody listens, the peer is no NATS server, or its certificate is not valid */
  async connect({ hostname, port }: { hostname: string; port: number }): Promise<void> {
    const connection = await Deno.connect({ hostname, port });
    this.#connection = connection;
    if (this.#isClosed) return connection.close();
    connection.setNoDelay(true);
    const { greeting, speaksTls } = await this.#readGreeting(connection);
    this.#greeting = greeting;
    if (speaksTls) await this.#encrypt(connection, hostname);
    else if (this.#tls.required) throw new Error("the server does not speak TLS");
  }

  async #encrypt(connection: Deno.TcpConn, hostname: string): Promise<void> {
    const { caCertificates = [] } = this.#tls;
    const encrypted = await Deno.startTls(connection, { hostname, caCerts: [...caCertificates] });
    this.#connection = encrypted;
    if (this.#isClosed) return encrypted.close();
    try {
      await encrypted.handshake();
    } catch (cause) {
      throw new Error(`no TLS with it: ${(cause as Error).message}`, { cause });
    }
    this.#isEncrypted = true;
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
    connection: Deno.TcpConn,
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
