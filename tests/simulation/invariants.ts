/**
 * What must hold all the time, whatever happens: every process holds what the undisturbed run holds at
 * that step, generations grow and are on disk before anybody hears of them, nothing goes back behind
 * what is safe. How a run ends is checked here, too.
 */
import type { SavedCheckpoint } from "../../coordinator/checkpoint.ts";
import type { RunEnd } from "../../coordinator/run_coordinator.ts";
import type { RunReport } from "../../coordinator/run_report.ts";
import { tallyFromMetrics } from "../../coordinator/tally_metrics.ts";
import { decode } from "../../net/codec.ts";
import {
  coordinatorMessageSchema,
  messageBytesMax,
  type StartMessage,
} from "../../net/messages.ts";
import type { OpenedRun, RunTrainer } from "../../worker/opened_run.ts";
import type { Oracle } from "./oracle.ts";
import { diskErrors, type SimulatedMachine } from "./simulated_machine.ts";
import type { Trace } from "./trace.ts";

export class Invariants {
  readonly #oracle: Oracle;
  readonly #opened: OpenedRun;
  readonly #machine: SimulatedMachine;
  readonly #trace: Trace;
  readonly #checkpointSteps: number;
  /** Who has asked this life of the coordinator to be let go, and was heard. */
  readonly #leaving = new Set<string>();
  /** Whom this life of the coordinator hears no more. */
  readonly #excluded = new Set<string>();
  /** Workers that have sent garbage. */
  readonly #garbageSenders = new Set<string>();
  #soundLost = 0;
  /** Newest checkpoint that the coordinator has called safe. */
  #safeStep = -1;
  #generation = 0;
  #announcement = "";
  #lastProgress = -1;
  #furthestStep = 0;
  /** A step that is not a number the first time only, and may be found to be none once. */
  passingNanStep: number | undefined;
  /** Whether steps may be reported with gaps, because messages vanish. */
  mayMissProgress = false;

  constructor(
    oracle: Oracle,
    opened: OpenedRun,
    { machine, trace, checkpointSteps }: {
      readonly machine: SimulatedMachine;
      readonly trace: Trace;
      readonly checkpointSteps: number;
    },
  ) {
    this.#checkpointSteps = checkpointSteps;
    this.#oracle = oracle;
    this.#opened = opened;
    this.#machine = machine;
    this.#trace = trace;
  }

  /** The newest that was announced. */
  get generation(): number {
    return this.#generation;
  }

