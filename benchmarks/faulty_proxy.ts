/**
 * A TCP proxy in front of one server that does to connections what networks do: stops passing bytes
 * in one direction or both, passes them slowly, or cuts them. Each client process gets a port of its
 * own, so that a fault hits one process and nobody else.
 */
import { type Clock, delay } from "../net/clock.ts";

export type Direction = "toServer" | "toClient";

export interface FaultyProxy {
  /** A way to the server under this name, the same at every call. @returns its port */
  open(name: string): number;
  /** Passes nothing on from now on; what is sent waits, and so does the end of a connection. */
  stall(name: string, directions: readonly Direction[]): void;
  /** Passes on at most so many bytes in a second, in each direction of each connection. */
  limit(name: string, bytesPerSecond: number): void;
  /** Passes everything on again, late as it is. */
  heal(name: string): void;
  /** Cuts all connections that there are; new ones are taken. */
  cut(name: string): void;
  close(): void;
}

/** What one read takes: so much, and no more, is held back for each direction of a connection. */
const readBytesMax = 64 * 1024;

/** @param server where the server listens, on the loopback interface */
export function startFaultyProxy(server: { readonly port: number }, clock: Clock): FaultyProxy {
  const ways = new Map<string, Way>();
  const wayOf = (name: string) => {
    const way = ways.get(name) ?? new Way(server.port, clock);
    ways.set(name, way);
    return way;
  };
  return {
    open: (name) => wayOf(name).port,
    stall: (name, directions) => wayOf(name).stall(directions),
    limit: (name, bytesPerSecond) => wayOf(name).limit(bytesPerSecond),
    heal: (name) => wayOf(name).heal(),
    cut: (name) => wayOf(name).cut(),
    close() {
      for (const way of ways.values()) way.close();
    },
  };
}

/** One client process's way to the server. */
class Way {
  readonly #listener: Deno.TcpListener;
  readonly #serverPort: number;
  readonly #clock: Clock;
  readonly #connections = new Set<Deno.TcpConn>();
  #stalled: readonly Direction[] = [];
  #healed = Promise.withResolvers<void>();
  #bytesPerSecond = Infinity;

  constructor(serverPort: number, clock: Clock) {
    this.#serverPort = serverPort;
    this.#clock = clock;
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    void this.#accept();
  }

  get port(): number {
    return this.#listener.addr.port;
  }

  stall(directions: readonly Direction[]): void {
    this.#stalled = directions;
  }

  limit(bytesPerSecond: number): void {
    this.#bytesPerSecond = bytesPerSecond;
  }

  heal(): void {
    this.#stalled = [];
    this.#bytesPerSecond = Infinity;
    this.#healed.resolve();
    this.#healed = Promise.withResolvers();
  }

  cut(): void {
    for (const connection of this.#connections) end(connection);
    this.#connections.clear();
  }

  close(): void {
    this.#listener.close();
    this.heal();
    this.cut();
  }

  async #accept(): Promise<void> {
    try {
      for await (const client of this.#listener) void this.#connect(client);
    } catch (error) {
      // The listener was closed while it waited.
      if (!(error instanceof Deno.errors.BadResource)) throw error;
    }
  }

  async #connect(client: Deno.TcpConn): Promise<void> {
    client.setNoDelay(true);
    this.#connections.add(client);
    let server: Deno.TcpConn;
    try {
      server = await Deno.connect({ hostname: "127.0.0.1", port: this.#serverPort });
    } catch {
      // Nobody listens there: for the client a connection that ends at once.
      end(client);
      this.#connections.delete(client);
      return;
    }
    server.setNoDelay(true);
    this.#connections.add(server);
    await Promise.race([
      this.#pass(client, server, "toServer"),
      this.#pass(server, client, "toClient"),
    ]);
    for (const connection of [client, server]) {
      end(connection);
      this.#connections.delete(connection);
    }
  }

  /** Until one side ends, or is cut. */
  async #pass(from: Deno.TcpConn, to: Deno.TcpConn, direction: Direction): Promise<void> {
    const buffer = new Uint8Array(readBytesMax);
    try {
      for (;;) {
        const count = await from.read(buffer);
        while (this.#stalled.includes(direction)) await this.#healed.promise;
        if (count === null) return;
        if (this.#bytesPerSecond < Infinity) {
          await delay(this.#clock, 1000 * count / this.#bytesPerSecond);
        }
        for (let sent = 0; sent < count;) sent += await to.write(buffer.subarray(sent, count));
      }
    } catch {
      // Cut by the proxy or reset by a peer: for the other side the connection has ended.
    }
  }
}

function end(connection: Deno.TcpConn): void {
  try {
    connection.close();
  } catch {
    // It is closed already.
  }
}
