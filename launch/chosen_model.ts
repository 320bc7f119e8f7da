/**
 * The model that the flags name, looked at before anything is set up: whether a module of one's own
 * is one, whether the options are its own, and which files a worker has to read for it.
 */
import { OptionError, resolveOptions } from "../net/options.ts";
import { isModelFile, type ModelConfiguration } from "../net/run_configuration.ts";
import { UsageError } from "./flags.ts";

/** @throws {UsageError} saying what is wrong with the module or the options */
export async function checkChosenModel({ name, options }: ModelConfiguration): Promise<void> {
  if (!isModelFile(name) && Object.keys(options).length === 0) return;
  // Imported here, because it brings TensorFlow.js: most runs need none of it in this process.
  const { findModel } = await import("../models/build_model.ts");
  const { layersOptions } = await import("../models/layers_model.ts");
  const { readModuleSource } = await import("../models/module_source.ts");
  const { ModelError } = await import("../models/check_model.ts");
  try {
    // Layers are loaded into an engine, and there is none here.
    const isLayers = name.endsWith(".json");
    if (isLayers) await readModuleSource(name);
    const specs = isLayers ? layersOptions : (await findModel(name)).options;
    resolveOptions(specs, options, `--model ${name}`);
  } catch (cause) {
    if (!(cause instanceof OptionError || cause instanceof ModelError)) throw cause;
    throw new UsageError(cause.message, { cause });
  }
}

/** Files and folders that a worker reads to import the model; none for a built-in one. */
export async function chosenModelReads(name: string): Promise<string[]> {
  if (!isModelFile(name)) return [];
  const { productParts, readModuleSource } = await import("../models/module_source.ts");
  const { files } = await readModuleSource(name);
  return [...files, ...productParts];
}
