/**
 * The places within a worker's work where its process can be made to die by SIGKILL: what it says to
 * others is seen between it and its transport, what it computes between the training loop and its
 * trainer. Nothing of it is in the product.
 *
 * Where the point is a message, nothing of this connection is sent after the one before, and the
 * process dies only once the broker has all of those: what others got is exactly known.
 */
import { type Clock, delay } from "../net/clock.ts";
import { decode } from "../net/codec.ts";
import { messageBytesMax, snapshotSchema } from "../net/messages.ts";
import type { Transport } from "../net/transport.ts";
import type { AllReduce } from "../collective/reduction.ts";
import type { OpenedRun } from "../worker/opened_run.ts";

/** What a worker does, as far as it can die there. */
type Place =
  | "join"
  | "ready"
  | "read"
  | "begin"
  | "windows"
  | "partial"
  | "sum"
  | "total"
  | "summed"
  | "updating"
  | "updated"
  | "write"
  | "checkpoint"
  | "validation";

interface FaultPoint {
  readonly place: Place;
  /** Dies when it comes there for this time, within one step where the place is one of a step. */
  readonly time: number;
}

/** In the order of a step, then what comes between steps. */
export const stepPoints = {
  "while it reads its windows": { place: "windows", time: 1 },
  "before it sends anything": { place: "partial", time: 1 },
  "in the middle of its partial sums": { place: "partial", time: 8 },
  "when its partial sums are sent": { place: "sum", time: 1 },
  "when its slice is summed": { place: "total", time: 1 },
  "in the middle of its totals": { place: "total", time: 3 },
  "before the update": { place: "summed", time: 1 },
  "in the update": { place: "updating", time: 1 },
  "after the update": { place: "updated", time: 1 },
  "in the upload of a snapshot": { place: "write", time: 2 },
  "while a checkpoint is written": { place: "checkpoint", time: 1 },
  "in the validation": { place: "validation", time: 1 },
} as const satisfies Record<string, FaultPoint>;

/** Of a process that joins a run under way. */
export const joinPoints = {
  "when it asks to join": { place: "join", time: 1 },
  "before it is ready": { place: "ready", time: 1 },
  "while it restores": { place: "read", time: 2 },
  "when it has restored": { place: "begin", time: 1 },
} as const satisfies Record<string, FaultPoint>;

const points: Record<string, FaultPoint> = { ...stepPoints, ...joinPoints };
const placesOfSteps: readonly Place[] = [
  "windows",
  "partial",
  "sum",
  "total",
  "summed",
  "updating",
  "updated",
];

/** One process's fault: none until it is armed. */
export class FaultPoints {
  readonly #clock: Clock;
  readonly #connections: (() => Promise<void>)[] = [];
  #armed: FaultPoint | undefined;
  /** A step's places count from the next step's beginning on, when it is whole. */
  #hasBegun = false;
  #passed = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** @throws {RangeError} for a point that is none */
  arm(name: string): void {
    const point = points[name];
    if (!point) throw new RangeError(`Cannot die "${name}": there is no such point`);
    this.#armed = point;
    this.#hasBegun = false;
    this.#passed = 0;
  }

  /** @param fallSilent sends nothing more and resolves when the broker has what was sent */
  addConnection(fallSilent: () => Promise<void>): void {
    this.#connections.push(fallSilent);
  }

