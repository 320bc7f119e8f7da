/**
 * Whether a model is one: what a module of one's own returns, and what it computes, is checked
 * against its own words, so that a slip is told in a sentence and not by an op deep inside a step.
 */
import type { Tensor } from "../engine/tf.ts";
import { arrayNameCharactersMax, isArrayName } from "./keras/array_names.ts";
import type { Model, ModelInputs, ModelOutput } from "./model.ts";

/** A model that cannot be loaded, or does not do what a model has to: says what to change. */
export class ModelError extends Error {
  override readonly name = "ModelError";
}

/**
 * @param name what the run calls it, for errors
 * @returns the model itself
 * @throws {ModelError} for something else
 */
export function checkModel(model: Model, name: string): Model {
  const wrong = (what: string) =>
    new ModelError(`Cannot use --model ${name}: what it builds ${what}; see models/model.ts`);
  if (typeof model !== "object" || model === null) throw wrong(`is ${typeof model}, not a model`);
  for (const field of ["initialize", "apply", "targets"] as const) {
    if (typeof model[field] !== "function") throw wrong(`has no function ${field}`);
  }
  for (const field of ["frameShape", "outputShape"] as const) {
    if (!isShape(model[field])) throw wrong(`has no ${field} of whole numbers`);
  }
  for (const field of ["parameters", "state", "noise"] as const) {
    const specs = model[field];
    if (specs === undefined && field === "noise") continue;
    if (!Array.isArray(specs)) throw wrong(`has no list ${field}`);
    const broken = specs.find((spec) => typeof spec?.name !== "string" || !isShape(spec.shape));
    if (broken) throw wrong(`has ${field} without a name and a shape: ${JSON.stringify(broken)}`);
    const names = specs.map((spec) => spec.name);
    const odd = names.find((name) => field !== "noise" && !isArrayName(name));
    if (odd !== undefined) {
      throw wrong(
        `has ${field} named ${
          JSON.stringify(odd.slice(0, 160))
        }, which a checkpoint cannot hold: ` +
          `name them with letters, digits, ".", "_", "-" and "/", at most ${arrayNameCharactersMax}`,
      );
    }
    const twice = names.find((each, index) => names.indexOf(each) !== index);
    if (twice !== undefined) throw wrong(`has two ${field} named "${twice}"`);
  }
  for (const spec of model.noise ?? []) {
    if (spec.distribution !== "coin" || typeof spec.chance === "function") continue;
    throw wrong(`has noise "${spec.name}" that is a coin without a function chance`);
  }
  if (model.parameters.length === 0) throw wrong("has no parameters");
  const { frames, advance, predictions } = model.window ?? {};
  const counts = [frames, advance, predictions];
  if (!counts.every((count) => Number.isSafeInteger(count) && count > 0) || predictions > frames) {
    throw wrong(
      `has window ${JSON.stringify(model.window)}, which needs whole numbers of at least 1 for ` +
        "frames, advance and predictions, and no more predictions than frames",
    );
  }
  return model;
}

/**
 * One call of `apply`, as `checkOutput` checks it. What it throws, an op's error say, is told with the
 * model's name.
 * @throws {ModelError} for that, and for another shape
 */
export function applyModel(
  model: Model,
  parameters: readonly Tensor[],
  state: readonly Tensor[],
  inputs: ModelInputs,
): ModelOutput {
  let output: ModelOutput;
  try {
    output = model.apply(parameters, state, inputs);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new ModelError(`Cannot apply model "${model.name}": ${why}`, { cause });
  }
  if (output.besides && inputs.observed && !output.besides.observed) {
    throw new ModelError(
      `Cannot use model "${model.name}" on data that may miss values: what its apply gives besides ` +
        "has no `observed`, so nobody knows which of it counts; make it of the inputs' `observed`",
    );
  }
  if (inputs.training) checkStatistics(model, output);
  return checkOutput(model, output, inputs.frames.shape[0]);
}

function checkStatistics(model: Model, { statistics = [] }: ModelOutput): void {
  const averages = model.parameters.filter(({ momentum }) => momentum !== undefined);
  averages.forEach(({ name, shape }, index) => {
    const found = statistics[index];
    if (found && `${found.shape}` === `${shape}`) return;
    throw new ModelError(
      `Cannot use model "${model.name}": its apply gave ${
        found ? `statistics of shape [${found.shape}]` : "no statistics"
      } for the moving average "${name}", expected [${shape}]`,
    );
  });
}

/**
 * What one call of `apply` gave, checked against the model's own shapes.
 * @throws {ModelError} for another shape
 */
export function checkOutput(model: Model, output: ModelOutput, lanes: number): ModelOutput {
  const { predictions } = model.window;
  const check = (what: string, tensor: Tensor | undefined, shape: readonly number[]) => {
    if (tensor && `${tensor.shape}` === `${[lanes, ...shape]}`) return;
    throw new ModelError(
      `Cannot use model "${model.name}": its apply gave ${what} ` +
        `${tensor ? `of shape [${tensor.shape}]` : "nothing"}, expected [${[lanes, ...shape]}] ` +
        `for ${lanes} lanes`,
    );
  };
  check("predictions", output.predictions, [predictions, ...model.outputShape]);
  if (output.penalty) check("a penalty", output.penalty, [predictions]);
  if (output.besides) {
    const shape = [output.besides.predictions.shape[1]!, ...model.outputShape];
    check("predictions besides", output.besides.predictions, shape);
    check("targets besides", output.besides.targets, shape);
    if (output.besides.observed) check("observed besides", output.besides.observed, shape);
  }
  model.state.forEach(({ name, shape }, index) =>
    check(`state "${name}"`, output.state?.[index], shape)
  );
  if (output.state.length > model.state.length) {
    throw new ModelError(
      `Cannot use model "${model.name}": its apply gave ${output.state.length} states, it declares ` +
        `${model.state.length}`,
    );
  }
  return output;
}

function isShape(shape: unknown): shape is readonly number[] {
  return Array.isArray(shape) && shape.every((side) => Number.isSafeInteger(side) && side > 0);
}
