/**
 * The transport on a real nats-server; the one file that names the NATS client.
 *
 * A connection lives once: when it is lost it is over, with a reason, because the client throws
 * away its outbound buffer on a redial and delivers stale messages afterwards. Whoever owns the
 * connection decides whether to open the next one, under a new generation.
 *
 * Subscriptions are callbacks, never iterators: they run inside the client's parser, so a slow
 * reader becomes back-pressure on the socket instead of a queue without a bound.
 */
import {
  type Authenticator,
  type ConnectionOptions,
  createInbox,
  errors,
  jwtAuthenticator,
  type Msg,
  type NatsConnection,
  NatsConnectionImpl,
  nkeyAuthenticator,
  nkeys,
  setTransportFactory,
} from "@nats-io/transport-node";
import { addressText, type BrokerAddress, BrokerPool, parseBroker } from "./broker_pool.ts";
import type { ClientCertificate } from "./client_certificate.ts";
import { type Clock, systemClock, timeOfDay } from "./clock.ts";
import { NatsSocket, type SocketOptions, type TlsOptions, tlsReason } from "./nats_socket.ts";
import { isPublishSubject, isSubscribeSubject } from "./subjects.ts";
import {
  LoginCutError,
  LoginRefusedError,
  type Message,
  NotPermittedError,
  type Subscription,
  type Transport,
  TransportError,
  UnusableBrokerError,
} from "./transport.ts";

/** Oldest nats-server without a known crash before login. */
export const natsServerVersionMin = "2.14.3";

export type NatsCredentials =
  | { readonly token: string }
  | { readonly user: string; readonly password: string }
  | NkeyCredentials;

/** Proves that it holds a key, which is never sent. */
export interface NkeyCredentials {
  /** Of a user: "SU" and 56 more characters. */
  readonly nkeySeed: string;
  /** What the server knows the key by where it keeps no list of keys. */
  readonly jwt?: string;
}

export interface NatsOptions {
  /**
   * "nats://host:port", or "tls://" to insist on TLS; several of one cluster; may hold the login. A pool
   * knows from one connection to the next where else to go.
   */
  readonly servers: string | readonly string[] | BrokerPool;
  /** Shown in the server's list of connections. */
  readonly name: string;
  readonly credentials?: NatsCredentials;
  /** Certificates in PEM that sign the server's. @default {the system's} */
  readonly caCertificates?: readonly string[];
  /** Shown to a server that asks for one. */
  readonly clientCertificate?: ClientCertificate;
  /** TLS begins before the server's greeting; without it, where none comes. @default {false} */
  readonly handshakeFirst?: boolean;
  /** Time to connect to one server. @default {5000, and 2000 where there are several} */
  readonly connectTimeoutMs?: number;
  /** Do not receive what this connection publishes itself. @default {false} */
  readonly noEcho?: boolean;
  /** A silent server is given up after three of these. @default {2000} */
  readonly pingIntervalMs?: number;
  /** For the time limits of requests. */
  readonly clock?: Clock;
}

/** Time to connect to the only server, and to each of several. */
const connectTimeoutMs = { alone: 5_000, oneOfSeveral: 2_000 } as const;
/** Less has no room for what workers and coordinator say of themselves. */
const payloadBytesMin = 8192;

/**
 * Connects to the first server that is there, and checks its version.
 *
 * @throws {LoginRefusedError} if the login is refused
 * @throws {TransportError} if nobody listens, or the server is too old
 */
