import assert from "node:assert/strict";
import { EngineError } from "../../../engine/engine_error.ts";
import { tf } from "../../../engine/tf.ts";
import { openWasmEngine } from "../../../engine/wasm/wasm_engine.ts";

const options = { threads: 1, precision: "float32" } as const;

Deno.test("openWasmEngine() says what it runs on", async () => {
  const engine = await openWasmEngine(options);
  assert.equal(engine.name, "wasm");
  assert.equal(engine.mode, "eager");
  assert.equal(engine.device, "CPU (WebAssembly SIMD, 1 thread)");
  assert.match(engine.version, /^TensorFlow\.js WASM \d+\.\d+\.\d+$/);
  assert.equal(tf.getBackend(), "wasm");
});

Deno.test("openWasmEngine() refuses bfloat16 and more than one thread", async () => {
  await assert.rejects(openWasmEngine({ threads: 1, precision: "bfloat16" }), {
    name: "EngineError",
    message: /float32 only/,
  });
  await assert.rejects(openWasmEngine({ threads: 2, precision: "float32" }), {
    name: "EngineError",
    message: /with 2 threads.*1 thread/,
  });
});

Deno.test("openWasmEngine() writes nothing to standard error", async () => {
  const engineUrl = new URL("../../../engine/wasm/wasm_engine.ts", import.meta.url);
  const program = `
    import { openWasmEngine } from ${JSON.stringify(engineUrl.href)};
    const engine = await openWasmEngine(${JSON.stringify(options)});
    console.log(engine.name, engine.handleCount());
  `;
  const script = await Deno.makeTempFile({ suffix: ".ts" });
  try {
    await Deno.writeTextFile(script, program);
    const config = new URL("../../../deno.json", import.meta.url).pathname;
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--quiet", "--no-check", "--config", config, script],
    }).output();
    assert.equal(new TextDecoder().decode(stderr), "");
    assert.equal(new TextDecoder().decode(stdout), "wasm 0\n");
    assert.equal(code, 0);
  } finally {
    await Deno.remove(script);
  }
});

Deno.test("compile() keeps the outputs, the inputs and nothing else", async () => {
  const engine = await openWasmEngine(options);
  const input = tf.tensor1d([1, 2, 3]);
  const before = engine.handleCount();
  const step = engine.compile("step", ([x]) => {
    const scaled = tf.mul(x, 2);
    return [tf.add(scaled, 1), tf.sum(tf.square(scaled))];
  });
  for (let call = 0; call < 3; call++) {
    const outputs = await step([input]);
    assert.deepEqual(outputs.map((output) => [...output.dataSync()]), [[3, 5, 7], [56]]);
    assert.equal(engine.handleCount(), before + 2);
    tf.dispose(outputs);
    assert.equal(engine.handleCount(), before);
  }
  assert.equal(input.isDisposed, false);
  input.dispose();
});

Deno.test("compile() gives outputs of their own where the function passes tensors on", async () => {
  const engine = await openWasmEngine(options);
  const [input, captured] = [tf.scalar(1), tf.scalar(2)];
  const before = engine.handleCount();
  const pass = engine.compile("pass", ([x]) => {
    const twice = tf.mul(x, 2);
    return [x, captured, twice, twice];
  });
  const outputs = await pass([input]);
  assert.equal(engine.handleCount(), before + 4);
  tf.dispose(outputs);
  assert.equal(engine.handleCount(), before);
  assert.deepEqual([input.dataSync()[0], captured.dataSync()[0]], [1, 2]);
  tf.dispose([input, captured]);
});

Deno.test("compile() runs gradients without leaving tensors behind", async () => {
  const engine = await openWasmEngine(options);
  const x = tf.randomUniform([2, 8, 8, 3], -1, 1, "float32", 1);
  const kernel = tf.randomUniform([3, 3, 3, 8], -1, 1, "float32", 2);
  const train = engine.compile("train", ([x, kernel]) => {
    const loss = (kernel: tf.Tensor) => {
      const gates = tf.split(
        tf.conv2d(x as tf.Tensor4D, kernel as tf.Tensor4D, 1, "same"),
        4,
        3,
      );
      return tf.mean(tf.mul(tf.sigmoid(gates[0]), tf.tanh(gates[3]))) as tf.Scalar;
    };
    const { value, grad } = tf.valueAndGrad(loss)(kernel);
    return [value, grad];
  });
  const before = tf.memory();
  const results = [];
  for (let call = 0; call < 5; call++) {
    const outputs = await train([x, kernel]);
    results.push(outputs.map((output) => output.dataSync().join()).join(";"));
    tf.dispose(outputs);
  }
  assert.equal(new Set(results).size, 1);
  assert.equal(tf.memory().numTensors, before.numTensors);
  assert.equal(tf.memory().numDataBuffers, before.numDataBuffers);
  tf.dispose([x, kernel]);
});

Deno.test("compile() rejects wrong use with an EngineError that names the function", async () => {
  const engine = await openWasmEngine(options);
  const rejects = (run: Promise<unknown>, message: RegExp) =>
    assert.rejects(run, (error) => error instanceof EngineError && message.test(error.message));
  assert.throws(() => engine.compile("f", (x) => x, { mode: "traced" }), {
    name: "EngineError",
    message: /Cannot trace "f"/,
  });
  const input = tf.tensor1d([1, 2]);
  const wrong = engine.compile("wrong", () => [3 as unknown as tf.Tensor]);
  await rejects(wrong([input]), /"wrong".*must return an array of tensors/);
  const greedy = engine.compile("greedy", ([x]) => {
    const y = tf.mul(x, 2);
    x.dispose();
    return [y];
  });
  const before = engine.handleCount();
  await rejects(greedy([input]), /"greedy".*input 0 of shape \[2\] was disposed by the function/);
  assert.equal(engine.handleCount(), before - 1);
  await rejects(greedy([input]), /"greedy".*was disposed before the call/);
  const fine = engine.compile("fine", () => [tf.scalar(1)]);
  fine.dispose();
  await rejects(fine([]), /"fine".*disposed/);
  const late = engine.compile("late", () => [tf.scalar(1)]);
  engine.dispose();
  await rejects(late([]), /"late".*disposed/);
});
