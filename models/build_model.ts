/** From a model's name and options to its value. */
import type { Dataset } from "../datasets/dataset.ts";
import { resolveOptions } from "../net/options.ts";
import {
  isModelFile,
  isModelModule,
  type ModelConfiguration,
  type ModelName,
} from "../net/run_configuration.ts";
import { checkModel, ModelError } from "./check_model.ts";
import { cnnLstmDefinition } from "./cnn_lstm.ts";
import { convAutoencoderDefinition } from "./conv_autoencoder.ts";
import { convLstm } from "./convlstm.ts";
import { convLstmClassifierDefinition } from "./convlstm_classifier.ts";
import { convLstmUnetDefinition } from "./convlstm_unet.ts";
import { encoderForecaster } from "./encoder_forecaster.ts";
import type { Model } from "./model.ts";
import type { ModelBuilder, ModelContext, ModelDefinition } from "./model_definition.ts";
import { loadLayersFile } from "./layers_model.ts";
import { loadModelModule } from "./model_module.ts";
import { checkModuleSource } from "./module_source.ts";
import { predNetDefinition } from "./prednet.ts";
import { predRnnDefinition } from "./predrnn.ts";
import { seq2seqConvLstmDefinition } from "./seq2seq_convlstm.ts";
import { shiConvLstmDefinition } from "./shi_convlstm.ts";
import { vaeDefinition } from "./vae.ts";

export const builtInModels: { readonly [name in ModelName]: ModelDefinition } = {
  "convlstm": { build: convLstm, options: [] },
  "encoder-forecaster": { build: encoderForecaster, options: [] },
  "shi-convlstm": shiConvLstmDefinition,
  "cnn-lstm": cnnLstmDefinition,
  "convlstm-classifier": convLstmClassifierDefinition,
  "conv-autoencoder": convAutoencoderDefinition,
  "vae": vaeDefinition,
  "seq2seq-convlstm": seq2seqConvLstmDefinition,
  "convlstm-unet": convLstmUnetDefinition,
  "prednet": predNetDefinition,
  "predrnn": predRnnDefinition,
};

/**
 * A built-in model, that of a module, or one of layers.
 * @param source SHA-256 that a file must have, which is compared before any of it is run
 * @throws {ModelError} where the module cannot be loaded, is another, or is none of a model
 */
export async function findModel(name: string, source?: string): Promise<ModelDefinition> {
  if (!isModelFile(name)) return builtInModels[name as ModelName];
  if (source !== undefined) await checkModuleSource(name, source);
  return name.endsWith(".json") ? await loadLayersFile(name) : await loadModelModule(name);
}

/**
 * @param data what the model is to read and answer
 * @throws {OptionError} for options that it does not declare
 * @throws {ModelError} where what is built is no model
 */
export function buildModel(
  configuration: ModelConfiguration,
  { frameShape, targetShape, classes }: Pick<Dataset, "frameShape" | "targetShape" | "classes">,
  windowFrames: number,
  { build, options: specs }: ModelDefinition = builtInModels[configuration.name as ModelName],
): Model {
  const { name, filters, kernelSize, inputFrames, outputFrames } = configuration;
  const options = resolveOptions(specs, configuration.options, `--model ${name}`);
  const context = {
    ...{ frameShape, targetShape, classes, windowFrames },
    ...{ filters, kernelSize, inputFrames, outputFrames, options },
  };
  return checkModel(isModelModule(name) ? builtBy(name, build, context) : build(context), name);
}

/** What a module throws says nothing of where it comes from. */
function builtBy(name: string, build: ModelBuilder, context: ModelContext): Model {
  try {
    return build(context);
  } catch (cause) {
    const sentence = `Cannot build --model ${name}: ${
      cause instanceof Error ? cause.message : String(cause)
    }`;
    // By its kind one asks whether another window would do.
    if (cause instanceof RangeError) throw new RangeError(sentence, { cause });
    throw new ModelError(sentence, { cause });
  }
}
