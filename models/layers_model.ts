/**
 * A network of Keras or TensorFlow.js layers, saved as `model.json` with its weights beside it, as a
 * model: the weights are its parameters and first values, and the states of its stateful recurrent
 * layers are states of lanes, passed in and out. (The layers would keep one state for a whole batch.)
 * What layers within layers do counts as what the network's own layers do.
 */
import { type Tensor, tf } from "../engine/tf.ts";
import { type io, type LayersModel, loadLayersModel } from "../engine/tfjs_layers.ts";
import type { OptionSpec } from "../net/options.ts";
import { modelTitle } from "../net/run_configuration.ts";
import { ModelError } from "./check_model.ts";
import { frameSpan } from "./frame_span.ts";
import { answers, answersMissing, lastAnswer, tellsClasses } from "./last_answer.ts";
import { topologyForLanes } from "./layers_topology.ts";
import type { Model } from "./model.ts";
import type { ModelContext, ModelDefinition } from "./model_definition.ts";
import { readModuleSource } from "./module_source.ts";

/** Of every such model. */
export const layersOptions: readonly OptionSpec[] = [
  {
    name: "task",
    default: "next-frame",
    choices: ["next-frame", "reconstruction", "answers"],
    meaning:
      "what its outputs are compared with: the frames that follow, the same frames, or the " +
      "dataset's answers",
  },
];

/** What of a layer's inside is used; TensorFlow.js types it as private. */
interface Recurrent {
  readonly name: string;
  returnState: boolean;
  readonly returnSequences: boolean;
  readonly cell: { readonly stateSize: number | readonly number[]; readonly filters?: number };
  readonly output: { readonly shape: readonly (number | null)[] };
  call(inputs: unknown, kwargs: Record<string, unknown>): Tensor | Tensor[];
}

/** What lies within a layer: a model, a wrapper, both directions, a cell or several. */
interface OuterLayer {
  readonly name: string;
  readonly layers?: readonly OuterLayer[];
  readonly layer?: OuterLayer;
  readonly forwardLayer?: OuterLayer;
  readonly backwardLayer?: OuterLayer;
  readonly cell?: OuterLayer;
  readonly cells?: readonly OuterLayer[];
  getClassName(): string;
  getConfig(): unknown;
}

interface Variable {
  readonly originalName: string;
  readonly shape: readonly number[];
  val: Tensor;
}

/**
 * An engine is open when this is called: layers make tensors as they are loaded.
 * @param path of `model.json`, absolute
 * @throws {ModelError} for a file that is none, or layers that cannot be trained by lanes
 */
export async function loadLayersFile(path: string): Promise<ModelDefinition> {
  const { files, sha256 } = await readModuleSource(path);
  const saved = JSON.parse(await Deno.readTextFile(path)) as io.ModelJSON;
  if (saved.modelTopology === undefined || saved.weightsManifest === undefined) {
    throw new ModelError(
      `Cannot use --model ${path}: it is no model.json of layers with its weights; save it with ` +
        "TensorFlow.js, or convert it with tensorflowjs_converter --output_format=tfjs_layers_model",
    );
  }
  const { topology, stateful, statefulWithin, terms } = topologyForLanes(saved.modelTopology);
  if (statefulWithin.length > 0) {
    throw new ModelError(
      `Cannot carry the state of layer "${statefulWithin[0]}" of --model ${path}: it lies within ` +
        "another layer; put it among the network's own layers, or save it without stateful",
    );
  }
  if (terms.length > 0) {
    const [{ layer, term }] = terms;
    throw new ModelError(
      `Cannot train --model ${path} as its layers ask: layer "${layer}" has a ${term}, which would ` +
        "not be applied; save it without, and perhaps use --optimizer adamw with --weight-decay",
    );
  }
  const bytes = await Promise.all(files.slice(1).map((file) => Deno.readFile(file)));
  let network: LayersModel;
  try {
    network = await loadLayersModel({
      load: () =>
        Promise.resolve({
          modelTopology: topology,
          weightSpecs: saved.weightsManifest.flatMap(({ weights }) => weights),
          weightData: joined(bytes).buffer,
        }),
    });
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new ModelError(`Cannot load --model ${path}: ${why}`, { cause });
  }
  try {
    refuseRandomLayers(network, path);
  } catch (error) {
    // A network's own `dispose` leaves the weights of networks within it.
    for (const weight of network.weights) weight.dispose();
    throw error;
  }
  // Held as numbers: a network outlives no engine, but what is read of its file does.
  const variables = network.trainableWeights as unknown as Variable[];
  const first = variables.map(takeValues);
  const frozen = (network.nonTrainableWeights as unknown as Variable[])
    .map((variable) => ({ variable, values: takeValues(variable) }));
  const [last] = network.outputs;
  const isSoftmax = endsInSoftmax(last.sourceLayer as unknown as OuterLayer, last.shape.length);
  const recurrent = (network.layers as unknown as Recurrent[])
    .filter(({ name }) => stateful.includes(name));
  return {
    build: (context) =>
      wrap({ path, network, variables, first, frozen, recurrent, isSoftmax }, context),
    options: layersOptions,
    sourceSha256: sha256,
  };
}

