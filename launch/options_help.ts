/**
 * What `--help` adds where it stands beside `--dataset` or `--model`: the options of those, for
 * `--dataset-options` and `--model-options`.
 */
import { datasetOptionSpecs } from "../datasets/open_dataset.ts";
import type { OptionSpec } from "../net/options.ts";
import { type DatasetName, isModelFile, isModelModule } from "../net/run_configuration.ts";
import type { GivenFlags } from "./flags.ts";

/** @returns nothing where neither flag is given */
export async function optionsHelp({ dataset, model }: GivenFlags): Promise<string> {
  const parts: string[] = [];
  if (dataset !== undefined) {
    const specs = datasetOptionSpecs(dataset as DatasetName);
    parts.push(listed(`--dataset-options of ${dataset}`, specs));
  }
  if (model !== undefined) {
    parts.push(listed(`--model-options of ${model}`, await modelOptionSpecs(model as string)));
  }
  return parts.map((part) => `\n${part}`).join("");
}

async function modelOptionSpecs(model: string): Promise<readonly OptionSpec[]> {
  // Imported here, because it brings TensorFlow.js.
  if (isModelFile(model) && !isModelModule(model)) {
    return (await import("../models/layers_model.ts")).layersOptions;
  }
  return (await (await import("../models/build_model.ts")).findModel(model)).options;
}

function listed(title: string, specs: readonly OptionSpec[]): string {
  if (specs.length === 0) return `${title}: none\n`;
  const rows = specs.map((spec) => {
    const values = spec.choices?.join("|") ?? valuesOf(spec);
    const fallback = spec.default === "" ? "none" : `${spec.default}`;
    return {
      left: `  ${spec.name}=${values}`,
      right: `${spec.meaning} (default: ${fallback})`,
    };
  });
  const width = Math.max(...rows.map(({ left }) => left.length));
  return [`${title}:`, ...rows.map(({ left, right }) => `${left.padEnd(width)}  ${right}`), ""]
    .join("\n");
}

function valuesOf({ default: fallback, isPath, fraction }: OptionSpec): string {
  if (typeof fallback === "boolean") return "true|false";
  if (typeof fallback === "string") return isPath ? "PATH" : "TEXT";
  const number = fraction ? "X" : "N";
  return Array.isArray(fallback) ? `${number},${number},...` : number;
}
