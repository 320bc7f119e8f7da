/**
 * One process of the all-reduce benchmark. In each turn it sums a gradient with the others, and
 * then exchanges as many bytes with them by plain publishing: raw, unchecked and without waiting
 * for anything, which is the least that the same messages cost.
 *
 * Standard input brings the options, then a line when all are ready; standard output says when this
 * process is ready, and gives its times at the end.
 */
import { createAllReduce } from "../collective/all_reduce.ts";
import { chunkRange, sliceElements } from "../collective/slices.ts";
import { bytesOf } from "../net/codec.ts";
import { type Clock, systemClock } from "../net/clock.ts";
import { connectNats } from "../net/nats_transport.ts";
import type { Transport } from "../net/transport.ts";

export interface AllReduceWorkerOptions {
  readonly url: string;
  readonly user: string;
  readonly password: string;
  readonly rank: number;
  readonly workers: number;
  readonly elements: number;
  readonly turns: number;
  readonly chunkBytesMax: number;
}

/** Seconds of each turn. */
export interface AllReduceWorkerTimes {
  readonly reduce: number[];
  readonly plain: number[];
}

async function runWorker(
  options: AllReduceWorkerOptions,
  { clock, everybodyIsReady }: { clock: Clock; everybodyIsReady(): Promise<void> },
): Promise<AllReduceWorkerTimes> {
  const { rank, workers, elements, turns, chunkBytesMax } = options;
  const connect = (name: string) =>
    connectNats({
      servers: options.url,
      name,
      credentials: { user: options.user, password: options.password },
      noEcho: true,
    });
  const [transport, plainTransport] = [await connect("reduce"), await connect("plain")];
  const allReduce = createAllReduce({
    transport,
    subjectPrefix: "bench",
    rank,
    members: Array.from({ length: workers }, (_, i) => `w${i}`),
    generation: 1,
    owners: Array.from({ length: workers }, (_, i) => i),
    elements,
    firstStep: 0,
    chunkBytesMax,
    timeoutMs: 30_000,
    clock,
  });
  const gradient = Float32Array.from({ length: elements }, (_, i) => rank + (i % 7));
  const plain = new PlainExchange(plainTransport, gradient, options);
  await Promise.all([allReduce.ready(), plainTransport.flush()]);
  await everybodyIsReady();

  const times: AllReduceWorkerTimes = { reduce: [], plain: [] };
  for (let turn = 0; turn < turns; turn++) {
    const startMs = clock.nowMs();
    const reduction = allReduce.begin(turn);
    reduction.add(rank, gradient);
    const total = await reduction.total();
    const reducedMs = clock.nowMs();
    checkTotal(total, workers);
    const plainStartMs = clock.nowMs();
    await plain.turn();
    times.reduce.push((reducedMs - startMs) / 1000);
    times.plain.push((clock.nowMs() - plainStartMs) / 1000);
  }
  await Promise.all([transport.close(), plainTransport.close()]);
  return times;
}

/** A benchmark of something that does not work says nothing. */
function checkTotal(total: Float32Array, workers: number): void {
  const ranks = workers * (workers - 1) / 2;
  for (let i = 0; i < total.length; i += 997) {
    const expected = ranks + workers * (i % 7);
    if (total[i] !== expected) throw new Error(`Element ${i} is ${total[i]}, not ${expected}`);
  }
}

/** As many bytes in as many messages between the same parties, with nothing done to them. */
class PlainExchange {
  readonly #transport: Transport;
  readonly #messages: { readonly subject: string; readonly data: Uint8Array }[] = [];
  readonly #bytesPerTurn: number;
  #received = 0;
  #expected = 0;
  #done: (() => void) | undefined;

  constructor(
    transport: Transport,
    gradient: Float32Array,
    { rank, workers, elements, chunkBytesMax }: AllReduceWorkerOptions,
  ) {
    this.#transport = transport;
    const chunkElementsMax = Math.floor(chunkBytesMax / 4);
    const slices = sliceElements(elements, workers, chunkElementsMax);
    for (const [owner, slice] of slices.entries()) {
      const subject = owner === rank ? "plain.total" : `plain.reduce.${owner}`;
      for (let index = 0; index < slice.chunkCount; index++) {
        const { lo, hi } = chunkRange(slice, index, chunkElementsMax);
        this.#messages.push({ subject, data: bytesOf(gradient.subarray(lo, hi)) });
      }
    }
    const ownBytes = 4 * (slices[rank].hi - slices[rank].lo);
    this.#bytesPerTurn = ownBytes * (workers - 1) + 4 * elements - ownBytes;
    for (const subject of [`plain.reduce.${rank}`, "plain.total"]) {
      transport.subscribe(subject, ({ data }) => {
        this.#received += data.length;
        if (this.#received >= this.#expected) this.#done?.();
      });
    }
  }

  async turn(): Promise<void> {
    this.#expected += this.#bytesPerTurn;
    const done = new Promise<void>((resolve) => this.#done = resolve);
    for (const { subject, data } of this.#messages) this.#transport.publish(subject, data);
    if (this.#received < this.#expected) await done;
  }
}

function readLines(stream: ReadableStream<Uint8Array>): { next(): Promise<string> } {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let buffered = "";
  return {
    async next() {
      while (!buffered.includes("\n")) {
        const { value, done } = await reader.read();
        if (done) throw new Error("The benchmark that started this process has ended");
        buffered += value;
      }
      const end = buffered.indexOf("\n");
      const line = buffered.slice(0, end);
      buffered = buffered.slice(end + 1);
      return line;
    },
  };
}

if (import.meta.main) {
  const lines = readLines(Deno.stdin.readable);
  const options: AllReduceWorkerOptions = JSON.parse(await lines.next());
  const times = await runWorker(options, {
    clock: systemClock,
    async everybodyIsReady() {
      console.log("ready");
      await lines.next();
    },
  });
  console.log(JSON.stringify(times));
  Deno.exit(0);
}