interface Network {
  readonly path: string;
  readonly network: LayersModel;
  /** Those that are trained. */
  readonly variables: readonly Variable[];
  readonly first: readonly Float32Array[];
  /** Those that are not: the same in every step. */
  readonly frozen: readonly { readonly variable: Variable; readonly values: Float32Array }[];
  /** Its stateful layers. */
  readonly recurrent: readonly Recurrent[];
  /** Its outputs are shares along the last axis. */
  readonly isSoftmax: boolean;
}

function wrap(own: Network, context: ModelContext): Model {
  const { frameShape, targetShape, classes, windowFrames, options } = context;
  const { path, network, variables, first, recurrent } = own;
  const inputShape = network.inputs[0].shape.slice(1);
  const output = network.outputs[0].shape.slice(1);
  const size = frameShape.reduce((product, side) => product * side, 1);
  const [steps, ...each] = inputShape;
  const refuse = (why: string) => new ModelError(`Cannot use --model ${path}: ${why}`);
  if (network.inputs.length !== 1 || network.outputs.length !== 1) {
    throw refuse(`it has ${network.inputs.length} inputs and ${network.outputs.length} outputs`);
  }
  if (variables.length === 0) {
    throw refuse("none of its weights is trained; save it with a layer that is trainable");
  }
  // One frame at a time, or [time, ...frame], a frame whole or as one row of numbers.
  const isPerFrame = `${inputShape}` === `${frameShape}`;
  if (!isPerFrame && `${each}` !== `${frameShape}` && `${each}` !== `${size}`) {
    throw refuse(`it reads [${inputShape}], the dataset has frames [${frameShape}]`);
  }
  const frames = isPerFrame ? windowFrames : steps ?? windowFrames;
  const isSequence = !isPerFrame && (output[0] === null || output[0] === frames) &&
    output.length > 1;
  const ownShape = (isSequence ? output.slice(1) : output) as number[];
  // A row of as many numbers as a frame has is one.
  const isFrame = ownShape.length === 1 && ownShape[0] === size && options.task !== "answers";
  const outputShape = isFrame ? frameShape : ownShape;
  checkCompared(outputShape, context, refuse);
  const predictions = isPerFrame || isSequence ? frames : 1;
  const isNext = options.task === "next-frame";
  const state = recurrent.flatMap((layer) => statesOf(layer));
  const parameters = variables.map(({ originalName, shape }) => ({ name: originalName, shape }));
  const isClassifier = options.task === "answers" && own.isSoftmax &&
    tellsClasses({ outputShape }, { targetShape, classes });
  return {
    name: modelTitle(path),
    frameShape,
    outputShape,
    ...(isClassifier ? { loss: "cross-entropy" as const } : {}),
    parameters,
    state,
    window: {
      frames: frames + (isNext ? 1 : 0),
      advance: frames,
      predictions,
      carriesState: state.length > 0,
    },
    initialize: () => first.map((values) => values.slice()),
    apply(values, before, inputs) {
      const [lanes] = inputs.frames.shape;
      const seen = frameSpan(inputs.frames, 0, frames);
      const shape = isPerFrame ? [lanes * frames, ...frameShape] : [lanes, frames, ...each];
      const input = tf.reshape(seen, shape as number[]);
      const result = run(own, values, before, input, inputs.training);
      return {
        predictions: tf.reshape(result.output, [lanes, predictions, ...outputShape]),
        state: result.state,
      };
    },
    targets(all, given) {
      if (options.task === "answers") {
        return predictions === 1 ? lastAnswer(all, given) : frameSpan(answers(given), 0, frames);
      }
      return frameSpan(all, isNext ? frames - predictions + 1 : frames - predictions, predictions);
    },
    ...(isNext && `${outputShape}` === `${frameShape}`
      ? { persistence: (all: Tensor) => frameSpan(all, frames - predictions, predictions) }
      : {}),
  };
}

/** Refuses outputs that are shaped unlike what they are to be compared with. */
function checkCompared(
  outputShape: readonly number[],
  { frameShape, targetShape, options }: ModelContext,
  refuse: (why: string) => ModelError,
): void {
  const isLike = (shape: readonly number[] | undefined) => `${outputShape}` === `${shape}`;
  if (options.task === "answers") {
    if (targetShape === undefined) {
      throw refuse(`task=answers needs a dataset that has some, and ${answersMissing}`);
    }
    if (isLike(targetShape)) return;
    throw refuse(
      `it answers with [${outputShape}], the dataset with [${targetShape}]; save it with outputs of ` +
        "that shape",
    );
  }
  if (isLike(frameShape)) return;
  throw refuse(
    `it answers with [${outputShape}], a frame is [${frameShape}]: ` +
      (isLike(targetShape)
        ? "add --model-options task=answers"
        : "save it with outputs of that shape, or choose a dataset with such answers and add " +
          "--model-options task=answers"),
  );
}