export async function connectNats(options: NatsOptions): Promise<Transport> {
  const { servers } = options;
  const named = servers instanceof BrokerPool ? [] : [servers].flat();
  const pool = servers instanceof BrokerPool ? servers : new BrokerPool(named);
  const credentials = options.credentials ??
    (named.length === 0 ? undefined : credentialsOf(parseBroker(named[0]).url));
  const failures: TransportError[] = [];
  for (const address of pool.addresses) {
    try {
      return await connectTo(address, pool, { ...options, credentials });
    } catch (error) {
      if (!(error instanceof TransportError)) throw error;
      pool.demote(address);
      failures.push(error);
      // A broker that is there and refuses will refuse again.
      if (error instanceof LoginRefusedError) throw error;
    }
  }
  if (failures.length === 1) throw failures[0];
  const reasons = failures.map(({ message }) => message.replace(/^Cannot connect to /, () => ""));
  throw new TransportError(`Cannot connect to any server of ${pool}: ${reasons.join("; ")}`, {
    cause: failures[0],
  });
}

async function connectTo(
  server: BrokerAddress,
  pool: BrokerPool,
  options: NatsOptions,
): Promise<Transport> {
  const { credentials } = options;
  const address = addressText(server);
  const isAlone = pool.addresses.length === 1;
  const timeoutMs = options.connectTimeoutMs ??
    connectTimeoutMs[isAlone ? "alone" : "oneOfSeveral"];
  const tls: TlsOptions = {
    required: server.tls,
    name: server.tlsName,
    caCertificates: options.caCertificates,
    client: options.clientCertificate,
    handshakeFirst: options.handshakeFirst,
  };
  let connection: NatsConnection;
  setTransportFactory({ factory: () => new NatsSocket() });
  try {
    const given: ConnectionOptions & SocketOptions = {
      servers: [address.replace(/^[a-z]+:\/\//, () => "")],
      name: options.name,
      ...login(credentials),
      timeout: timeoutMs,
      noEcho: options.noEcho ?? false,
      reconnect: false,
      // Deno resolves names when it dials.
      resolve: false,
      pingInterval: options.pingIntervalMs ?? 2000,
      maxPingOut: 2,
      socketTls: { ...tls, clock: options.clock },
    };
    connection = await NatsConnectionImpl.connect(given);
  } catch (error) {
    throw connectError(error, address, timeoutMs, credentials);
  }
  // The client forgets what the server said of itself when the connection is over.
  if (connection.isClosed()) {
    const reason = await connection.closed();
    if (reason) throw connectError(reason, address, timeoutMs, credentials);
    const how = "nats-server ended the connection as soon as it had taken the login";
    throw new LoginCutError(`Cannot connect to ${address}: ${how}; see its log for why`);
  }
  const { version = "unknown", max_payload: payloadBytesMax, connect_urls } = connection.info ?? {};
  if (isOlder(version, natsServerVersionMin)) {
    await connection.close();
    throw new TransportError(
      `Cannot use nats-server ${version} at ${address}: Lockstep needs ${natsServerVersionMin} or newer; run 'deno task setup' to fetch one`,
    );
  }
  if (payloadBytesMax !== undefined && payloadBytesMax < payloadBytesMin) {
    await connection.close();
    throw new UnusableBrokerError(
      `Cannot use the broker at ${address}: its max_payload is ${payloadBytesMax} bytes, and at least ${payloadBytesMin} are needed; raise it there`,
    );
  }
  if (connect_urls) pool.learn(connect_urls, server);
  const inbox = createInbox(inboxPrefix(userOf(credentials)));
  const transport = new NatsTransport(connection, address, inbox, options.clock ?? systemClock, {
    onCluster: (urls) => pool.learn(urls, server),
  });
  void transport.closed.then((reason) => {
    if (reason !== undefined) pool.demote(server);
  });
  return transport;
}

class NatsTransport implements Transport {
  readonly payloadBytesMax: number;
  readonly closed: Promise<TransportError | undefined>;
  readonly #connection: NatsConnection;
  readonly #address: string;
  readonly #clock: Clock;
  /** Requests that wait for an answer, by the last token of its subject. */
  readonly #requests = new Map<string, (answer: Uint8Array | TransportError) => void>();
  readonly #inbox: string;
  readonly #onCluster: (urls: readonly string[]) => void;
  #requestCount = 0;
  /** Rejects the flushes that wait: the client leaves them pending when a connection is lost. */
  readonly #waiting = new Set<(reason: TransportError) => void>();
  #closing: Promise<void> | undefined;
  #reason: TransportError | undefined;

  constructor(
    connection: NatsConnection,
    address: string,
    inbox: string,
    clock: Clock,
    { onCluster }: { onCluster: (urls: readonly string[]) => void },
  ) {
    this.#onCluster = onCluster;
    this.#inbox = inbox;
    this.#connection = connection;
    this.#address = address;
    this.#clock = clock;
    this.payloadBytesMax = connection.info?.max_payload ?? 1024 * 1024;
    this.closed = connection.closed().then((error) => this.#onClosed(error ?? undefined));
    this.#watch();
  }

  publish(subject: string, data: Uint8Array): void {
    this.#checkPublish(subject, data);
    this.#connection.publish(subject, data);
  }

  subscribe(subject: string, callback: (message: Message) => void): Subscription {
    this.#checkOpen(`subscribe to "${subject}"`);
    if (!isSubscribeSubject(subject)) {
      throw new TransportError(`Cannot subscribe to "${subject}": not a valid NATS subject`);
    }
    const subscription = this.#connection.subscribe(subject, {
      callback: (error, message) => {
        // A refusal by the server arrives here, too; `#watch` sees it as well and ends with it.
        if (error === null) deliver(callback, new NatsMessage(message, this));
      },
    });
    return { unsubscribe: () => subscription.unsubscribe() };
  }

  request(
    subject: string,
    data: Uint8Array,
    { timeoutMs }: { timeoutMs: number },
  ): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      this.#checkPublish(subject, data);
      if (this.#requestCount === 0) this.#listenForAnswers();
      const token = String(++this.#requestCount);
      const finish = (answer: Uint8Array | TransportError) => {
        cancel();
        this.#requests.delete(token);
        answer instanceof TransportError ? reject(answer) : resolve(answer);
      };
      const fail = (why: string) =>
        finish(new TransportError(`Cannot get an answer on "${subject}": ${why}`));
      const cancel = this.#clock.after(timeoutMs, () => fail(`none came within ${timeoutMs} ms`));
      this.#requests.set(token, (answer) => {
        answer === nobody ? fail("nobody listens there") : finish(answer);
      });
      this.#connection.publish(subject, data, { reply: `${this.#inbox}.${token}` });
    });
  }

  flush(): Promise<void> {
    this.#checkOpen("flush");
    return new Promise((resolve, reject) => {
      this.#waiting.add(reject);
      this.#connection.flush().then(resolve, (error) => {
        reject(new TransportError(`Cannot flush to ${this.#address}`, { cause: error }));
      }).finally(() => this.#waiting.delete(reject));
    });
  }

  close(): Promise<void> {
    this.#closing ??= this.#drain();
    return this.#closing;
  }

  /** The client's own requests keep a view of memory that its next read overwrites. */
  #listenForAnswers(): void {
    this.#connection.subscribe(`${this.#inbox}.*`, {
      callback: (error, message) => {
        if (error !== null) return;
        const isNobody = message.data.length === 0 && message.headers?.code === 503;
        const token = message.subject.slice(this.#inbox.length + 1);
        this.#requests.get(token)?.(isNobody ? nobody : new Uint8Array(message.data));
      },
    });
  }

  async #drain(): Promise<void> {
    if (this.#connection.isClosed()) return;
    // The pings end a connection whose server is silent, and with it the drain.
    await Promise.race([this.#connection.drain().catch(() => {}), this.closed]);
  }

  #onClosed(error: Error | undefined): TransportError | undefined {
    if (this.#closing === undefined) {
      this.#reason ??= new TransportError(
        `Lost the connection to ${this.#address}: ${lossInWords(error)}`,
        { cause: error },
      );
    }
    const reason = this.#reason ?? new TransportError("The connection was closed");
    for (const reject of this.#waiting) reject(reason);
    for (const settle of [...this.#requests.values()]) settle(reason);
    this.#waiting.clear();
    return this.#reason;
  }

  /** Turns what the client only reports (a refused subject, a silent server) into an end. */
  async #watch(): Promise<void> {
    for await (const status of this.#connection.status()) {
      if (status.type === "update") {
        this.#onCluster(this.#connection.info?.connect_urls ?? []);
      } else if (status.type === "staleConnection") {
        this.#reason ??= new TransportError(
          `Lost the connection to ${this.#address}: nats-server did not answer three pings`,
        );
      } else if (status.type === "error") {
        if (status.error instanceof errors.UserAuthenticationExpiredError) {
          this.#reason ??= new LoginRefusedError(
            `Lost the connection to ${this.#address}: the credentials have expired`,
            { cause: status.error },
          );
        }
        if (status.error instanceof errors.PermissionViolationError) {
          const { operation, subject } = status.error;
          const verb = operation === "publish" ? "publish on" : "subscribe to";
          this.#reason ??= new NotPermittedError(
            `Cannot ${verb} "${subject}": nats-server at ${this.#address} does not permit it; check the permissions of this user`,
            { cause: status.error },
          );
          void this.close();
        }
      }
    }
  }

  #checkOpen(action: string): void {
    if (this.#closing === undefined && !this.#connection.isClosed()) return;
    throw new TransportError(
      `Cannot ${action}: the connection to ${this.#address} is closed`,
      { cause: this.#reason },
    );
  }

  #checkPublish(subject: string, data: Uint8Array): void {
    this.#checkOpen(`publish on "${subject}"`);
    if (!isPublishSubject(subject)) {
      throw new TransportError(`Cannot publish on "${subject}": not a valid NATS subject`);
    }
    if (data.byteLength > this.payloadBytesMax) {
      // The server would close the connection for it.
      throw new TransportError(
        `Cannot publish ${data.byteLength} bytes on "${subject}": nats-server takes at most ${this.payloadBytesMax} in one message; send less or raise its max_payload`,
      );
    }
  }
}

