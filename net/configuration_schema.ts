/**
 * A run's configuration as it comes out of a checkpoint, `run.json` or a coordinator's answer: data of
 * others until every field has been checked. What a newer version has added is refused, not left out:
 * all of a configuration decides the result, so without a part of it another network would be opened,
 * or another run go on, under the old one's name.
 */
import {
  checkRunConfiguration,
  datasetNames,
  engineNames,
  isModelFile,
  lossNames,
  modelNames,
  onBadFileNames,
  onNanNames,
  optimizerNames,
  precisionNames,
  type RunConfiguration,
  scheduleNames,
} from "./run_configuration.ts";
import type { OptionValue } from "./options.ts";
import {
  array,
  boolean,
  integer,
  literal,
  nullable,
  number,
  object,
  optional,
  record,
  type Schema,
  SchemaError,
  string,
} from "./schema.ts";

/** What holds a configuration that cannot be used: names the field and what is wrong with it. */
export class ConfigurationError extends Error {
  override readonly name = "ConfigurationError";
}

const countMax = 2 ** 40;
const pathLengthMax = 4096;
const listLengthMax = 4096;
const optionsMax = 256;

const count = integer({ min: 0, max: countMax });
const positive = integer({ min: 1, max: countMax });
/** It is shown on terminals. */
const path = string({ lengthMax: pathLengthMax, form: /^\P{Cc}+$/u });
const optionList = array(number(), { lengthMax: listLengthMax });
const optionText = string({ lengthMax: pathLengthMax });

const option: Schema<OptionValue> = {
  check(value, path) {
    if (Array.isArray(value)) return optionList.check(value, path);
    if (typeof value === "string") return optionText.check(value, path);
    return typeof value === "boolean" ? value : number().check(value, path);
  },
};
const options = orElse(record(option, { sizeMax: optionsMax }), {});

const builtIn = literal(...modelNames);
const modelName: Schema<string> = {
  check: (value, field) =>
    typeof value === "string" && isModelFile(value)
      ? path.check(value, field)
      : builtIn.check(value, field),
};

const runConfigurationSchema: Schema<RunConfiguration> = object({
  dataset: object({
    name: literal(...datasetNames),
    path: nullable(path),
    frameSize: positive,
    digits: positive,
    sequenceFrames: positive,
    sequenceFramesMin: positive,
    sequences: positive,
    validationSequences: positive,
    testSequences: positive,
    endless: boolean(),
    onBadFile: literal(...onBadFileNames),
    options,
  }),
  model: object({
    name: modelName,
    source: optional(string({ lengthMax: 64, form: /^[0-9a-f]{64}$/ })),
    filters: array(positive, { lengthMax: listLengthMax }),
    kernelSize: positive,
    inputFrames: positive,
    outputFrames: positive,
    options,
  }),
  loss: nullable(literal(...lossNames)),
  optimizer: object({
    name: literal(...optimizerNames),
    learningRate: number(),
    momentum: number(),
    weightDecay: number(),
    clipNorm: nullable(number()),
    schedule: literal(...scheduleNames),
    warmupSteps: count,
  }),
  lanes: positive,
  shards: positive,
  windowFrames: positive,
  windowStride: orElse(nullable(positive), null),
  epochs: nullable(positive),
  steps: nullable(positive),
  shuffle: orElse(boolean(), true),
  seed: count,
  initialWeights: orElse(
    nullable(object({ path, sha256: string({ lengthMax: 64, form: /^[0-9a-f]{64}$/ }) })),
    null,
  ),
  engine: literal(...engineNames),
  precision: literal(...precisionNames),
  threads: positive,
  workers: positive,
  onNan: literal(...onNanNames),
  membership: object({
    workersMin: positive,
    heartbeatMs: positive,
    silenceMsMax: nullable(positive),
    waitTimeoutMs: count,
    startTimeoutMs: orElse(nullable(positive), null),
  }),
  snapshotSteps: positive,
  checkpointSteps: positive,
  imageSteps: orElse(nullable(positive), null),
});

/**
 * Fields that runs from before them lack get the value that those runs had.
 * @param source what holds the configuration, for the sentence
 * @throws {ConfigurationError} "<source> holds an unusable configuration.lanes: …"
 */
export function readRunConfiguration(value: unknown, source: string): RunConfiguration {
  try {
    const configuration = runConfigurationSchema.check(value, "configuration");
    checkRunConfiguration(configuration);
    return configuration;
  } catch (cause) {
    if (cause instanceof SchemaError) {
      const what = cause.message.replace(/^Cannot accept /, "");
      throw new ConfigurationError(
        `${source} holds an unusable ${what}; mend it, or use the version of Lockstep that wrote it`,
        { cause },
      );
    }
    if (!(cause instanceof RangeError)) throw cause;
    throw new ConfigurationError(
      `${source} holds a configuration that contradicts itself: ${cause.message}`,
      { cause },
    );
  }
}

/** `schema`, or `fallback` where there is nothing. */
function orElse<T>(schema: Schema<T>, fallback: T): Schema<T> {
  return {
    check: (value, path) => value === undefined ? fallback : schema.check(value, path),
  };
}
