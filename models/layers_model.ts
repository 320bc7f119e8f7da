/**
 * A network of layers, saved as `model.json` by Keras' converter or TensorFlow.js with its weights
 * beside it, as a model: the weights are its parameters and first values, and the states of its
 * stateful recurrent layers are states of lanes, passed in and out.
 */
import { type Tensor, tf } from "../engine/tf.ts";
import type { OptionSpec } from "../net/options.ts";
import { modelTitle } from "../net/run_configuration.ts";
import { ModelError } from "./check_model.ts";
import { frameSpan } from "./frame_span.ts";
import { arrayNames } from "./keras/array_names.ts";
import type { Layer, Shape, WeightSpec } from "./keras/layer.ts";
import { assignWeights } from "./keras/assign_weights.ts";
import { readWeights, type SavedWeight } from "./keras/read_weights.ts";
import { openTopology, type SavedNetwork } from "./keras/saved_network.ts";
import { answers, answersMissing, lastAnswer, tellsClasses } from "./last_answer.ts";
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

/**
 * @param path of `model.json`, absolute
 * @throws {ModelError} for a file that is none, or layers that are not computed as Keras does
 */
export async function loadLayersFile(path: string): Promise<ModelDefinition> {
  const { files, sha256 } = await readModuleSource(path);
  const saved = openTopology(path, JSON.parse(await Deno.readTextFile(path)));
  const bytes = await Promise.all(files.slice(1).map((file) => Deno.readFile(file)));
  const weights = readWeights(path, saved.weightsManifest, bytes);
  return {
    build: (context) => wrap({ path, saved, weights }, context),
    options: layersOptions,
    sourceSha256: sha256,
  };
}

interface Own {
  readonly path: string;
  readonly saved: SavedNetwork;
  readonly weights: readonly SavedWeight[];
}

/** How a window of frames is laid before the network. */
interface Reading {
  /** Shape of one lane's window, or of one frame where the network reads single frames. */
  readonly shape: Shape;
  readonly isPerFrame: boolean;
  readonly frames: number;
}

function wrap(own: Own, context: ModelContext): Model {
  const { frameShape, targetShape, classes, options } = context;
  const { path, saved } = own;
  const refuse = (why: string) => new ModelError(`Cannot use --model ${path}: ${why}`);
  const reading = readingOf(saved, context, refuse);
  const { isPerFrame, frames } = reading;
  const network = saved.make([{ shape: reading.shape, isMasked: false }]);
  const [{ shape: output }] = network.outputs;
  const { parameters, first, weightsFor } = parametersOf(own, network);
  if (parameters.every(({ momentum }) => momentum !== undefined)) {
    throw refuse("none of its weights is trained; save it with a layer that is trainable");
  }
  const isSequence = !isPerFrame && output[0] === frames && output.length > 1;
  const ownShape = isSequence ? output.slice(1) : output;
  const size = frameShape.reduce((product, side) => product * side, 1);
  // A row of as many numbers as a frame has is one.
  const isFrame = ownShape.length === 1 && ownShape[0] === size && options.task !== "answers";
  const outputShape = isFrame ? frameShape : ownShape;
  checkCompared(outputShape, context, refuse);
  const predictions = isPerFrame || isSequence ? frames : 1;
  const isNext = options.task === "next-frame";
  const stateNames = arrayNames(network.state.map(({ name }) => name));
  const state = network.state.map(({ shape }, index) => ({ name: stateNames[index], shape }));
  if (isPerFrame && state.length > 0) {
    throw refuse("it reads one frame and carries a state; save it with an axis of time");
  }
  const noise = network.noise?.map((shape, index) => ({
    name: `dropout/${index}`,
    shape: isPerFrame ? [frames, ...shape] : shape,
    distribution: "uniform" as const,
  }));
  const isClassifier = options.task === "answers" && network.isSoftmax &&
    tellsClasses({ outputShape }, { targetShape, classes });
  return {
    name: modelTitle(path),
    frameShape,
    outputShape,
    ...(isClassifier ? { loss: "cross-entropy" as const } : {}),
    parameters,
    state,
    ...(noise?.length ? { noise } : {}),
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
      const shape = [isPerFrame ? lanes * frames : lanes, ...reading.shape];
      const { counts } = inputs;
      const { values: [answer], state: after, statistics } = network.apply(
        [{ tensor: tf.reshape(seen, shape) }],
        {
          weights: weightsFor(values),
          state: before,
          training: inputs.training,
          noise: inputs.noise.map((each, index) =>
            isPerFrame ? tf.reshape(each, [lanes * frames, ...network.noise![index]]) : each
          ),
          ...(counts && { counts: isPerFrame ? tf.reshape(counts, [-1]) : counts }),
        },
      );
      return {
        predictions: tf.reshape(answer.tensor, [lanes, predictions, ...outputShape]),
        state: [...after],
        ...(statistics && { statistics }),
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

/** One frame at a time, or [time, ...frame], a frame whole or as one row of numbers. */
function readingOf(
  { inputShape }: SavedNetwork,
  { frameShape, windowFrames }: ModelContext,
  refuse: (why: string) => ModelError,
): Reading {
  const isLike = (saved: readonly (number | null)[], shape: Shape) =>
    saved.length === shape.length &&
    saved.every((side, axis) => side === null || side === shape[axis]);
  if (isLike(inputShape, frameShape)) {
    return { shape: frameShape, isPerFrame: true, frames: windowFrames };
  }
  const [steps, ...each] = inputShape;
  const frames = steps ?? windowFrames;
  const row = [frameShape.reduce((product, side) => product * side, 1)];
  const frame = [frameShape, row].find((shape) => isLike(each, shape));
  if (frame !== undefined) return { shape: [frames, ...frame], isPerFrame: false, frames };
  const words = inputShape.map((side) => side ?? "any");
  throw refuse(
    `it reads [${words}], the dataset has frames [${frameShape}]; save it with ` +
      `keras.Input((None, ${
        frameShape.join(", ")
      })), and with Permute where its channels come first`,
  );
}

/** The file's name of a weight, without that of the cell or the layer that its own layer holds. */
function nameOf({ owner }: WeightSpec, { name }: SavedWeight): string {
  const words = name.split("/");
  const isWithin = words.length > 2 && !owner.includes(words.at(-2)!);
  return isWithin ? [...words.slice(0, -2), words.at(-1)].join("/") : name;
}

/** The network's weights that change in training, and how the others come beside them. */
function parametersOf({ path, weights }: Own, { weights: specs }: Layer) {
  const assigned = assignWeights(path, specs, weights);
  const isParameter = ({ isTrained, momentum }: WeightSpec) => isTrained || momentum !== undefined;
  const trained = specs.flatMap((spec, index) => isParameter(spec) ? [index] : []);
  const told = specs.map((spec, index) => nameOf(spec, assigned[index]));
  const isTold = new Set(told).size === told.length;
  const names = arrayNames(
    trained.map((index) =>
      isTold ? told[index] : [...specs[index].owner, specs[index].name].join("/")
    ),
  );
  return {
    parameters: trained.map((index, at) => {
      const { shape, momentum } = specs[index];
      return { name: names[at], shape, ...(momentum === undefined ? {} : { momentum }) };
    }),
    first: trained.map((index) => assigned[index].values),
    weightsFor(values: readonly Tensor[]): Tensor[] {
      let next = 0;
      return specs.map((spec, index) =>
        // In a trace these are constants.
        isParameter(spec) ? values[next++] : tf.tensor(assigned[index].values, [...spec.shape])
      );
    },
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
