/**
 * What a person sees of a run: a live line and lasting lines on the terminal, `metrics.jsonl`, and
 * the picture of predictions at its end. Also keeps the figures that the final summary is made of.
 */
import type { Clock } from "../net/clock.ts";
import type { ReadyRequest, StepProgress, ValidationResult } from "../net/messages.ts";
import { modelTitle, type RunConfiguration } from "../net/run_configuration.ts";
import { formatLoss } from "../report/figures.ts";
import { frameScale } from "../report/frame_scale.ts";
import { type MetricsLine, MetricsLog } from "../report/metrics_log.ts";
import { type PredictedSequence, predictionKind } from "../report/predicted_sequence.ts";
import { drawPredictions } from "../report/picture_thread.ts";
import { formatDuration, type Output, ProgressLine, timeLeftMs } from "../report/progress_line.ts";
import { EventFile } from "../report/tensorboard/event_file.ts";
import { encodedImage, type Hyperparameter } from "../report/tensorboard/event_message.ts";
import { histogramOf } from "../report/tensorboard/histogram.ts";
import { diskFileSystem, replaceFile } from "./file_system.ts";
import type { NamedArray } from "./safetensors.ts";

/** Figures of the steps done so far; null where there is none yet. */
export interface RunFigures {
  readonly loss: number | null;
  readonly framesPerSecond: number | null;
  readonly secondsPerStep: number | null;
  readonly paddedShare: number | null;
  readonly validationLoss: number | null;
  readonly persistenceLoss: number | null;
  readonly accuracy: number | null;
  /** Steps of which nothing was applied, because they were not finite. */
  readonly skippedSteps: number;
}

export interface RunReport {
  joined(workers: number, wanted: number): void;
  started(ready: ReadyRequest, step: number): void;
  progress(step: StepProgress): void;
  /** In steps of the validation's plan. */
  validating(done: number, total: number): void;
  validated(result: ValidationResult): void;
  /** @param arrays what was saved, for their histograms */
  checkpointed(step: number, arrays: readonly NamedArray[]): void;
  /** A generation begins anew at this step: what came after it is done again. */
  rewound(step: number): void;
  /** One sentence about what happens. */
  tell(sentence: string): void;
  stopping(): void;
  /** One sentence that something is wrong but the run goes on. */
  warn(sentence: string): void;
  /** @param answers there where answers are predicted: names of their classes, where they are such */
  picture(
    step: number,
    sequences: readonly PredictedSequence[],
    isLast: boolean,
    answers?: { readonly classes: readonly string[] },
  ): Promise<void>;
  figures(): RunFigures;
  close(): void;
}

/** Different warnings of one run; more of them tell nobody anything. */
const warningsMax = 1000;

/** Parts of a sentence may come from elsewhere: what would move a terminal's cursor is left out. */
function printable(sentence: string): string {
  return sentence.replace(/\p{Cc}+/gu, " ");
}

export interface RunReportOptions {
  readonly configuration: RunConfiguration;
  readonly folder: string;
  readonly resumedStep: number;
  /** By an earlier life of the run. */
  readonly skippedSteps: readonly number[];
  readonly output: Output;
  readonly clock: Clock;
  /** In ISO 8601. */
  readonly timeOfDay: () => string;
}

/** More than this would hold the coordinator up while it looks at them. */
const histogramValuesMax = 4_000_000;