  /** The last step that any generation has come to: made again, it is no progress. */
  get furthestStep(): number {
    return this.#furthestStep;
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

  /** This worker is no sound one any more. */
  sendsGarbage(worker: string): void {
    this.#garbageSenders.add(worker);
  }

  /**
   * A worker ends because it is heard no more. A sound one may be taken for one that lies, but not more
   * of them than there are others.
   */
  wasExcluded(worker: string): void {
    if (this.#garbageSenders.has(worker)) return this.#trace.count("garbage sender excluded");
    this.#trace.count("sound worker excluded");
    if (++this.#soundLost <= this.#garbageSenders.size) return;
    this.#trace.violate(
      `worker ${worker} is excluded, the ${this.#soundLost}th sound one, because of ` +
        `${this.#garbageSenders.size} that sent garbage`,
    );
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
    const out = members.find((worker) => this.#excluded.has(worker));
    if (out) violate(`has member ${out}, which is excluded`);
    const wrong = this.#oracle.faultOfPosition(message) ??
      this.#oracle.faultOfTally(message, message.tally);
    if (wrong) violate(`begins wrongly: ${wrong}`);
    this.#generation = generation;
    this.#lastProgress = step;
    this.#furthestStep = Math.max(this.#furthestStep, this.#lastProgress);
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
        let startStep = 0;
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
                startStep = trainer.step;
                check("restored", trainer, ownLanes);
              },
            },
            get step() {
              return trainer.step;
            },
            slotNames: trainer.slotNames,
            trainStep: async (next, stop) => {
              const report = await trainer.trainStep(next, stop);
              this.#stepEnded(
                name,
                { startStep, step: trainer.step, fault: report.fault },
                () => check("applied", trainer, ownLanes),
              );
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

  #stepEnded(
    name: string,
    { startStep, step, fault = "" }: { startStep: number; step: number; fault?: string },
    check: () => void,
  ): void {
    if (fault !== this.#oracle.faultAt(step)) {
      if (step === this.passingNanStep && fault !== "") return this.#trace.count("passing NaN");
      this.#trace.violate(
        `worker ${name} finds of step ${step}: "${fault}", not "${this.#oracle.faultAt(step)}"`,
      );
    }
    check();
    const due = Math.floor((step - 1) / this.#checkpointSteps) * this.#checkpointSteps;
    // What a generation begins from may still be being written.
    if (due <= this.#safeStep || due <= startStep) return;
    this.#trace.violate(
      `worker ${name} is at step ${step}, the checkpoint of step ${due} is not safe on disk`,
    );
  }

  /** A coordinator begins, from this checkpoint or from nothing. */
  coordinatorBegins(resumed: SavedCheckpoint | undefined): void {
    this.#leaving.clear();
    this.#excluded.clear();
    if (!resumed) {
      if (this.#safeStep < 0) return;
      return this.#trace.violate(
        `no checkpoint is left, that of step ${this.#safeStep} was safe`,
      );
    }
    const wrong = this.#oracle.faultOfCheckpoint(resumed, this.#opened.report) ??
      this.#oracle.faultOfTally(resumed, tallyFromMetrics(resumed.metrics));
    if (wrong) this.#trace.violate(`resuming from a wrong checkpoint: ${wrong}`);
    if (resumed.step < this.#safeStep) {
      this.#trace.violate(`resuming from step ${resumed.step}, ${this.#safeStep} was safe`);
    }
    // A death between the disk and the report of it leaves one more than was told.
    this.#safeStep = Math.max(this.#safeStep, resumed.step);
  }

  checkpointIsThere(path: string, checkpoint: SavedCheckpoint): void {
    const wrong = this.#oracle.faultOfCheckpoint(checkpoint, this.#opened.report) ??
      this.#oracle.faultOfTally(checkpoint, tallyFromMetrics(checkpoint.metrics));
    if (wrong) this.#trace.violate(`checkpoint ${path} is wrong: ${wrong}`);
  }

  /** @param skippedSteps as the journal tells */
  ended({ reason, step, parametersSha256 }: RunEnd, skippedSteps: readonly number[]): void {
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
    const [skipped, wanted] = [skippedSteps, this.#oracle.skippedSteps(step)]
      .map((steps) => steps.toSorted((a, b) => a - b).join(", "));
    if (!this.mayMissProgress && skipped !== wanted) {
      this.#trace.violate(`the journal has [${skipped}] as steps left out, not [${wanted}]`);
    }
    if (reason === "done" && step !== this.#oracle.steps) {
      this.#trace.violate(`the run is done at step ${step} of ${this.#oracle.steps}`);
    }
  }

  /** There is always a reason for it. */
  #warned(sentence: string): void {
    this.#trace.note(`warning: ${sentence}`);
    const out = /^"([^"]+)" is not heard any more: /.exec(sentence);
    if (out) this.#excluded.add(out[1]);
    const names = [...sentence.matchAll(/"([^"]+)"/g)].map(([, name]) => name);
    if (names.some((name) => this.#garbageSenders.has(name))) return;
    const { full, broken } = this.#machine.failures;
    if (full + broken > 0 && diskErrors.test(sentence)) return;
    this.#trace.violate(`the coordinator warns: ${sentence}`);
  }

  /** What the coordinator reports of the run. */
  report(): RunReport {
    const trace = this.#trace;
    const heard: Partial<RunReport> = {
      tell: (sentence) => {
        trace.note(sentence);
        if (/^Step \d+ was not applied/.test(sentence)) trace.count("went back for a step");
      },
      progress: ({ step, loss, fault, learningRate }) => {
        if (fault !== this.#oracle.faultAt(step)) {
          trace.violate(
            `step ${step} is reported with "${fault}", not "${this.#oracle.faultAt(step)}"`,
          );
        }
        if (fault !== "") trace.count("step left out");
        if (loss !== this.#oracle.lossAt(step)) {
          trace.violate(
            `step ${step} is reported with loss ${loss}, not ${this.#oracle.lossAt(step)}`,
          );
        }
        if (learningRate !== this.#oracle.learningRateAt(step)) {
          trace.violate(
            `step ${step} is reported with learning rate ${learningRate}, not ` +
              `${this.#oracle.learningRateAt(step)}`,
          );
        }
        if (!this.mayMissProgress && step !== this.#lastProgress + 1) {
          trace.violate(`step ${step} is reported after step ${this.#lastProgress}`);
        }
        this.#lastProgress = step;
        this.#furthestStep = Math.max(this.#furthestStep, this.#lastProgress);
        trace.count("steps");
      },
      validated: ({ step, validationLoss }) => {
        trace.count("validations");
        void this.#oracle.validationLossAt(step).then((wanted) => {
          if (validationLoss === wanted) return;
          trace.violate(`the validation loss of step ${step} is ${validationLoss}, not ${wanted}`);
        });
      },
      checkpointed: (step) => {
        trace.note(`checkpoint of step ${step} is safe`);
        this.#safeStep = step;
        trace.count("checkpoints");
      },
      warn: (sentence) => this.#warned(sentence),
      picture: () => Promise.resolve(),
    };
    // All else is for people to look at.
    return new Proxy(heard, {
      get: (target, name) => Reflect.get(target, name) ?? (() => {}),
    }) as RunReport;
  }
}