  beginStep(): void {
    if (this.#armed === undefined || !placesOfSteps.includes(this.#armed.place)) return;
    this.#hasBegun = true;
    this.#passed = 0;
  }

  /** Counts that this place is reached. @returns whether it is the point to die at */
  isDue(place: Place): boolean {
    if (place !== this.#armed?.place) return false;
    if (placesOfSteps.includes(place) && !this.#hasBegun) return false;
    this.#passed++;
    return this.#passed === this.#armed.time;
  }

  reach(place: Place): void {
    if (this.isDue(place)) die();
  }

  /** Once the broker has what this process has sent; meanwhile it sends nothing. */
  reachSilently(place: Place): void {
    if (!this.isDue(place)) return;
    void Promise.allSettled(this.#connections.map((fallSilent) => fallSilent())).then(die);
  }

  /** In the event loop's next turn. */
  reachNextTurn(place: Place): void {
    if (this.isDue(place)) void delay(this.#clock, 0).then(die);
  }
}

export function die(): never {
  Deno.kill(Deno.pid, "SIGKILL");
  // The signal may take a moment; nothing more happens in it.
  for (;;);
}

/** A connection on which the process dies before a message, or after it where it asks for a save. */
export function watchTransport(inner: Transport, faults: FaultPoints): Transport {
  let isSilent = false;
  const fallSilent = () => {
    isSilent = true;
    return inner.flush();
  };
  faults.addConnection(fallSilent);
  const never = new Promise<never>(() => {});
  return {
    payloadBytesMax: inner.payloadBytesMax,
    closed: inner.closed,
    publish(subject, data) {
      const place = placeOf(subject, data);
      if (place && faults.isDue(place)) void fallSilent().finally(die);
      if (!isSilent) inner.publish(subject, data);
    },
    request(subject, data, options) {
      if (isSilent) return never;
      const place = placeOf(subject, data);
      const isDue = place !== undefined && faults.isDue(place);
      // The coordinator begins a checkpoint because of the message.
      const isSent = !isDue || place === "checkpoint";
      const answer = isSent ? inner.request(subject, data, options) : never;
      if (isDue) void fallSilent().finally(die);
      return answer;
    },
    subscribe: (subject, callback) => inner.subscribe(subject, callback),
    flush: () => inner.flush(),
    close: () => inner.close(),
  };
}

const control: Readonly<Record<string, Place>> = {
  join: "join",
  ready: "ready",
  read: "read",
  begin: "begin",
  write: "write",
};

/** Subjects of gradients are below lockstep.<run>.data; others end with what they are about. */
function placeOf(subject: string, data: Uint8Array): Place | undefined {
  const [, , kind, ...rest] = subject.split(".");
  if (kind === "data") {
    if (rest.includes("reduce")) return "partial";
    return rest.includes("total") ? "total" : undefined;
  }
  const what = rest.at(-1) ?? kind;
  if (what !== "snapshot") return control[what];
  return decode(data, snapshotSchema, { bytesMax: messageBytesMax }).save
    ? "checkpoint"
    : undefined;
}

export interface Pace {
  /** Rest in each step, so that a run lasts for all its faults. */
  readonly restMs: number;
  readonly clock: Clock;
}

/** A run whose trainers die at a point, and rest in each step. */
export function watchOpenedRun(opened: OpenedRun, faults: FaultPoints, pace: Pace): OpenedRun {
  return {
    ...opened,
    createTrainer(shards, allReduce) {
      const { trainer, evaluate, samples } = opened.createTrainer(
        shards,
        watchAllReduce(allReduce, faults),
      );
      const trainStep: typeof trainer.trainStep = async (next, stop) => {
        if (pace.restMs > 0) await delay(pace.clock, pace.restMs);
        const report = await trainer.trainStep(() => {
          faults.reach("windows");
          return next();
        }, stop);
        faults.reach("updated");
        return report;
      };
      return {
        // A trainer's step is a getter, which a copy would freeze.
        trainer: Object.create(trainer, { trainStep: { value: trainStep } }),
        evaluate: (isGivenUp, onProgress) =>
          evaluate(isGivenUp, (done, total) => {
            faults.reach("validation");
            onProgress(done, total);
          }),
        samples,
      };
    },
  };
}

function watchAllReduce(inner: AllReduce, faults: FaultPoints): AllReduce {
  return {
    dropped: inner.dropped,
    get waiting() {
      return inner.waiting;
    },
    ready: () => inner.ready(),
    close: () => inner.close(),
    begin(step) {
      faults.beginStep();
      const reduction = inner.begin(step);
      return {
        add: (shard, values) => reduction.add(shard, values),
        async total() {
          const sum = reduction.total();
          // Own partial sums went to the client when the last shard was added.
          faults.reachSilently("sum");
          const total = await sum;
          faults.reach("summed");
          faults.reachNextTurn("updating");
          return total;
        },
      };
    },
  };
}