/** The network with these weights and states in place of its own. */
function run(
  { network, variables, frozen, recurrent }: Network,
  values: readonly Tensor[],
  before: readonly Tensor[],
  input: Tensor,
  // Without it, layers dispose what a gradient still needs.
  training: boolean,
): { output: Tensor; state: Tensor[] } {
  const all = [...variables, ...frozen.map(({ variable }) => variable)];
  const kept = all.map(({ val }) => val);
  const state: Tensor[][] = [];
  let next = 0;
  const calls = recurrent.map((layer) => layer.call);
  recurrent.forEach((layer, index) => {
    const own = before.slice(next, next += statesOf(layer).length);
    layer.call = (inputs, kwargs) => {
      layer.returnState = true;
      const [output, ...after] = calls[index].call(layer, inputs, {
        ...kwargs,
        initialState: own,
      }) as Tensor[];
      layer.returnState = false;
      // Layers compute in scopes of their own, which the states leave beside the output.
      state[index] = after.map((tensor) => tf.keep(tf.clone(tensor)));
      return output;
    };
  });
  variables.forEach((variable, index) => variable.val = values[index]);
  // In a trace these are constants.
  for (const { variable, values } of frozen) {
    variable.val = tf.tensor(values, [...variable.shape]);
  }
  try {
    // Not `predict`, which brings tensors out of the recording.
    const output = network.apply(input, { training }) as Tensor;
    return { output, state: state.flat().map(release) };
  } finally {
    all.forEach((variable, index) => variable.val = kept[index]);
    recurrent.forEach((layer, index) => layer.call = calls[index]);
  }
}

/** Its numbers, without the tensor. */
function takeValues({ val }: Variable): Float32Array {
  const values = (val.dataSync() as Float32Array).slice();
  val.dispose();
  return values;
}

/** A kept tensor as one that the current scope owns. */
function release(kept: Tensor): Tensor {
  const released = tf.clone(kept);
  kept.dispose();
  return released;
}

/** Of one lane. */
function statesOf({ name, cell, output }: Recurrent) {
  const sizes = typeof cell.stateSize === "number" ? [cell.stateSize] : cell.stateSize;
  const place = cell.filters === undefined ? [] : output.shape.slice(-3, -1) as number[];
  return sizes.map((size, index) => ({ name: `${name}/state${index}`, shape: [...place, size] }));
}

/**
 * Whether a layer's outputs are shares along the last axis, by itself or by what it ends with.
 * @param rank of its outputs
 */
function endsInSoftmax(layer: OuterLayer, rank: number): boolean {
  const inner = layer.layers?.at(-1) ?? layer.layer;
  if (inner) return endsInSoftmax(inner, rank);
  const { activation, axis } = layer.getConfig() as { activation?: string; axis?: number };
  if (layer.getClassName() === "Softmax") return axis === -1 || axis === rank - 1;
  return activation === "softmax";
}

/** All of them in one, as TensorFlow.js reads them. */
function joined(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let offset = 0;
  for (const part of parts) {
    all.set(part, offset);
    offset += part.length;
  }
  return all;
}

/** Each layer with its path: "decoder/memory". */
function* layersWithin(layer: OuterLayer, path: string): Generator<[string, OuterLayer]> {
  const { layers = [], layer: wrapped, forwardLayer, backwardLayer, cell, cells = [] } = layer;
  for (const inner of [...layers, wrapped, forwardLayer, backwardLayer, cell, ...cells]) {
    if (inner === undefined) continue;
    const innerPath = path === "" ? inner.name : `${path}/${inner.name}`;
    yield [innerPath, inner];
    yield* layersWithin(inner, innerPath);
  }
}

/** Layers draw random numbers of their own, other ones on every worker; statistics are no gradients. */
function refuseRandomLayers(network: LayersModel, path: string): void {
  for (const [name, layer] of layersWithin(network as unknown as OuterLayer, "")) {
    const { dropout = 0, recurrentDropout = 0, rate = 0 } = layer.getConfig() as Record<
      string,
      number
    >;
    const kind = layer.getClassName();
    const isRandom = dropout > 0 || recurrentDropout > 0 ||
      (kind.includes("Dropout") && rate > 0) ||
      kind.startsWith("Gaussian") || kind.startsWith("Random");
    if (!isRandom && kind !== "BatchNormalization") continue;
    throw new ModelError(
      `Cannot train --model ${path} to the same weights on any number of workers: layer ` +
        `"${name}" (${kind}) ${isRandom ? "draws random numbers" : "keeps batch statistics"}` +
        "; leave it out",
    );
  }
}
