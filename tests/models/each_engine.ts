/** Registers a numerical test once for each engine, op by op and traced where the engine traces. */
import assert from "node:assert/strict";
import type { CompiledFunction, Engine, TensorFunction } from "../../engine/engine.ts";
import { openEngine } from "../../engine/open_engine.ts";
import { locateTensorFlow } from "../../engine/tensorflow/locate.ts";
import { tf } from "../../engine/tf.ts";

/** Compiles a function in the mode under test. */
export type Compile = (name: string, fn: TensorFunction) => CompiledFunction;

const hasTensorFlow = await locateTensorFlow() !== undefined;
if (!hasTensorFlow) {
  console.warn("Tests on libtensorflow are skipped: none found; run 'deno task setup'");
}

/** How near an engine is to numbers computed in float64, for `assertClose`. */
export interface Tolerance {
  readonly relative: number;
  readonly floor: number;
}

const tolerances: Readonly<Record<"tensorflow" | "wasm", Tolerance>> = {
  tensorflow: { relative: 1e-5, floor: 1e-6 },
  wasm: { relative: 1e-4, floor: 1e-6 },
};

type TestBody = (compile: Compile, tolerance: Tolerance) => Promise<void>;

export function testOnEachEngine(name: string, run: TestBody): void {
  for (const engineName of ["tensorflow", "wasm"] as const) {
    const ignore = engineName === "tensorflow" && !hasTensorFlow;
    Deno.test({ name: `${name}, on ${engineName}`, ignore, fn: () => onEngine(engineName, run) });
  }
}

async function onEngine(
  name: "tensorflow" | "wasm",
  run: TestBody,
): Promise<void> {
  const engine: Engine = await openEngine(name, { threads: 1, precision: "float32" });
  try {
    for (const mode of name === "wasm" ? ["eager"] as const : ["eager", "traced"] as const) {
      const tensors = tf.memory().numTensors;
      const compile: Compile = (functionName, fn) => engine.compile(functionName, fn, { mode });
      await run(compile, tolerances[name]);
      assert.equal(tf.memory().numTensors, tensors, "tensors are left over");
    }
  } finally {
    engine.dispose();
  }
}
