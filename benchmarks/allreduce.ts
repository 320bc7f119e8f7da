/**
 * How fast gradients are summed through a real nats-server: one process for each worker, turn by
 * turn beside a plain exchange of the same bytes in the same processes, so that other load on the
 * machine meets both alike.
 */
import { parseArgs } from "node:util";
import { chunkBytesDefault } from "../collective/all_reduce_options.ts";
import { cacheFolder } from "../engine/tensorflow/locate.ts";
import { type NatsServer, startNatsServer } from "../launch/nats_server.ts";
import { findNatsServer } from "../launch/nats_server_binary.ts";
import type { AllReduceWorkerOptions, AllReduceWorkerTimes } from "./allreduce_worker.ts";

/** Turns at the start that do not count: connections and compiled code warm up. */
const warmUpTurns = 10;
const sweepChunkBytes = [32, 64, 128, 256, 512, 1024, 4096].map((kib) => kib * 1024);

export interface AllReduceReport {
  readonly workers: number;
  /** Length of the gradient. */
  readonly bytes: number;
  readonly chunkBytesMax: number;
  readonly turns: number;
  /** Medians over the turns; a turn takes as long as its slowest worker. */
  readonly secondsPerReduce: number;
  readonly plainSecondsPerExchange: number;
  /** Gradient bytes for each second of all-reduce, in millions. */
  readonly megabytesPerSecond: number;
  readonly ratioToPlain: number;
  /** First and ninth tenth of the turns. */
  readonly secondsSpread: readonly [number, number];
  readonly natsServer: string;
}

/**
 * `--workers N --bytes N --turns N --chunk-bytes N`; `--sweep` measures a row of chunk lengths with
 * a server that takes messages of 8 MiB. Prints a table on standard error and, with `--json`, one JSON
 * object (with `--sweep` a list) on standard output.
 *
 * @throws {RangeError} where a number is not a positive integer
 * @throws {Error} where there is no nats-server
 */
export async function run(args: string[]): Promise<AllReduceReport | AllReduceReport[]> {
  const { values } = parseArgs({
    args,
    options: {
      workers: { type: "string", default: "2" },
      bytes: { type: "string", default: "4000000" },
      turns: { type: "string", default: "60" },
      "chunk-bytes": { type: "string", default: String(chunkBytesDefault) },
      sweep: { type: "boolean", default: false },
      json: { type: "boolean", default: false },
    },
  });
  const [workers, bytes, turns, chunkBytes] =
    (["workers", "bytes", "turns", "chunk-bytes"] as const)
      .map((name) => positiveInteger(name, values[name]));
  if (workers < 2) {
    throw new RangeError("Cannot measure an all-reduce: --workers must be 2 or more");
  }
  const environment = (name: string) => Deno.env.get(name);
  const binary = await findNatsServer(environment, cacheFolder(environment));
  if (binary === undefined) {
    throw new Error("Cannot measure an all-reduce: no nats-server found; run 'deno task setup'");
  }
  const server = await startNatsServer({
    binary: binary.path,
    ...(values.sweep ? { payloadBytesMax: 8 << 20 } : {}),
  });
  try {
    console.error("workers     bytes  chunk KiB  reduce ms  plain ms  ratio  MB/s");
    const reports: AllReduceReport[] = [];
    for (const chunkBytesMax of values.sweep ? sweepChunkBytes : [chunkBytes]) {
      const report = await measure(
        server,
        { workers, bytes, turns, chunkBytesMax },
        binary.version,
      );
      reports.push(report);
      console.error(tableRow(report));
    }
    const result = values.sweep ? reports : reports[0];
    if (values.json) console.log(JSON.stringify(result));
    return result;
  } finally {
    await server.stop();
  }
}

interface Setting {
  readonly workers: number;
  readonly bytes: number;
  readonly turns: number;
  readonly chunkBytesMax: number;
}

async function measure(
  { url, user, password }: NatsServer,
  { workers, bytes, turns, chunkBytesMax }: Setting,
  natsServer: string,
): Promise<AllReduceReport> {
  const elements = Math.ceil(bytes / 4);
  const processes = Array.from({ length: workers }, (_, rank) =>
    startWorker({
      url,
      user,
      password,
      rank,
      workers,
      elements,
      turns: warmUpTurns + turns,
      chunkBytesMax,
    }));
  try {
    await Promise.all(processes.map((process) => process.ready));
    for (const process of processes) await process.begin();
    const times = await Promise.all(processes.map((process) => process.times));
    const slowest = (kind: keyof AllReduceWorkerTimes) =>
      times[0][kind].map((_, turn) => Math.max(...times.map((each) => each[kind][turn])))
        .slice(warmUpTurns).sort((a, b) => a - b);
    const [reduce, plain] = [slowest("reduce"), slowest("plain")];
    const secondsPerReduce = quantile(reduce, 0.5);
    const plainSecondsPerExchange = quantile(plain, 0.5);
    return {
      workers,
      bytes: elements * 4,
      chunkBytesMax,
      turns,
      secondsPerReduce,
      plainSecondsPerExchange,
      megabytesPerSecond: elements * 4 / secondsPerReduce / 1e6,
      ratioToPlain: secondsPerReduce / plainSecondsPerExchange,
      secondsSpread: [quantile(reduce, 0.1), quantile(reduce, 0.9)],
      natsServer,
    };
  } finally {
    await Promise.all(processes.map((process) => process.end()));
  }
}

interface WorkerProcess {
  readonly ready: Promise<void>;
  readonly times: Promise<AllReduceWorkerTimes>;
  begin(): Promise<void>;
  end(): Promise<void>;
}

function startWorker(options: AllReduceWorkerOptions): WorkerProcess {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", new URL("allreduce_worker.ts", import.meta.url).href],
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const input = child.stdin.getWriter();
  const ready = Promise.withResolvers<void>();
  const send = (line: string) => input.write(new TextEncoder().encode(`${line}\n`));
  const times = (async () => {
    // Written first, so that the login is not on a command line for all to read.
    await send(JSON.stringify(options));
    let output = "";
    for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
      output += text;
      if (output.startsWith("ready\n")) ready.resolve();
    }
    const { code } = await child.status;
    if (code !== 0) throw new Error(`Worker ${options.rank} of the benchmark ended with ${code}`);
    return JSON.parse(output.slice("ready\n".length));
  })();
  times.catch(ready.reject);
  return {
    ready: ready.promise,
    times,
    begin: () => send("go"),
    async end() {
      await input.close().catch(() => {});
      await child.status;
    },
  };
}

function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
}

function tableRow(report: AllReduceReport): string {
  return [
    String(report.workers).padStart(7),
    String(report.bytes).padStart(9),
    (report.chunkBytesMax / 1024).toFixed(0).padStart(10),
    (report.secondsPerReduce * 1000).toFixed(2).padStart(10),
    (report.plainSecondsPerExchange * 1000).toFixed(2).padStart(9),
    report.ratioToPlain.toFixed(2).padStart(6),
    report.megabytesPerSecond.toFixed(0).padStart(5),
  ].join(" ");
}

function positiveInteger(name: string, text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw new RangeError(
    `Cannot measure an all-reduce: --${name} must be a positive integer, got "${text}"`,
  );
}
