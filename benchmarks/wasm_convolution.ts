/**
 * Rates of the WebAssembly engine's convolution and of its two gradients, on shapes of a ConvLSTM.
 * The gradients are composed of other kernels, and are held to a third of the forward rate.
 */
import { parseArgs } from "node:util";
import { tf } from "../engine/tf.ts";
import { openWasmEngine } from "../engine/wasm/wasm_engine.ts";
import { type Clock, systemClock } from "../net/clock.ts";
import { random } from "../net/random.ts";

type Shape4D = readonly [number, number, number, number];

interface Convolution {
  readonly input: Shape4D;
  readonly kernel: Shape4D;
  readonly stride: number;
}

const convolutions: readonly Convolution[] = [
  { input: [4, 64, 64, 16], kernel: [3, 3, 16, 64], stride: 1 },
  { input: [4, 64, 64, 32], kernel: [3, 3, 32, 64], stride: 1 },
  { input: [40, 64, 64, 1], kernel: [3, 3, 1, 64], stride: 1 },
  { input: [4, 64, 64, 64], kernel: [3, 3, 64, 1], stride: 1 },
  { input: [4, 32, 32, 32], kernel: [3, 3, 32, 128], stride: 1 },
  { input: [4, 16, 16, 64], kernel: [5, 5, 64, 256], stride: 1 },
  { input: [4, 64, 64, 16], kernel: [3, 3, 16, 32], stride: 2 },
  { input: [4, 64, 64, 32], kernel: [4, 4, 32, 32], stride: 2 },
];

/** Rates in GFLOP/s: two floating-point operations for each multiplication of the convolution. */
export interface ConvolutionRates extends Convolution {
  readonly forward: number;
  readonly inputGradient: number;
  readonly filterGradient: number;
}

export interface WasmConvolutionReport {
  readonly engine: string;
  readonly device: string;
  readonly repeats: number;
  readonly convolutions: readonly ConvolutionRates[];
}

/**
 * Prints a table on standard error and, with `--json`, one JSON object on standard output.
 * `--repeats N` (default 15): the fastest of N runs counts, as other load on the machine only adds
 * time; the three are run in turns.
 * @throws {RangeError} where `--repeats` is not a positive integer
 */
export async function run(args: string[], clock = systemClock): Promise<WasmConvolutionReport> {
  const { values } = parseArgs({
    args,
    options: { json: { type: "boolean" }, repeats: { type: "string", default: "15" } },
  });
  const repeats = Number(values.repeats);
  if (!Number.isInteger(repeats) || repeats < 1) {
    throw new RangeError(
      `Cannot measure convolutions: --repeats must be a positive integer, got "${values.repeats}"`,
    );
  }
  const engine = await openWasmEngine({ threads: 1, precision: "float32" });
  const rates = [];
  console.error("GFLOP/s (share of the forward rate)");
  for (const convolution of convolutions) {
    const measured = measure(convolution, repeats, clock);
    rates.push(measured);
    console.error(tableRow(measured));
  }
  const report = { engine: engine.version, device: engine.device, repeats, convolutions: rates };
  engine.dispose();
  if (values.json) console.log(JSON.stringify(report));
  return report;
}

function measure(convolution: Convolution, repeats: number, clock: Clock): ConvolutionRates {
  const { input, kernel, stride } = convolution;
  const x = noise(input);
  const weights = noise(kernel);
  const output = tf.conv2d(x, weights, stride, "same");
  const outputGradient = noise(output.shape);
  const flops = 2 * output.size * kernel[0] * kernel[1] * kernel[2];
  const attributes = { strides: stride, pad: "same", dataFormat: "NHWC" };
  const kernelRun = (name: string, inputs: tf.NamedTensorMap, attrs: tf.NamedAttrMap) =>
    tf.engine().runKernel(name, inputs, { ...attributes, ...attrs }) as tf.Tensor;
  const subjects: readonly ((x: tf.Tensor4D, filter: tf.Tensor4D, dy: tf.Tensor4D) => tf.Tensor)[] =
    [
      (x, filter) => tf.conv2d(x, filter, stride, "same"),
      (_, filter, dy) =>
        kernelRun("Conv2DBackpropInput", { dy, filter }, { inputShape: [...input] }),
      (x, _, dy) => kernelRun("Conv2DBackpropFilter", { x, dy }, { filterShape: [...kernel] }),
    ];
  const bestMs = subjects.map(() => Infinity);
  for (let repeat = 0; repeat < repeats; repeat++) {
    subjects.forEach((subject, index) => {
      // Fresh operands in every run: the backend keeps what it packed for a tensor, but a training
      // step packs anew, since weights change with each update and gradients with each frame.
      const [a, b, c] = [x, weights, outputGradient].map((operand) => tf.clone(operand));
      const beginMs = clock.nowMs();
      const result = subject(a as tf.Tensor4D, b as tf.Tensor4D, c as tf.Tensor4D);
      bestMs[index] = Math.min(bestMs[index], clock.nowMs() - beginMs);
      tf.dispose([result, a, b, c]);
    });
  }
  tf.dispose([x, weights, output, outputGradient]);
  const [forward, inputGradient, filterGradient] = bestMs.map((ms) => flops / ms / 1e6);
  return { ...convolution, forward, inputGradient, filterGradient };
}

function noise(shape: Shape4D): tf.Tensor4D {
  const values = random("wasm convolution", ...shape);
  const size = shape.reduce((product, length) => product * length, 1);
  const [batch, height, width, channels] = shape;
  const array = Float32Array.from({ length: size }, () => values.uniform() - 0.5);
  return tf.tensor4d(array, [batch, height, width, channels]);
}

function tableRow({ input, kernel, stride, ...rates }: ConvolutionRates): string {
  const share = (rate: number) =>
    `${rate.toFixed(1).padStart(6)} (${(rate / rates.forward).toFixed(2)})`;
  return `${`${input.join("x")} * ${kernel.join("x")} / ${stride}`.padEnd(32)} ` +
    `forward ${rates.forward.toFixed(1).padStart(5)}   ` +
    `input gradient ${share(rates.inputGradient)}   filter gradient ${share(rates.filterGradient)}`;
}
