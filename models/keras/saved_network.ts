/**
 * A `model.json` as Keras' converter and TensorFlow.js write it: its layers, with what is no such file
 * told apart and the way to one said.
 */
import { ModelError } from "../check_model.ts";
import type { LayerMaker } from "./layer.ts";
import { isFields, readDescription, type Surroundings } from "./layer_config.ts";
import { makeLayer } from "./layer_kinds.ts";
import { readNetwork } from "./network.ts";
import { saveAndConvert } from "./other_files.ts";

export interface SavedNetwork {
  /** Without lanes; null where any size will do. */
  readonly inputShape: readonly (number | null)[];
  readonly make: LayerMaker;
  readonly weightsManifest: readonly WeightsGroup[];
}

interface WeightsGroup {
  readonly paths: readonly string[];
  readonly weights: readonly unknown[];
}

/**
 * @param value what the file holds
 * @throws {ModelError} for another file, and for layers that are not computed as Keras does
 */
export function openTopology(file: string, value: unknown): SavedNetwork {
  const refuse = (why: string) => new ModelError(`Cannot use --model ${file}: ${why}`);
  const saved = isFields(value) ? value : {};
  const { modelTopology: topology, weightsManifest, format } = saved;
  if (format === "graph-model" || (isFields(topology) && Array.isArray(topology.node))) {
    throw refuse(
      `it is a graph model, whose operations are not trained; ${saveAndConvert}`,
    );
  }
  if (!isFields(topology) || !Array.isArray(weightsManifest)) {
    const isAlone = saved.class_name !== undefined || isFields(topology);
    throw refuse(
      (isAlone
        ? "it holds layers without their weights (what model.to_json() writes); "
        : "it is no model.json of layers with its weights; ") +
        saveAndConvert,
    );
  }
  const groups = weightsManifest.map((group) => {
    const { paths, weights } = isFields(group) ? group : {} as Record<string, unknown>;
    if (Array.isArray(paths) && Array.isArray(weights)) return { paths, weights };
    throw refuse("its weightsManifest has a group without paths and weights; convert it again");
  });
  const description = isFields(topology.model_config) ? topology.model_config : topology;
  const surroundings: Surroundings = {
    file,
    isKeras3: isKeras3(topology, description),
    around: [],
    isFrozen: false,
    make: makeLayer,
  };
  const config = readDescription(description, surroundings);
  if (!["Sequential", "Functional", "Model"].includes(config.kind)) {
    throw refuse(
      `it is a network of class ${config.kind}, whose layers are not in the file; build it with ` +
        "keras.Sequential or keras.Model(inputs, outputs)",
    );
  }
  const { maker, inputShapes, outputNames } = readNetwork(config);
  config.finish();
  const [inputShape] = inputShapes;
  if (inputShapes.length !== 1 || outputNames.length !== 1) {
    throw refuse(
      `it has ${inputShapes.length} inputs and ${outputNames.length} outputs (` +
        `${outputNames.map((name) => `"${name}"`).join(", ")}); save one of each: ` +
        "keras.Model(model.inputs[0], model.outputs[0])",
    );
  }
  if (inputShape === undefined) {
    throw refuse(
      "it does not say what shape it reads; save it with keras.Input(shape) as its first layer",
    );
  }
  return { inputShape, make: maker, weightsManifest: groups };
}

/** By its version, or in a file that has none by words that only Keras 3 writes. */
function isKeras3(topology: Readonly<Record<string, unknown>>, description: unknown): boolean {
  const version = topology.keras_version;
  if (typeof version === "string" && /^\d/.test(version)) return Number.parseInt(version) >= 3;
  return /"batch_shape"|"DTypePolicy"|"__keras_tensor__"/.test(JSON.stringify(description));
}
