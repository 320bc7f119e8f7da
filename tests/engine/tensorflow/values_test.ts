/** Values of every dtype go in and come out unchanged, op by op and through a traced function. */
import assert from "node:assert/strict";
import { type Tensor, tf } from "../../../engine/tf.ts";
import { engineTest, tensorFlow } from "./with_engine.ts";
import { openTensorFlow } from "../../../engine/tensorflow/locate.ts";
import { newNativeTensor, readNativeTensor } from "../../../engine/tensorflow/native_tensor.ts";
import { DataType } from "../../../engine/tensorflow/data_types.ts";

engineTest("numbers and booleans keep their values", async (engine) => {
  const inputs = [
    tf.tensor1d([1.5, -0, NaN, Infinity, 1e-45]),
    tf.tensor1d([2147483647, -2147483648, 0], "int32"),
    tf.tensor2d([[true, false], [false, true]]),
    tf.zeros([0, 3]),
    tf.scalar(3),
  ];
  const compiled = engine.compile("same", (inputs) => inputs.map((x) => tf.reshape(x, x.shape)));
  const outputs = await compiled(inputs);
  outputs.forEach((output, i) => {
    assert.deepEqual(output.shape, inputs[i].shape);
    assert.deepEqual(output.dataSync(), inputs[i].dataSync());
  });
  tf.dispose([inputs, outputs]);
});

engineTest("strings keep their bytes", async (engine) => {
  const texts = ["", "short", "ünïcödé 雨", "x".repeat(10_000)];
  const x = tf.tensor2d(texts, [2, 2], "string");
  const joined = tf.concat([x, x], 1);
  assert.deepEqual(joined.arraySync(), [[...texts.slice(0, 2), ...texts.slice(0, 2)], [
    ...texts.slice(2),
    ...texts.slice(2),
  ]]);
  const compiled = engine.compile(
    "join",
    ([x]) => [tf.concat([x, tf.tensor2d([["c"], ["d"]])], 1)],
  );
  const [traced] = await compiled([x]);
  assert.deepEqual(traced.arraySync(), [[...texts.slice(0, 2), "c"], [...texts.slice(2), "d"]]);
  tf.dispose([x, joined, traced]);
});

engineTest("complex numbers keep both parts", async (engine) => {
  const compiled = engine.compile("complex", ([re, im]) => {
    const z = tf.complex(re, im);
    return [tf.real(z), tf.imag(z), tf.abs(z), tf.real(tf.spectral.ifft(tf.spectral.fft(z)))];
  });
  const [re, im] = [tf.tensor1d([3, 0]), tf.tensor1d([4, 1])];
  const outputs = await compiled([re, im]);
  assert.deepEqual(outputs.map((x) => [...x.dataSync()]), [[3, 0], [4, 1], [5, 1], [3, 0]]);
  const z = tf.complex(re, im);
  assert.deepEqual(z.dataSync(), Float32Array.of(3, 4, 0, 1) as unknown);
  tf.dispose([re, im, z, outputs]);
});

Deno.test("native tensors of every dtype read back what was written", {
  ignore: tensorFlow === undefined,
}, () => {
  const { library } = openTensorFlow(tensorFlow!.path);
  const cases = [
    [DataType.float32, Float32Array.of(1.5, -2)],
    [DataType.int32, Int32Array.of(1, -2)],
    [DataType.uint8, Uint8Array.of(0, 255)],
    [DataType.bool, Uint8Array.of(1, 0)],
    [DataType.int64, BigInt64Array.of(2n ** 62n, -1n)],
    [DataType.string, [Uint8Array.of(0, 255, 7), new Uint8Array(100).fill(9)]],
  ] as const;
  for (const [dtype, values] of cases) {
    const tensor = newNativeTensor(library, dtype, [2], values as Uint8Array[] | Float32Array);
    assert.deepEqual(readNativeTensor(library, tensor), values);
    library.TF_DeleteTensor(tensor);
  }
  // tfjs-node writes an int64 as two int32, low half first.
  const pair = newNativeTensor(library, DataType.int64, [], Int32Array.of(-5, -1));
  assert.deepEqual(readNativeTensor(library, pair), BigInt64Array.of(-5n));
  library.TF_DeleteTensor(pair);
  assert.throws(
    () => newNativeTensor(library, DataType.float32, [3], Float32Array.of(1, 2)),
    /float32 \[3\]: it takes 12 bytes, but the values have 8/,
  );
});

engineTest("TensorBoard summaries of tfjs-node are written", async () => {
  const backend = tf.backend() as unknown as {
    summaryWriter(folder: string): Tensor;
    createSummaryFileWriter(writer: Tensor, folder: string): void;
    writeScalarSummary(writer: Tensor, step: number, name: string, value: number): void;
    flushSummaryWriter(writer: Tensor): void;
  };
  const folder = await Deno.makeTempDir();
  try {
    tf.tidy(() => {
      const writer = backend.summaryWriter(folder);
      backend.createSummaryFileWriter(writer, folder);
      backend.writeScalarSummary(writer, 3, "loss", 0.25);
      backend.flushSummaryWriter(writer);
    });
    const [file] = [...Deno.readDirSync(folder)];
    const content = new TextDecoder("latin1").decode(await Deno.readFile(`${folder}/${file.name}`));
    assert.ok(content.includes("loss"));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
