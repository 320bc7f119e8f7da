/** Three nats-servers of one cluster on the loopback, each of which tells of the others. */
import { startTestServer, type TestServer } from "./nats_server.ts";

export interface TestCluster {
  readonly servers: readonly TestServer[];
  /** "nats://127.0.0.1:A,nats://127.0.0.1:B,…" */
  readonly urls: string;
  stop(): Promise<void>;
}

/** @param configs of the servers in turn, beside what makes them a cluster */
export async function startTestCluster(configs: readonly string[] = []): Promise<TestCluster> {
  const servers: TestServer[] = [];
  const start = async (routes: string) =>
    await startTestServer({
      config: `${configs[servers.length] ?? ""}
        cluster { name: test, host: 127.0.0.1, port: -1, routes: [${routes}] }`,
    });
  servers.push(await start(""));
  // The others come to know of each other by the first.
  const first = `nats://127.0.0.1:${servers[0].clusterPort}`;
  for (let index = 1; index < 3; index++) servers.push(await start(first));
  return {
    servers,
    urls: servers.map(({ url }) => url).join(","),
    async stop() {
      await Promise.all(servers.map((server) => server.stop()));
    },
  };
}