export async function createRunReport(options: RunReportOptions): Promise<RunReport> {
  const { configuration, folder, resumedStep, output, clock, timeOfDay } = options;
  const metrics = await MetricsLog.open(`${folder}/metrics.jsonl`, resumedStep);
  const line = new ProgressLine({ output, clock });
  const warned = new Set<string>();
  let epochStartedMs = 0;
  let epoch = -1;
  let firstPlanStep = 0;
  let last: StepProgress | undefined;
  let validation: ValidationResult | undefined;
  // The first step of a process traces its functions, so it is no measure of speed.
  const timed = { steps: 0, seconds: 0, frames: 0 };
  let steps = 0;
  const skipped = new Set(options.skippedSteps.filter((step) => step <= resumedStep));

  const warn = (sentence: string) => {
    // The same complaint again and again would hide everything else.
    if (warned.has(sentence) || warned.size >= warningsMax) return;
    warned.add(sentence);
    line.print(`Warning: ${printable(sentence)}`);
  };
  const log = (entry: MetricsLine) => write(() => metrics.append(entry));
  const write = (change: () => void) => {
    try {
      change();
    } catch (error) {
      // A checkpoint that cannot be written ends a run; figures that cannot do not.
      const why = error instanceof Error ? error.message : String(error);
      warn(`Cannot write ${folder}/metrics.jsonl: ${why}; figures of some steps are lost`);
    }
  };

  const events = new EventFile({
    folder,
    resumedStep,
    timeOfDay,
    onLost(path, error) {
      const why = error instanceof Error ? error.message : String(error);
      warn(`Cannot write ${path}: ${why}; TensorBoard shows nothing of some steps`);
    },
  });

  const epochsText = configuration.epochs === null ? "" : `/${configuration.epochs}`;
  const showStep = (step: StepProgress) => {
    const planSteps = configuration.steps === null
      ? step.planSteps
      : Math.min(step.planSteps, step.planStep + configuration.steps - step.step);
    const elapsedMs = clock.nowMs() - epochStartedMs;
    const [done, total] = [step.planStep - firstPlanStep, planSteps - firstPlanStep];
    line.show([
      `epoch ${step.epoch + 1}${epochsText}`,
      `step ${step.planStep}/${planSteps}`,
      `loss ${formatLoss(step.loss)}`,
      `${Math.round(step.frames / step.seconds)} frames/s`,
      `${formatDuration(timeLeftMs(elapsedMs, done, total))} left`,
    ], step.planStep / planSteps);
    return elapsedMs;
  };

  return {
    joined(workers, wanted) {
      const next = workers === wanted ? ["opening engine and data"] : [];
      line.show([`workers ${workers}/${wanted}`, ...next], workers / wanted);
    },
    started(ready, step) {
      const group = folder.slice(folder.lastIndexOf("/") + 1);
      events.hyperparameters(group, {
        ...hyperparameters(configuration),
        dataset: ready.dataset,
        device: ready.device,
      });
      const { workers, lanes, shards, threads, precision } = configuration;
      const parameters = ready.parameters.reduce(
        (sum, { shape }) => sum + shape.reduce((size, side) => size * side, 1),
        0,
      );
      line.end(
        `${ready.dataset}\n` +
          `${modelTitle(configuration.model.name)}, ${
            parameters.toLocaleString("en")
          } parameters, ` +
          `${lanes} lanes in ${shards} shards, ${windowsInWords(ready, configuration)}\n` +
          `${workers} ${workers === 1 ? "worker" : "workers"} × ${ready.device}, ` +
          `${ready.engineVersion}, ${precision}, ${threads} ${
            threads === 1 ? "thread" : "threads"
          }` +
          (step > 0 ? `\nResumed at step ${step}` : ""),
      );
      for (const warning of ready.warnings ?? []) warn(warning);
    },
    progress(step) {
      if (step.epoch !== epoch) {
        epoch = step.epoch;
        epochStartedMs = clock.nowMs() - step.seconds * 1000;
        firstPlanStep = step.planStep - 1;
      }
      if (++steps > 1) {
        timed.steps++;
        timed.seconds += step.seconds;
        timed.frames += step.frames;
      }
      last = step;
      if (step.fault !== "") {
        skipped.add(step.step);
        line.print(`Skipped step ${step.step}: ${step.fault}`);
      }
      const elapsedMs = showStep(step);
      if (step.planStep === step.planSteps || step.step === configuration.steps) {
        const rate = timed.seconds > 0
          ? `${Math.round(timed.frames / timed.seconds)} frames/s`
          : "";
        line.end(
          [`epoch ${step.epoch + 1}${epochsText}`, `loss ${formatLoss(step.epochLoss)}`, rate]
            .filter((field) => field !== "").concat(formatDuration(elapsedMs)).join(" · "),
        );
        line.show(["validating"]);
      }
      log({
        step: step.step,
        epoch: step.epoch,
        loss: step.loss,
        ...(step.fault === "" ? {} : { fault: step.fault }),
        learningRate: step.learningRate,
        framesPerSecond: step.frames / step.seconds,
        secondsPerStep: step.seconds,
      });
      events.summary(step.step, [
        { tag: "training/loss", scalar: step.loss },
        { tag: "training/learningRate", scalar: step.learningRate },
        { tag: "training/framesPerSecond", scalar: step.frames / step.seconds },
      ]);
    },
    validating(done, total) {
      line.show(["validating", `step ${done}/${total}`], done / total);
    },
    validated(result) {
      validation = result;
      const { step, epoch: _, ...means } = result;
      const { validationLoss, persistenceLoss, accuracy } = means;
      const fields = [
        Number.isNaN(validationLoss)
          ? "validation is no number: nothing of it was observed, or the network has diverged"
          : `validation ${formatLoss(validationLoss)}`,
      ];
      if (persistenceLoss !== undefined) {
        const share = (100 * validationLoss / persistenceLoss).toFixed(1);
        fields.push(
          `repeating the last frame ${formatLoss(persistenceLoss)}`,
          `${share} % of it`,
        );
      }
      if (accuracy !== undefined) fields.push(`accuracy ${(100 * accuracy).toFixed(1)} %`);
      line.end(fields.join(" · "));
      log({ step, ...means });
      events.summary(
        step,
        Object.entries(means).flatMap(([name, mean]) =>
          mean === undefined ? [] : [{ tag: `validation/${name}`, scalar: mean }]
        ),
      );
    },
    checkpointed(step, arrays) {
      log({ step, checkpoint: true });
      const values = arrays.reduce((sum, array) => sum + array.values.length, 0);
      if (values > histogramValuesMax) return;
      events.summary(
        step,
        arrays.flatMap(({ name, values }) => {
          const histogram = histogramOf(values);
          return histogram ? [{ tag: name, histogram }] : [];
        }),
      );
    },
    rewound(step) {
      write(() => metrics.dropAfter(step));
      events.restart(step);
      for (const each of skipped) if (each > step) skipped.delete(each);
      epoch = -1;
    },
    tell(sentence) {
      line.print(printable(sentence));
    },
    stopping() {
      line.print("Stopping after this step, with a checkpoint");
    },
    warn,
    async picture(step, sequences, isLast, answers) {
      const { classes = [] } = answers ?? {};
      const scale = classes.length > 0 ? "classes" : frameScale(configuration.dataset.name);
      const model = modelTitle(configuration.model.name);
      const title = `${configuration.dataset.name}, ${model}, step ${step}`;
      const predicts = answers ? "answer" : predictionKind(sequences[0].inputFrames);
      const png = await drawPredictions({ sequences, scale, classes, title, predicts });
      const directory = `${folder}/predictions`;
      await Deno.mkdir(directory, { recursive: true });
      const path = `${directory}/step-${String(step).padStart(6, "0")}.png`;
      events.summary(step, [{ tag: "predictions", image: encodedImage(png) }]);
      await replaceFile(diskFileSystem, path, png);
      // In the course of a run only the last one is worth a line.
      if (isLast) line.end(`predictions ${path}`);
    },
    figures: () => ({
      loss: last?.loss ?? null,
      framesPerSecond: timed.seconds > 0 ? timed.frames / timed.seconds : null,
      secondsPerStep: timed.steps > 0 ? timed.seconds / timed.steps : null,
      paddedShare: last?.paddedShare ?? null,
      validationLoss: validation?.validationLoss ?? null,
      persistenceLoss: validation?.persistenceLoss ?? null,
      accuracy: validation?.accuracy ?? null,
      skippedSteps: skipped.size,
    }),
    close() {
      line.end();
      metrics.close();
      events.close();
    },
  };
}

/** Of the network's own windows where a worker tells of them: `--window` is not that of each. */
function windowsInWords({ window }: ReadyRequest, { windowFrames }: RunConfiguration): string {
  const frames = window?.frames ?? windowFrames;
  const inWords = `windows of ${frames} ${frames === 1 ? "frame" : "frames"}`;
  return window === undefined || window.predictions === frames
    ? inWords
    : `${inWords}, ${window.predictions} of them predicted`;
}

/** Every option by its path, e.g. "optimizer.learningRate"; TensorBoard knows no lists. */
function hyperparameters(options: object, path = ""): Record<string, Hyperparameter> {
  return Object.fromEntries(
    Object.entries(options).flatMap(([name, value]): [string, Hyperparameter][] => {
      if (value === null || value === undefined) return [[path + name, "none"]];
      if (Array.isArray(value)) return [[path + name, value.join(",")]];
      if (typeof value === "object") {
        return Object.entries(hyperparameters(value, `${path}${name}.`));
      }
      return [[path + name, value]];
    }),
  );
}
