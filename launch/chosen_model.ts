/**
 * The model that the flags name, looked at before anything is set up: whether a module of one's own
 * is one, whether the options are its own, and which files a worker has to read for it.
 */
import { RunFolderError, sourceRefusal } from "../coordinator/run_folder.ts";
import { OptionError, resolveOptions } from "../net/options.ts";
import { isModelFile, type ModelConfiguration } from "../net/run_configuration.ts";
import { UsageError } from "./flags.ts";

/**
 * @param resumed the run that goes on, with the SHA-256 of its model's source where that is known: it
 * is compared before any of the module is run
 * @returns the SHA-256 of the source of a model that is not built in
 * @throws {UsageError} saying what is wrong with the module or the options
 * @throws {RunFolderError} where the source is not that of the resumed run
 */
export async function checkChosenModel(
  { name, options }: ModelConfiguration,
  resumed: { readonly path: string; readonly modelSource?: string } | undefined,
): Promise<string | undefined> {
  if (!isModelFile(name) && Object.keys(options).length === 0) return undefined;
  // Imported here, because it brings TensorFlow.js: most runs need none of it in this process.
  const { findModel } = await import("../models/build_model.ts");
  const { readModuleSource } = await import("../models/module_source.ts");
  const { ModelError } = await import("../models/check_model.ts");
  try {
    const source = isModelFile(name) ? (await readModuleSource(name)).sha256 : undefined;
    const refusal = resumed && sourceRefusal(resumed, source);
    if (refusal !== undefined) throw new RunFolderError(refusal);
    resolveOptions((await findModel(name, source)).options, options, `--model ${name}`);
    return source;
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
