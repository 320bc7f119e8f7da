/**
 * What must hold all the time, whatever happens: every process holds what the undisturbed run holds at
 * that step, generations grow and are on disk before anybody hears of them, nothing goes back behind
 * what is safe. How a run ends is checked here, too.
 */
import type { SavedCheckpoint } from "../../coordinator/checkpoint.ts";
import type { RunEnd } from "../../coordinator/run_coordinator.ts";
import type { RunReport } from "../../coordinator/run_report.ts";
import { decode } from "../../net/codec.ts";
import {
  coordinatorMessageSchema,
  messageBytesMax,
  type StartMessage,
} from "../../net/messages.ts";
import type { OpenedRun, RunTrainer } from "../../worker/opened_run.ts";
import type { Oracle } from "./oracle.ts";
import type { SimulatedMachine } from "./simulated_machine.ts";
import type { Trace } from "./trace.ts";

export class Invariants {
  readonly #oracle: Oracle;
  readonly #opened: OpenedRun;
  readonly #machine: SimulatedMachine;
  readonly #trace: Trace;
  readonly #validations = new Map<number, number>();
  /** Who has asked this life of the coordinator to be let go, and was heard. */
  readonly #leaving = new Set<string>();
  /** Newest checkpoint that the coordinator has called safe. */
  #safeStep = -1;
  #generation = 0;
  #announcement = "";
  #lastProgress = -1;
  /** Whether steps may be reported with gaps, because messages vanish. */
  mayMissProgress = false;

  constructor(oracle: Oracle, opened: OpenedRun, machine: SimulatedMachine, trace: Trace) {
    this.#oracle = oracle;
    this.#opened = opened;
    this.#machine = machine;
    this.#trace = trace;
  }

  get whereabouts(): string {
    return `generation ${this.#generation}, last heard of step ${this.#lastProgress}`;
  }

  /** Looks at what the coordinator tells all workers. @returns whether it is the end of the run */
  announced(from: string, data: Uint8Array): boolean {
    const message = decode(data, coordinatorMessageSchema, { bytesMax: messageBytesMax });
    if (message.type !== "beat") this.#trace.note(`${from} announces ${JSON.stringify(message)}`);
    if (message.type === "start") this.#started(message);
    return message.type === "end";
  }

  /** The coordinator hears that a worker wants to leave. */
  heardLeave(worker: string): void {
    this.#leaving.add(worker);
  }

