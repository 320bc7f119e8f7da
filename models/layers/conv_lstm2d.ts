/** ConvLSTM2D as a layer of a model: its parameters, its state, and `convLstmLayer` behind them. */
import { tf } from "../../engine/tf.ts";
import { type ConvLstmGradients, convLstmLayer } from "../convlstm_layer.ts";
import type { Padding } from "./convolution2d.ts";
import type { LayerParameter, RecurrentLayer } from "./layer.ts";

export interface ConvLstm2dOptions {
  readonly name: string;
  /** Height and width of the frames that go in; of the state where there are none. */
  readonly height: number;
  readonly width: number;
  /** Channels that go in; 0 for a layer that runs on its state alone. */
  readonly channels: number;
  readonly filters: number;
  /** Side of the kernel that reads the frames. */
  readonly kernelSize: number;
  /** Side of the kernel that reads the state. @default {kernelSize} */
  readonly recurrentKernelSize?: number;
  /** How the frames are convolved; the state always with padding and stride 1. @default {1} */
  readonly stride?: number;
  /** @default {"same"} */
  readonly padding?: Padding;
  /** Peephole weights of each channel (Shi et al. 2015) or of each pixel. @default {"none"} */
  readonly peephole?: "none" | "channel" | "pixel";
  /** @default {true} */
  readonly hasBias?: boolean;
  /** What need not be differentiated. @default all is */
  readonly gradients?: ConvLstmGradients;
}

const allGradients: ConvLstmGradients = { inputs: true, initialState: true, finalState: true };

/** Frames [frames * lanes, height, width, channels] to hidden states of each frame. */
export function convLstm2d(options: ConvLstm2dOptions): RecurrentLayer {
  const { name, channels, filters, kernelSize, stride = 1, padding = "same" } = options;
  const { recurrentKernelSize = kernelSize, peephole = "none", hasBias = true } = options;
  const [height, width] = [options.height, options.width].map((side) =>
    Math.ceil((padding === "same" ? side : side - kernelSize + 1) / stride)
  );
  const gates = 4 * filters;
  const pixels = peephole === "pixel" ? [height, width] : [];
  const parameters: LayerParameter[] = [
    ...(channels > 0
      ? [{
        name: `${name}/kernel`,
        shape: [kernelSize, kernelSize, channels, gates],
        initial: "glorot-uniform" as const,
      }]
      : []),
    {
      name: `${name}/recurrentKernel`,
      shape: [recurrentKernelSize, recurrentKernelSize, filters, gates],
      initial: "orthogonal",
    },
    ...(hasBias
      ? [{ name: `${name}/bias`, shape: [gates], initial: "forget-gate-ones" as const }]
      : []),
    ...(peephole !== "none"
      ? [{
        name: `${name}/peephole`,
        shape: [3, ...pixels, filters],
        initial: "zeros" as const,
      }]
      : []),
  ];
  // One convolution reads frame and state together where their kernels fit on each other.
  const isJoined = kernelSize === recurrentKernelSize && stride === 1 && padding === "same";
  return {
    parameters,
    state: ["hidden", "cell"].map((kind) => ({
      name: `${name}/${kind}`,
      shape: [height, width, filters],
    })),
    apply(values, [hidden, cell], inputs, frames) {
      const rest = [...values];
      const kernel = channels > 0 ? rest.shift() : undefined;
      const recurrentKernel = rest.shift()!;
      const bias = hasBias ? rest.shift() : undefined;
      const weights = { recurrentKernel, bias, peephole: rest.shift() };
      const wanted = options.gradients ?? allGradients;
      const { hiddenStates, state } = isJoined || !kernel
        ? convLstmLayer({ ...weights, kernel }, { hidden, cell }, inputs, frames, wanted)
        : convLstmLayer(
          weights,
          { hidden, cell },
          tf.conv2d(inputs as tf.Tensor4D, kernel as tf.Tensor4D, stride, padding),
          frames,
          // The kernel's gradient is taken from that of its convolution.
          { ...wanted, inputs: true },
        );
      return { outputs: hiddenStates, state: [state.hidden, state.cell] };
    },
  };
}
