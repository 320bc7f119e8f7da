/**
 * A nats-server that is started again when it ends: on the same port with the same credentials, so
 * that everybody who was connected finds it again.
 */
import { type Clock, delay } from "../net/clock.ts";
import { type NatsServer, startNatsServer } from "./nats_server.ts";

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
  options: { readonly binary: string; readonly clock: Clock },
): Promise<LastingBroker> {
  let server: NatsServer = await startNatsServer(options);
  const { url, port, user, password } = server;
  let isStopping = false;
  const watch = (async () => {
    for (let restarts = 0; restarts < restartsMax; restarts++) {
      const log = await server.ended;
      if (isStopping) return;
      console.error(`nats-server ended${log === "" ? "" : `: ${log}`}; starting it again`);
      await delay(options.clock, restartDelayMs);
      server = await startNatsServer({ ...options, port, credentials: { user, password } });
    }
  })().catch((error) => {
    if (!isStopping) console.error(error instanceof Error ? error.message : String(error));
  });
  return {
    url,
    user,
    password,
    pid: () => server.pid,
    async stop() {
      isStopping = true;
      await server.stop();
      await watch;
      await server.stop();
    },
  };
}
