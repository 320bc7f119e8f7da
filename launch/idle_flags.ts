/**
 * Flags that were given and would do nothing for the dataset, model and rules that a run is made of:
 * who gives one expects something of it.
 */
import { fixedWindow } from "../models/layers_topology.ts";
import type { Options } from "../net/options.ts";
import {
  type DatasetName,
  isModelFile,
  isModelModule,
  type ModelName,
  type RunConfiguration,
} from "../net/run_configuration.ts";
import { type GivenFlags, UsageError } from "./flags.ts";
import type { RunFlag } from "./run_flags.ts";

/** What makes a flag idle, in the words of the flag that would have to be another; else undefined. */
type Idle = (run: RunConfiguration) => string | undefined;

/** Radar is generated where no folder of it is named, and digits where no file of frames is. */
const readsRadar: Idle = ({ dataset: { name, path } }) =>
  name === "radar" && path !== null ? `--data ${path}, which is recorded radar` : undefined;
const generatedNames: readonly DatasetName[] = [
  "moving-mnist",
  "radar",
  "bouncing-balls",
  "moving-points",
];
const isNotGenerated: Idle = ({ dataset: { name } }) =>
  generatedNames.includes(name) ? undefined : `--dataset ${name}`;
const readsFrames: Idle = (run) => isNotGenerated(run) ?? readsFile(run);
const readsFile: Idle = (run) =>
  run.dataset.name === "moving-mnist" && run.dataset.path?.endsWith(".npy")
    ? `--data ${run.dataset.path}, which holds whole sequences`
    : readsRadar(run);
/** Of MNIST's own images, the first ones are taken. */
const takesAll: Idle = (run) => run.dataset.name === "mnist" ? undefined : readsFrames(run);
const hasNoDigits: Idle = (run) =>
  run.dataset.name === "moving-mnist" ? readsFrames(run) : `--dataset ${run.dataset.name}`;
const hasOwnSize: Idle = ({ dataset: { name } }) =>
  name === "radar" || name === "moving-mnist"
    ? undefined
    : `--dataset ${name}: see its --dataset-options`;
const readsNoRadar: Idle = ({ dataset: { name, path } }) => {
  if (name === "frames" || name === "sevir") return undefined;
  if (name !== "radar") return `--dataset ${name}`;
  return path === null ? "generated rain: name a folder with --data" : undefined;
};
/** What is generated from nothing but a seed. */
const readsNothing: Idle = ({ dataset: { name } }) =>
  name === "bouncing-balls" || name === "moving-points" ? `--dataset ${name}` : undefined;
/** Classes of whole videos are no pictures. */
const drawsNothing: Idle = ({ model: { name } }) =>
  name === "cnn-lstm" || name === "convlstm-classifier" ? `--model ${name}` : undefined;
/** A module of one's own may read any of them. */
const modelIsNot = (...wanted: readonly ModelName[]): Idle => ({ model: { name } }) =>
  isModelFile(name) || (wanted as readonly string[]).includes(name) ? undefined : `--model ${name}`;

/** Which frames a model sees: a window's, with carried state or without, given ones, one at a time. */
type FrameUse = "carried" | "window" | "forecast" | "single";

const frameUses: { readonly [name in ModelName]: FrameUse | ((options: Options) => FrameUse) } = {
  "convlstm": "carried",
  "encoder-forecaster": "forecast",
  "shi-convlstm": "forecast",
  "cnn-lstm": "window",
  "convlstm-classifier": "window",
  "conv-autoencoder": "single",
  "vae": ({ form }) => form === "convlstm" ? "carried" : "window",
  "seq2seq-convlstm": "forecast",
  "convlstm-unet": "carried",
  "prednet": "carried",
  "predrnn": ({ mode }) => mode === "next-frame" ? "carried" : "forecast",
};

const framesAre = (...idleUses: readonly FrameUse[]): Idle => ({ model: { name, options } }) => {
  if (isModelFile(name)) return undefined;
  const use = frameUses[name as ModelName];
  const depends = typeof use === "function";
  if (!idleUses.includes(depends ? use(options) : use)) return undefined;
  return depends ? `--model ${name} as its --model-options are` : `--model ${name}`;
};

/** Undefined where nothing tells: a file that is no network is refused where it is opened. */
function windowSaved({ model: { name } }: RunConfiguration): number | undefined {
  if (!isModelFile(name) || isModelModule(name)) return undefined;
  try {
    return fixedWindow(JSON.parse(Deno.readTextFileSync(name)).modelTopology);
  } catch {
    return undefined;
  }
}

/** A network of layers may be saved for windows of one length. */
const hasOwnWindow: Idle = (run) => {
  const frames = windowSaved(run);
  if (frames === undefined || frames === run.windowFrames) return undefined;
  return `--model ${run.model.name}, which is saved for windows of ${frames} frames`;
};

const idle: Partial<Record<RunFlag, Idle>> = {
  data: readsNothing,
  "on-bad-file": readsNoRadar,
  size: hasOwnSize,
  digits: hasNoDigits,
  "sequence-frames": readsFrames,
  "sequence-frames-min": readsFrames,
  sequences: takesAll,
  "validation-sequences": takesAll,
  "test-sequences": takesAll,
  endless: readsFrames,
  filters: modelIsNot("convlstm", "encoder-forecaster"),
  kernel: modelIsNot("convlstm", "encoder-forecaster"),
  "input-frames": framesAre("carried", "window", "single"),
  "output-frames": framesAre("carried", "window", "single"),
  window: (run) => framesAre("forecast", "single")(run) ?? hasOwnWindow(run),
  stride: framesAre("carried"),
  "images-every": drawsNothing,
  "weight-decay": ({ optimizer: { name } }) => name === "adamw" ? undefined : `--optimizer ${name}`,
};

/** @throws {UsageError} naming the first flag that does nothing, and what makes it so */
export function checkIdleFlags(given: GivenFlags, run: RunConfiguration): void {
  for (const [name, isIdle] of Object.entries(idle) as [RunFlag, Idle][]) {
    const value = given[name];
    if (value === undefined) continue;
    const why = isIdle(run);
    if (why === undefined) continue;
    throw new UsageError(
      `--${name}${value === true ? "" : ` ${value}`} does nothing with ${why}; leave it out`,
    );
  }
}
