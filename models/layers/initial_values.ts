/** First values of layers' parameters, each from a stream of its own name. */
import { random } from "../../net/random.ts";
import { glorotUniform, orthogonal } from "../initializers.ts";
import type { LayerParameter } from "./layer.ts";

/** Biases of filters whose sigmoid then begins at `mean`. */
export function biasOfMean(mean: number, filters: number): number[] {
  return new Array(filters).fill(Math.log(mean / (1 - mean)));
}

/** One array for each parameter, the same on every machine for the same seed. */
export function initialValues(
  parameters: readonly LayerParameter[],
  seed: number,
): Float32Array[] {
  return parameters.map(({ name, shape, initial }) => {
    const stream = random(seed, "parameters", name);
    if (initial === "glorot-uniform") return glorotUniform(shape, stream);
    if (initial === "orthogonal") return orthogonal(shape, stream);
    const values = new Float32Array(shape.reduce((size, side) => size * side, 1));
    if (typeof initial === "object") values.set(initial.values);
    if (initial === "ones") values.fill(1);
    // Jozefowicz et al. 2015: a cell that forgets nothing at first.
    if (initial === "forget-gate-ones") values.fill(1, values.length / 4, values.length / 2);
    return values;
  });
}
