/**
 * A real nats-server for one test: found as the program finds it (NATS_SERVER, PATH, the cache of
 * `deno task setup`), started on a free port of the loopback, killed at the end.
 */
import { join } from "node:path";

export interface TestServer {
  /** "nats://127.0.0.1:PORT" */
  readonly url: string;
  readonly port: number;
  /** For routes of other servers of its cluster, where `config` has one; else 0. */
  readonly clusterPort: number;
  readonly process: Deno.ChildProcess;
  /** Kills it, as a crash would. */
  stop(): Promise<void>;
}

/** The path of a nats-server that runs here, or undefined. */
export function findNatsServer(): string | undefined {
  return candidates().find((path) => {
    try {
      return Deno.statSync(path).isFile;
    } catch {
      return false;
    }
  });
}

/** For `Deno.test({ignore})`: says so once where the tests on a real server cannot run. */
export const natsServerMissing: boolean = findNatsServer() === undefined;
if (natsServerMissing) {
  console.warn("Tests on a real nats-server are skipped: none found; run 'deno task setup'");
}

/** @param extra further command-line arguments; `config` is written to a file and passed by -c */
export async function startTestServer(
  { args = [], config }: { args?: string[]; config?: string } = {},
): Promise<TestServer> {
  const path = findNatsServer();
  if (path === undefined) throw new Error("No nats-server found; run 'deno task setup'");
  const folder = await Deno.makeTempDir({ prefix: "lockstep-nats-" });
  const all = ["--addr", "127.0.0.1", "--port", "-1", "--ports_file_dir", folder, ...args];
  if (config !== undefined) {
    const file = join(folder, "server.conf");
    await Deno.writeTextFile(file, config);
    all.push("-c", file);
  }
  const process = new Deno.Command(path, { args: all, stdout: "null", stderr: "null" }).spawn();
  const { port, clusterPort } = await readPorts(folder, process);
  return {
    url: `nats://127.0.0.1:${port}`,
    port,
    clusterPort,
    process,
    async stop() {
      try {
        process.kill("SIGKILL");
      } catch {
        // It has ended already.
      }
      await process.status;
      await Deno.remove(folder, { recursive: true });
    },
  };
}

/** The server writes its ports to a file, so no port has to be guessed. */
async function readPorts(
  folder: string,
  process: Deno.ChildProcess,
): Promise<{ port: number; clusterPort: number }> {
  let ended = false;
  process.status.then(() => ended = true);
  for (let attempt = 0; attempt < 200 && !ended; attempt++) {
    for await (const entry of Deno.readDir(folder)) {
      if (!entry.name.endsWith(".ports")) continue;
      const text = await Deno.readTextFile(join(folder, entry.name));
      const of = (kind: string) =>
        Number(text.match(new RegExp(`"${kind}":\\s*\\["[a-z]+://[^"]*:(\\d+)"`))?.[1] ?? 0);
      if (of("nats") > 0) return { port: of("nats"), clusterPort: of("cluster") };
    }
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw new Error("nats-server did not start within 5000 ms");
}

function candidates(): string[] {
  const name = Deno.build.os === "windows" ? "nats-server.exe" : "nats-server";
  const explicit = Deno.env.get("NATS_SERVER");
  if (explicit !== undefined) return [explicit];
  const separator = Deno.build.os === "windows" ? ";" : ":";
  const onPath = (Deno.env.get("PATH") ?? "").split(separator).filter(Boolean)
    .map((folder) => join(folder, name));
  const cache = Deno.env.get("LOCKSTEP_CACHE") ??
    join(Deno.env.get("XDG_CACHE_HOME") ?? join(Deno.env.get("HOME") ?? ".", ".cache"), "lockstep");
  return [...onPath, ...filesNamed(name, join(cache, "nats-server"))];
}

function filesNamed(name: string, folder: string): string[] {
  try {
    return [...Deno.readDirSync(folder)].flatMap((entry) => {
      const path = join(folder, entry.name);
      if (entry.isDirectory) return filesNamed(name, path);
      return entry.name === name ? [path] : [];
    });
  } catch {
    return [];
  }
}
