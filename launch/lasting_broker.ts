/**
 * A nats-server that is started again when it ends: on the same port with the same credentials, so
 * that everybody who was connected finds it again.
 */
import { type Clock, delay } from "../net/clock.ts";
import { type NatsServer, type NatsServerOptions, startNatsServer } from "./nats_server.ts";

export interface LastingBroker {
  readonly url: string;
  readonly user: string;
  readonly password: string;
  /** Process id of the server that runs now. */
  pid(): number;
  stop(): Promise<void>;
}

/** A server that ends more often than this has a reason that a new start does not remove. */
const restartsMax = 20;
const restartDelayMs = 100;

/** @throws {NatsServerError} if the first start fails */
export async function startLastingBroker(
  options: Pick<NatsServerOptions, "binary" | "host" | "port" | "roles" | "tls"> & {
    readonly clock: Clock;
  },
): Promise<LastingBroker> {
  let server: NatsServer = await startNatsServer(options);
  const { url, port, user, password } = server;
  let isStopping = false;
  const watch = (async () => {
    for (let restarts = 0; restarts < restartsMax; restarts++) {
      const log = await server.ended;
      if (isStopping) return;
      console.error(`nats-server (process ${server.pid}) ended${why(log)}; starting it again`);
      await delay(options.clock, restartDelayMs);
      try {
        server = await startNatsServer({ ...options, port, credentials: { user, password } });
      } catch (error) {
        // Whoever has the port may give it back: the next turn tries again.
        console.error(error instanceof Error ? error.message : String(error));
      }
      // It was stopped while it started, and nobody else knows of this one.
      if (isStopping) return await server.stop();
    }
    await server.ended;
    if (!isStopping) console.error(`nats-server ended ${restartsMax} times; not started again`);
  })();
  return {
    url,
    user,
    password,
    pid: () => server.pid,
    async stop() {
      isStopping = true;
      await server.stop();
      await watch;
    },
  };
}

/** What a server that was killed logged before is no reason. */
function why(log: string): string {
  const complaints = log.split("\n").filter((line) => /\[(ERR|FTL)\]|panic/.test(line));
  return complaints.length === 0 ? "" : `: ${complaints.join(" | ")}`;
}
