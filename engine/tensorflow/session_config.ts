/**
 * Every switch of TensorFlow that the engine sets, in one place: environment variables, which the
 * library reads when it is loaded, and the ConfigProto of the eager context, written by hand
 * (`tensorflow/core/protobuf/config.proto`).
 */
import { messageField, varintField } from "./protobuf.ts";
import { showsAllGpus } from "./visible_devices.ts";

export interface SessionOptions {
  /** Ops that run at the same time, each on one thread. */
  readonly threads: number;
}

/**
 * Environment variables to set before the library is loaded; one that the user has set stays.
 *
 * `TF_CPP_MIN_LOG_LEVEL`: TensorFlow writes greetings and warnings to standard error; errors come
 * back as a status anyway. `TF_OVERRIDE_GLOBAL_THREADPOOL`: without it the first context of a
 * process fixes the number of threads of all later ones, which would silently ignore `threads`.
 */
const everywhere = {
  TF_CPP_MIN_LOG_LEVEL: "3",
  TF_OVERRIDE_GLOBAL_THREADPOOL: "1",
} as const;

/**
 * On a GPU. `TF_DETERMINISTIC_OPS`: else kernels add in the order in which their threads arrive, and
 * convolutions use whichever algorithm was fastest in a trial, so that no two runs end alike. Ops
 * without such a kernel fail and say so.
 */
const onGpu = { TF_DETERMINISTIC_OPS: "1" } as const;

const devices = "CUDA_VISIBLE_DEVICES";

/** Every variable that `applyEnvironment` may read or set. */
export const environmentNames: readonly string[] = Object.keys({ ...everywhere, ...onGpu });

/** Sets what the user has not set. Native code in this process reads it through `getenv`. */
export function applyEnvironment(hasGpu: boolean): void {
  for (const [name, value] of Object.entries({ ...everywhere, ...(hasGpu ? onGpu : {}) })) {
    if (Deno.env.get(name) === undefined) Deno.env.set(name, value);
  }
  // CUDA would see no GPU.
  if (showsAllGpus(Deno.env.get(devices) ?? "")) Deno.env.delete(devices);
}

/**
 * A serialized ConfigProto. One thread inside each op: the threads go to independent ops instead,
 * which on two cores makes a training step of four shards a quarter faster than two threads inside
 * each op, and the bits of a sum then do not depend on the number of threads.
 */
export function sessionConfig({ threads }: SessionOptions): Uint8Array<ArrayBuffer> {
  return Uint8Array.from([
    ...varintField(2, 1), // intra_op_parallelism_threads
    ...varintField(5, threads), // inter_op_parallelism_threads
    ...messageField(6, [ // gpu_options
      ...varintField(4, 1), // allow_growth: take GPU memory as needed, not all of it at once
    ]),
  ]);
}
