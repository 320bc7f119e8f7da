/**
 * What makes a model out of the shapes of the data and the flags of a run: the same for those that
 * are built in and for a module of one's own, whose default export is a `ModelBuilder`.
 */
import type { FrameShape } from "../datasets/dataset.ts";
import type { Options, OptionSpec } from "../net/options.ts";
import type { Model } from "./model.ts";

export interface ModelContext {
  /** Of the dataset: [height, width, channels]. */
  readonly frameShape: FrameShape;
  /** Of the dataset's answers, where frames are not their own answers. */
  readonly targetShape?: readonly number[];
  /** Names of the classes, where answers are classes. */
  readonly classes?: readonly string[];
  /** Frames that gradients flow through: `--window`. */
  readonly windowFrames: number;
  /** `--filters`, `--kernel`, `--input-frames` and `--output-frames`. */
  readonly filters: readonly number[];
  readonly kernelSize: number;
  readonly inputFrames: number;
  readonly outputFrames: number;
  /** `--model-options`: every declared one, with its default where it is not given. */
  readonly options: Options;
}

/** @throws {RangeError} where the data does not fit the model */
export type ModelBuilder = (context: ModelContext) => Model;

export interface ModelDefinition {
  readonly build: ModelBuilder;
  readonly options: readonly OptionSpec[];
  /** SHA-256 of the module that defines it; left out for what is built in. */
  readonly sourceSha256?: string;
}
