/** Calls of a traced function run off the event loop's thread, several at a time, and leak nothing. */
import assert from "node:assert/strict";
import { EngineError } from "../../../engine/engine_error.ts";
import { type Tensor, tf } from "../../../engine/tf.ts";
import { countsNativeBytes, nativeBytes } from "../../support/native_memory.ts";
import { bytesOf, engineTest, wave } from "./with_engine.ts";

engineTest(
  "a compiled function serves concurrent calls, inputs disposed meanwhile",
  async (engine) => {
    const compiled = engine.compile("power", ([x]) => {
      let y = x;
      for (let i = 0; i < 8; i++) y = tf.tanh(tf.matMul(y, x));
      return [y, tf.sum(y)];
    });
    const calls = Array.from({ length: 16 }, (_, i) => {
      const x = wave([64, 64], i);
      const call = compiled([x]);
      x.dispose();
      return call;
    });
    for (const [i, outputs] of (await Promise.all(calls)).entries()) {
      const x = wave([64, 64], i);
      const alone = await compiled([x]);
      assert.deepEqual(outputs.map(bytesOf), alone.map(bytesOf));
      tf.dispose([x, outputs, alone]);
    }
  },
);

engineTest("a compiled function leaves the event loop free", async (engine) => {
  const compiled = engine.compile("long", ([x]) => {
    let y = x;
    for (let i = 0; i < 40; i++) y = tf.tanh(tf.matMul(y, x));
    return [y];
  });
  const x = wave([512, 512]);
  tf.dispose(await compiled([x]));
  // One that holds up the event loop is over before any timer; beside others, this thread may now and
  // then wait for a processor for as long as a call takes.
  const isFree = async () => {
    const events: string[] = [];
    const call = compiled([x]).then((outputs) => {
      events.push("result");
      tf.dispose(outputs);
    });
    await new Promise((resolve) => setTimeout(resolve, 0));
    events.push("timer");
    await call;
    return events[0] === "timer";
  };
  let [calls, free] = [0, false];
  while (!free && calls++ < 50) free = await isFree();
  assert.ok(free, `no timer came during any of ${calls} calls`);
  x.dispose();
});

engineTest("dispose during a call waits for it", async (engine) => {
  const compiled = engine.compile("long", ([x]) => [tf.matMul(x, tf.matMul(x, x))]);
  const x = wave([512, 512]);
  const call = compiled([x]);
  compiled.dispose();
  tf.dispose([...await call, x]);
});

Deno.test("dispose of the engine during a call rejects the call", async () => {
  const { openEngine } = await import("../../../engine/open_engine.ts");
  const { tensorFlow } = await import("./with_engine.ts");
  if (tensorFlow === undefined) return;
  const engine = await openEngine("tensorflow", { threads: 2, precision: "float32" });
  const compiled = engine.compile("long", ([x]) => [tf.matMul(x, tf.matMul(x, x))]);
  const x = wave([512, 512]);
  const call = compiled([x]);
  engine.dispose();
  await assert.rejects(call, /disposed meanwhile/);
  await assert.rejects(compiled([x]), /was disposed/);
});

engineTest("200 steps leave handles and memory as they were", async (engine) => {
  const step = ([w, x]: Tensor[]) => {
    const loss = (w: Tensor) => tf.mean(tf.square(tf.tanh(tf.matMul(x, w)))) as tf.Scalar;
    const { value, grad } = tf.valueAndGrad(loss)(w);
    return [tf.sub(w, tf.mul(grad, 0.01)), value];
  };
  const traced = engine.compile("step", step);
  const eager = engine.compile("step", step, { mode: "eager" });
  const x = wave([256, 256]);
  let w = wave([256, 256], 1);
  let handles = 0;
  const measure = measureGrowth();
  for (let i = 0; i < 200; i++) {
    const compiled = i % 10 === 0 ? eager : traced;
    const [next, loss] = await compiled([w, x]);
    tf.dispose([w, loss]);
    w = next;
    if (i === 50) handles = engine.handleCount();
    if (i === 50) measure.begin();
    if (i > 50) assert.equal(engine.handleCount(), handles);
  }
  // 149 steps were measured; a tensor is 256 KB.
  measure.end(1e6);
  tf.dispose([w, x]);
});

engineTest("traces that fail or are disposed leave no memory", async (engine) => {
  const x = tf.zeros([2]);
  const big = Float32Array.from({ length: 262144 }, (_, i) => i); // 1 MB in each graph
  const measure = measureGrowth();
  for (let i = 0; i < 120; i++) {
    const compiled = engine.compile("big", ([x]) => {
      const sum = tf.add(tf.sum(tf.tensor1d(big)), x);
      if (i % 2 === 1) sum.dataSync();
      return [sum];
    });
    if (i % 2 === 0) tf.dispose(await compiled([x]));
    else await assert.rejects(compiled([x]), EngineError);
    compiled.dispose();
    if (i === 40) measure.begin();
  }
  // 79 graphs of 1 MB were measured.
  measure.end(1e6);
  x.dispose();
});

engineTest("tensors of strings leave no memory", () => {
  const text = "x".repeat(1_000_000);
  const measure = measureGrowth();
  for (let i = 0; i < 150; i++) {
    tf.tidy(() => assert.equal(tf.concat([tf.tensor1d([text]), tf.tensor1d([text])]).size, 2));
    if (i === 50) measure.begin();
  }
  // 198 strings of 1 MB were measured.
  measure.end(1e6);
});

/** What is not given back between two moments; where it cannot be counted, nothing is asserted. */
function measureGrowth() {
  let first = 0;
  return {
    begin() {
      if (countsNativeBytes) first = nativeBytes();
    },
    end(bytesMax: number) {
      if (!countsNativeBytes) return;
      const growth = nativeBytes() - first;
      assert.ok(growth < bytesMax, `${growth} bytes are not given back`);
    },
  };
}