const inboxRoot = "_INBOX";

/** Answers to a user come below a subject that the server can keep to this user. */
export function inboxPrefix(user: string | undefined): string {
  return user !== undefined && /^[A-Za-z0-9-]+$/.test(user) ? `${inboxRoot}.${user}` : inboxRoot;
}

/** What a request gets where no subscription takes it. */
const nobody = new Uint8Array(0);

class NatsMessage implements Message {
  readonly #message: Msg;
  readonly #transport: NatsTransport;
  /** Read now: the client decodes it from its read buffer, which the next messages overwrite. */
  readonly #reply: string | undefined;

  constructor(message: Msg, transport: NatsTransport) {
    this.#message = message;
    this.#transport = transport;
    this.#reply = message.reply;
  }

  get subject(): string {
    return this.#message.subject;
  }

  get data(): Uint8Array {
    return this.#message.data;
  }

  respond(data: Uint8Array): void {
    // Whoever asks may name any subject for the answer; an inbox is all that it gets.
    if (this.#reply?.startsWith(`${inboxRoot}.`)) this.#transport.publish(this.#reply, data);
  }
}

/** A callback that throws is a programming error; inside the client's parser it would be lost. */
function deliver(callback: (message: Message) => void, message: Message): void {
  try {
    callback(message);
  } catch (error) {
    reportError(error);
  }
}

function credentialsOf(url: URL): NatsCredentials | undefined {
  if (url.username === "") return undefined;
  const user = decodeURIComponent(url.username);
  return url.password === ""
    ? { token: user }
    : { user, password: decodeURIComponent(url.password) };
}

function login(credentials: NatsCredentials | undefined): {
  token?: string;
  user?: string;
  pass?: string;
  authenticator?: Authenticator;
} {
  if (credentials === undefined) return {};
  if ("token" in credentials) return { token: credentials.token };
  if ("user" in credentials) return { user: credentials.user, pass: credentials.password };
  const seed = new TextEncoder().encode(credentials.nkeySeed);
  return {
    authenticator: credentials.jwt === undefined
      ? nkeyAuthenticator(seed)
      : jwtAuthenticator(credentials.jwt, seed),
  };
}

/** Who logs in, as the server's permissions name it; undefined where there is no name. */
function userOf(credentials: NatsCredentials | undefined): string | undefined {
  if (credentials === undefined || "token" in credentials) return undefined;
  return "user" in credentials ? credentials.user : publicNkey(credentials.nkeySeed);
}

/** The key that the server knows a user by. @throws {Error} for what is no seed of a user's nkey */
export function publicNkey(seed: string): string {
  const key = nkeys.fromSeed(new TextEncoder().encode(seed)).getPublicKey();
  if (!key.startsWith("U")) throw new Error("the seed is not of a user's nkey");
  return key;
}

/** When a JWT ends to be good, ISO 8601; undefined where it does not say. */
function expiryOf(jwt: string): string | undefined {
  try {
    const claims = Uint8Array.fromBase64(jwt.split(".")[1], { alphabet: "base64url" });
    const { exp } = JSON.parse(new TextDecoder().decode(claims)) as { exp?: unknown };
    return typeof exp === "number" ? new Date(exp * 1000).toISOString() : undefined;
  } catch {
    return undefined;
  }
}

/** Why credentials may have been refused, and what to do. */
function refusalHint(credentials: NatsCredentials | undefined): string {
  if (credentials === undefined || !("nkeySeed" in credentials)) {
    return "set LOCKSTEP_NATS_USER and LOCKSTEP_NATS_PASSWORD, or LOCKSTEP_NATS_TOKEN, as the server " +
      "has them";
  }
  const expiry = credentials.jwt === undefined ? undefined : expiryOf(credentials.jwt);
  return expiry !== undefined && expiry < timeOfDay()
    ? `they expired at ${expiry}: put new ones into the credentials file`
    : "the credentials file must be of a user whom this server knows";
}

function connectError(
  error: unknown,
  address: string,
  timeoutMs: number,
  credentials: NatsCredentials | undefined,
): TransportError {
  const options = { cause: error };
  // The client counts it among the refusals, but the server has not seen the login yet.
  if (error instanceof Error && /authentication timeout/i.test(error.message)) {
    return new TransportError(
      `Cannot connect to ${address}: the login did not reach nats-server in time; check that the way to it is open`,
      options,
    );
  }
  const isExpired = error instanceof errors.UserAuthenticationExpiredError;
  if (isExpired || error instanceof errors.AuthorizationError) {
    const what = isExpired ? "says that the credentials have expired" : "refused the credentials";
    return new LoginRefusedError(
      `Cannot log in: ${address} ${what}; ${refusalHint(credentials)}`,
      options,
    );
  }
  if (error instanceof errors.TimeoutError) {
    return new TransportError(
      `Cannot connect to ${address}: no answer within ${timeoutMs} ms; check that a nats-server runs there and that the way to it is open`,
      options,
    );
  }
  if (error instanceof Deno.errors.ConnectionRefused) {
    return new TransportError(
      `Cannot connect to ${address}: nobody listens there; start one with 'nats-server --addr HOST --port PORT' or let 'deno task train' start it`,
      options,
    );
  }
  return new TransportError(
    `Cannot connect to ${address}: ${tlsReason(messageOf(error))}`,
    options,
  );
}

function lossInWords(error: Error | undefined): string {
  if (error === undefined) return "the server closed it";
  if (/maximum payload/i.test(error.message)) return "a message was longer than max_payload";
  return error.message;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Compares "major.minor.patch", leaving out what follows a hyphen. */
function isOlder(version: string, than: string): boolean {
  const numbers = (text: string) => text.split("-")[0].split(".").map(Number);
  const [a, b] = [numbers(version), numbers(than)];
  for (let i = 0; i < 3; i++) {
    if (!Number.isInteger(a[i])) return true;
    if (a[i] !== b[i]) return a[i] < b[i];
  }
  return false;
}
