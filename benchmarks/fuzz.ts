/**
 * `deno task bench fuzz`: hostile bytes. Millions of broken inputs against every decoder, and broken
 * messages from members of a run against its coordinator and its live workers.
 *
 *   deno task bench fuzz --decoders 10000000 --live 100000 --json
 */
import { fileURLToPath } from "node:url";
import { type FlagTable, helpText, parseFlags } from "../launch/flags.ts";
import { systemClock } from "../net/clock.ts";
import { random } from "../net/random.ts";
import { createDecoders, type Decoder, type DecoderReport, fuzzDecoder } from "./fuzz_decoders.ts";
import { attackRun } from "./fuzz_live.ts";

const flags = {
  decoders: {
    kind: "integer",
    value: "N",
    min: 0,
    max: 1_000_000_000,
    help: "broken inputs against the decoders",
    defaultText: "1000000",
  },
  live: {
    kind: "integer",
    value: "N",
    min: 0,
    max: 100_000_000,
    help: "broken messages against a run of two workers",
    defaultText: "0",
  },
  seed: {
    kind: "integer",
    value: "N",
    min: 0,
    max: 2 ** 32 - 1,
    help: "of the inputs",
    defaultText: "1",
  },
  small: { kind: "switch", help: "a run of small steps, which suffers most" },
  json: { kind: "switch", help: "one JSON object on standard output" },
  help: { kind: "switch", help: "show this" },
} as const satisfies FlagTable;

/**
 * Broken messages make garbage, of which V8 gathers 96 MiB of the young and as much of the old before
 * it collects any, whatever the decoders keep. What they keep shows in a small heap, of 3 times this
 * many MiB for the young...
 */
const semiSpaceMiBMax = 4;
/** ... and this many for the old; one input that made a decoder keep more would end the process. */
const oldSpaceMiBMax = 32;
/** What the code itself and the compiler take is there before memory is measured. */
const warmUpInputs = 100_000;

// The process of its own that `run` starts for the decoders.
if (import.meta.main) {
  const [inputs, seed] = Deno.args.map(Number);
  console.log(JSON.stringify(await fuzzDecoders(inputs, seed)));
}

export async function run(args: string[]): Promise<void> {
  const given = parseFlags(args, flags);
  if (given.help) return console.log(helpText("Usage: deno task bench fuzz [flags]", flags));
  const seed = given.seed as number | undefined ?? 1;
  const decoders = await fuzzInProcess(given.decoders as number | undefined ?? 1_000_000, seed);
  console.error(
    `${decoders.inputs} inputs, ${decoders.crashes} crashes; resident memory grew by ` +
      `${decoders.grownMiB.toFixed(1)} MiB after the warm-up`,
  );
  const messages = given.live as number | undefined ?? 0;
  const live = messages === 0
    ? undefined
    : await attackRun(messages, seed, given.small ? "small" : "default");
  if (live) console.error(live);
  if (given.json) console.log(JSON.stringify({ decoders, live }));
}

async function fuzzInProcess(inputs: number, seed: number): Promise<DecodersReport> {
  const { code, stdout } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "-A", "--config", fileURLToPath(new URL("../deno.json", import.meta.url))],
      `--v8-flags=--max-semi-space-size=${semiSpaceMiBMax},--max-old-space-size=${oldSpaceMiBMax}`,
      ...[fileURLToPath(import.meta.url), `${inputs}`, `${seed}`],
    ],
    stderr: "inherit",
  }).output();
  if (code !== 0) throw new Error(`The decoders' process ended with exit code ${code}`);
  return JSON.parse(new TextDecoder().decode(stdout));
}

type DecodersReport = Awaited<ReturnType<typeof fuzzDecoders>>;

async function fuzzDecoders(inputs: number, seed: number) {
  const folder = await Deno.makeTempDir({ prefix: "lockstep-fuzz-" });
  const startMs = systemClock.nowMs();
  try {
    const decoders = createDecoders(folder);
    const whole = decoders.reduce((sum, { share }) => sum + share, 0);
    const countOf = (of: number, { share }: Decoder) => Math.ceil(of * share / whole);
    const first = Deno.memoryUsage();
    for (const each of decoders) {
      const count = countOf(Math.min(warmUpInputs, inputs), each);
      await fuzzDecoder(each, count, random(seed, "warm", each.name), systemClock);
    }
    const before = Deno.memoryUsage();
    const reports: DecoderReport[] = [];
    let [grownBytes, heapBytesMax] = [0, 0];
    for (const each of decoders) {
      const count = countOf(inputs, each);
      const report = await fuzzDecoder(each, count, random(seed, each.name), systemClock);
      const now = Deno.memoryUsage();
      grownBytes = Math.max(grownBytes, now.rss - before.rss);
      heapBytesMax = Math.max(heapBytesMax, now.heapUsed);
      reports.push(report);
      const { decoder, accepted, refused, crashes, slowestMs } = report;
      console.error(
        `${decoder.padEnd(20)} ${count} inputs, ${accepted} accepted, ${refused} refused, ` +
          `${crashes} crashes, slowest ${slowestMs.toFixed(1)} ms`,
      );
    }
    const sum = (of: (report: DecoderReport) => number) =>
      reports.reduce((total, report) => total + of(report), 0);
    return {
      inputs: sum(({ inputs }) => inputs),
      accepted: sum(({ accepted }) => accepted),
      crashes: sum(({ crashes }) => crashes),
      slowestMs: Math.max(...reports.map(({ slowestMs }) => slowestMs)),
      /** Resident, beyond what it was after the warm-up. */
      grownMiB: grownBytes / 2 ** 20,
      /** What the warm-up took, of which V8's heap. */
      warmUpMiB: (before.rss - first.rss) / 2 ** 20,
      warmUpHeapMiB: (before.heapTotal - first.heapTotal) / 2 ** 20,
      heapUsedMiBMax: heapBytesMax / 2 ** 20,
      seconds: (systemClock.nowMs() - startMs) / 1000,
      examples: reports.flatMap(({ example }) => example ?? []),
    };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