  #started(message: StartMessage): void {
    const { generation, members, step } = message;
    // Who has missed it is told again, and in the same words.
    const words = JSON.stringify(message);
    if (generation === this.#generation && words === this.#announcement) return;
    this.#announcement = words;
    this.#trace.count("generations");
    const violate = (what: string) => this.#trace.violate(`generation ${generation} ${what}`);
    if (generation <= this.#generation) {
      violate(`is announced after generation ${this.#generation}`);
    }
    if (!this.#machine.isDurable(generation)) violate("is announced before it is durable");
    if (step < this.#safeStep || (step > 0 && !message.restore)) {
      violate(`begins at step ${step}, ${this.#safeStep} was safe on disk`);
    }
    if (new Set(members).size !== members.length) violate("has a member twice");
    const leaver = members.find((worker) => this.#leaving.has(worker));
    if (leaver) violate(`has member ${leaver}, which has asked to leave`);
    const wrong = this.#oracle.faultOfPosition(message);
    if (wrong) violate(`begins wrongly: ${wrong}`);
    this.#generation = generation;
    this.#lastProgress = step;
  }

  /** Looks at a trainer whenever it has something new. */
  observed(name: string, opened: OpenedRun, lanesPerShard: number): OpenedRun {
    const check = (what: string, trainer: RunTrainer, lanes: readonly number[]) => {
      this.#trace.count(what);
      const wrong = this.#oracle.faultOfTrainer(trainer, lanes);
      if (wrong) {
        this.#trace.violate(`worker ${name} has ${what} step ${trainer.step}, but ${wrong}`);
      }
    };
    return {
      ...opened,
      createTrainer: (shards, allReduce) => {
        const own = opened.createTrainer(shards, allReduce);
        const { trainer } = own;
        const ownLanes = shards.flatMap((shard) =>
          Array.from({ length: lanesPerShard }, (_, row) => shard * lanesPerShard + row)
        );
        return {
          ...own,
          trainer: {
            errorsPerPrediction: trainer.errorsPerPrediction,
            states: {
              readLane: (lane) => trainer.states.readLane(lane),
              writeLanes: (values) => {
                trainer.states.writeLanes(values);
                check("restored", trainer, ownLanes);
              },
            },
            get step() {
              return trainer.step;
            },
            slotNames: trainer.slotNames,
            trainStep: async (next, stop) => {
              const report = await trainer.trainStep(next, stop);
              check("applied", trainer, ownLanes);
              return report;
            },
            readParameters: () => trainer.readParameters(),
            readSlots: () => trainer.readSlots(),
            restore: (step, parameters, slots) => trainer.restore(step, parameters, slots),
            dispose: () => trainer.dispose(),
          },
        };
      },
    };
  }

  /** A coordinator begins, from this checkpoint or from nothing. */
  coordinatorBegins(resumed: SavedCheckpoint | undefined): void {
    this.#leaving.clear();
    if (!resumed) {
      if (this.#safeStep < 0) return;
      return this.#trace.violate(
        `no checkpoint is left, that of step ${this.#safeStep} was safe`,
      );
    }
    const wrong = this.#oracle.faultOfCheckpoint(resumed, this.#opened.report);
    if (wrong) this.#trace.violate(`resuming from a wrong checkpoint: ${wrong}`);
    if (resumed.step < this.#safeStep) {
      this.#trace.violate(`resuming from step ${resumed.step}, ${this.#safeStep} was safe`);
    }
    // A death between the disk and the report of it leaves one more than was told.
    this.#safeStep = Math.max(this.#safeStep, resumed.step);
  }

  checkpointIsThere(path: string, checkpoint: SavedCheckpoint): void {
    const wrong = this.#oracle.faultOfCheckpoint(checkpoint, this.#opened.report);
    if (wrong) this.#trace.violate(`checkpoint ${path} is wrong: ${wrong}`);
  }

  ended({ reason, step, parametersSha256 }: RunEnd): void {
    this.#trace.note(`the run is ${reason} at step ${step}`);
    if (parametersSha256 !== this.#oracle.sha256At(step)) {
      this.#trace.violate(
        `the run ends at step ${step} with other parameters than the undisturbed run`,
      );
    }
    if (this.#safeStep !== step) {
      this.#trace.violate(
        `the run ends at step ${step}, its last checkpoint is of step ${this.#safeStep}`,
      );
    }
    if (reason === "done" && step !== this.#oracle.steps) {
      this.#trace.violate(`the run is done at step ${step} of ${this.#oracle.steps}`);
    }
  }

  /** What the coordinator reports of the run. */
  report(): RunReport {
    const trace = this.#trace;
    const heard: Partial<RunReport> = {
      tell: (sentence) => trace.note(sentence),
      progress: ({ step, loss }) => {
        if (loss !== this.#oracle.lossAt(step)) {
          trace.violate(
            `step ${step} is reported with loss ${loss}, not ${this.#oracle.lossAt(step)}`,
          );
        }
        if (!this.mayMissProgress && step !== this.#lastProgress + 1) {
          trace.violate(`step ${step} is reported after step ${this.#lastProgress}`);
        }
        this.#lastProgress = step;
        trace.count("steps");
      },
      validated: ({ step, validationLoss }) => {
        const before = this.#validations.get(step) ?? validationLoss;
        if (before !== validationLoss) {
          trace.violate(
            `the validation loss of step ${step} is ${validationLoss} and was ${before}`,
          );
        }
        this.#validations.set(step, validationLoss);
        trace.count("validations");
      },
      checkpointed: (step) => {
        trace.note(`checkpoint of step ${step} is safe`);
        this.#safeStep = step;
        trace.count("checkpoints");
      },
      warn: (sentence) => trace.violate(`the coordinator warns: ${sentence}`),
      picture: () => Promise.resolve(),
    };
    // All else is for people to look at.
    return new Proxy(heard, {
      get: (target, name) => Reflect.get(target, name) ?? (() => {}),
    }) as RunReport;
  }
}
