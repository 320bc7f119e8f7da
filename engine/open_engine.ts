/**
 * Opens an engine by name. The engine's code is imported only then, so that a process on `wasm` never
 * touches FFI.
 */
import type { Engine, EngineName, EngineOptions } from "./engine.ts";
import { EngineError } from "./engine_error.ts";

export interface OpenEngineOptions extends EngineOptions {
  /** File of libtensorflow; without it the usual places are searched. */
  readonly libraryPath?: string;
}

/**
 * `auto` is `tensorflow` where a usable libtensorflow is found, else `wasm` on its one thread.
 * @throws {EngineError} if the engine cannot be opened, saying what to do
 */
export async function openEngine(
  name: "auto" | EngineName,
  options: OpenEngineOptions,
): Promise<Engine> {
  if (name === "wasm") return await openWasm(options);
  const libraryPath = options.libraryPath ?? await findLibrary();
  if (libraryPath !== undefined) {
    const { openTensorFlowEngine } = await import("./tensorflow/tensorflow_engine.ts");
    return await openTensorFlowEngine({ ...options, libraryPath });
  }
  if (name === "auto") return await openWasm({ ...options, threads: 1 });
  throw new EngineError(
    "Cannot open the tensorflow engine: no libtensorflow found; run `deno task setup`, set " +
      'TF_LIBRARY to a libtensorflow_cc.so.2, or use the engine "wasm"',
  );
}

async function findLibrary(): Promise<string | undefined> {
  const { locateTensorFlow } = await import("./tensorflow/locate.ts");
  return (await locateTensorFlow())?.path;
}

async function openWasm(options: EngineOptions): Promise<Engine> {
  const { openWasmEngine } = await import("./wasm/wasm_engine.ts");
  return await openWasmEngine(options);
}
