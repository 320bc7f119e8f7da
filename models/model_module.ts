/**
 * A model of one's own: a module whose default export builds it, as those in this folder do, and
 * which may declare `options`.
 */
import { pathToFileURL } from "node:url";
import type { OptionSpec } from "../net/options.ts";
import { ModelError } from "./check_model.ts";
import type { ModelBuilder, ModelDefinition } from "./model_definition.ts";
import { readModuleSource } from "./module_source.ts";

/**
 * @param path absolute
 * @throws {ModelError} saying what the module lacks
 */
export async function loadModelModule(path: string): Promise<ModelDefinition> {
  const { sha256 } = await readModuleSource(path);
  let module: { readonly default?: unknown; readonly options?: unknown };
  try {
    module = await import(pathToFileURL(path).href);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new ModelError(`Cannot load --model ${path}: ${why}`, { cause });
  }
  const { default: build, options = [] } = module;
  if (typeof build !== "function") {
    throw new ModelError(
      `Cannot use --model ${path}: it has no default export that is a function; write ` +
        "`export default (context) => model`, as in examples/",
    );
  }
  if (!Array.isArray(options) || !options.every(isOption)) {
    throw new ModelError(
      `Cannot use --model ${path}: its export "options" must be a list of { name, default, meaning }`,
    );
  }
  return {
    build: build as ModelBuilder,
    options: options as readonly OptionSpec[],
    sourceSha256: sha256,
  };
}

function isOption(option: unknown): boolean {
  const { name, default: fallback, meaning } = (option ?? {}) as Partial<OptionSpec>;
  return typeof name === "string" && typeof meaning === "string" && fallback !== undefined;
}
