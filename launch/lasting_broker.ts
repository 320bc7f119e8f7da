/**
 * A nats-server that is started again when it ends: on the same port with the same credentials, so
 * that everybody who was connected finds it again.
 */
import { type Clock, delay } from "../net/clock.ts";
import { planRestart, type RestartLimits } from "./restart_budget.ts";
import { type NatsServer, type NatsServerOptions, startNatsServer } from "./nats_server.ts";

export interface LastingBroker {
  readonly url: string;
  readonly user: string;
  readonly password: string;
  /** Process id of the server that runs now. */
  pid(): number;
  stop(): Promise<void>;
}

const restartLimits: RestartLimits = {
  restartsMax: 20,
  withinMs: 600_000,
  delayMs: 100,
  delayMsMax: 5_000,
};

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
    let timesMs: readonly number[] = [];
    for (;;) {
      const log = await server.ended;
      if (isStopping) return;
      const ended = `nats-server (process ${server.pid}) ended${why(log)}`;
      const plan = planRestart(timesMs, options.clock.nowMs(), restartLimits);
      if (plan === undefined) {
        const { restartsMax, withinMs } = restartLimits;
        const often = `${restartsMax} times within ${withinMs / 60_000} minutes`;
        return console.error(`${ended}, before that ${often}; it is not started again`);
      }
      ({ timesMs } = plan);
      console.error(`${ended}; starting it again`);
      await delay(options.clock, plan.delayMs);
      if (isStopping) return;
      try {
        server = await startNatsServer({ ...options, port, credentials: { user, password } });
      } catch (error) {
        // Whoever has the port may give it back: the next turn tries again.
        console.error(error instanceof Error ? error.message : String(error));
      }
      // It was stopped while it started, and nobody else knows of this one.
      if (isStopping) return await server.stop();
    }
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
