/** Reads `fixtures/models/keras.json`, and makes the numbers that Keras was given for it. */
import { type Tensor, tf } from "../../engine/tf.ts";
import fixture from "../fixtures/models/keras.json" with { type: "json" };

export const { layers, stacks, forecasts } = fixture;

/** The numbers of a tensor that the fixture holds as text. */
export function numbers(text: string): number[] {
  return text.split(" ").map(Number);
}

/** Numbers in [-scale, scale) by the formula of `make.py`. */
export function formulaValues(count: number, seed: number, scale: number): Float32Array {
  return Float32Array.from({ length: count }, (_, i) => {
    const spread = (i * i * 31 + i * 48271 + seed * 7907) % 65537;
    return (spread / 65537 * 2 - 1) * scale;
  });
}

export function formulaTensor(shape: readonly number[], seed: number, scale: number): Tensor {
  const count = shape.reduce((size, side) => size * side, 1);
  return tf.tensor(formulaValues(count, seed, scale), [...shape], "float32");
}

/** kernel (where there are channels), recurrent kernel and bias of each layer, bottom first. */
export function formulaStack(
  seed: number,
  size: number,
  channels: number,
  filters: readonly number[],
): Tensor[] {
  return filters.flatMap((count, index) => {
    const below = index === 0 ? channels : filters[index - 1];
    const first = seed + 3 * index;
    return [
      ...(below > 0 ? [formulaTensor([size, size, below, 4 * count], first, 0.4)] : []),
      formulaTensor([size, size, count, 4 * count], first + 1, 0.4),
      formulaTensor([4 * count], first + 2, 0.5),
    ];
  });
}

/** Kernel and bias of a head. */
export function formulaHead(
  seed: number,
  size: number,
  inputs: number,
  channels: number,
): Tensor[] {
  return [
    formulaTensor([size, size, inputs, channels], seed, 0.5),
    formulaTensor([channels], seed + 1, 0.5),
  ];
}

/** Hidden and cell state of each layer. */
export function formulaState(
  seed: number,
  lanes: number,
  height: number,
  width: number,
  filters: readonly number[],
): Tensor[] {
  return filters.flatMap((count) => [count, count]).map((count, index) =>
    formulaTensor([lanes, height, width, count], seed + index, 0.8)
  );
}
