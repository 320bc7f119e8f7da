/**
 * tfjs-node's backend with its one lazy habit made safe for tracing: it keeps the values of a new
 * tensor until an op first uses it. A tensor made inside a trace must then become a constant of the
 * graph, but one made before it a real tensor that the trace captures.
 *
 * This file is the only one that names tfjs-node.
 */
import { tf } from "../tf.ts";
import type { Binding } from "./binding.ts";
import { restoreNodeUtil } from "./node_util_shim.ts";
import type { OpAttribute } from "./op_attribute.ts";
import type { TensorMetadata } from "./op_runner.ts";

/** tfjs-node's kernels are registered for a backend of this name. */
export const BACKEND_NAME = "tensorflow";

export type DataId = tf.Tensor["dataId"];
export type BackendValues = tf.backend_util.BackendValues;

/** What tfjs-node's backend knows about a tensor's data. */
interface TensorEntry {
  readonly shape: number[];
  /** TF_DataType. */
  readonly dtype: number;
  /** Values that are not yet on the device; then `id` means nothing. */
  readonly values: BackendValues | null;
  readonly id: number;
}

/** A kernel's input: a tensor, or tfjs-node's own int64 scalar, which has no data id. */
export type KernelInput = { readonly dataId?: DataId };

/** The parts of NodeJSKernelBackend that the engine uses; its own declaration hides half of them. */
interface NodeBackend extends tf.KernelBackend {
  readonly tensorMap: { has(dataId: DataId): boolean; get(dataId: DataId): TensorEntry };
  getInputTensorIds(tensors: readonly KernelInput[]): number[];
  createOutputTensor(metadata: TensorMetadata): tf.Tensor;
  executeSingleOutput(
    opName: string,
    attributes: readonly OpAttribute[],
    inputs: readonly tf.TensorInfo[],
  ): tf.Tensor;
}

/** What a running trace wants to know and decide. */
export interface TraceHooks {
  /** A tensor was made from values inside the trace. */
  onWrite(dataId: DataId): void;
  /** A value is about to be read; throws unless the trace may. */
  onRead(dataId: DataId): void;
  /** The recorded tensor for an input that was made outside the trace or from values. */
  resolve(dataId: DataId): number;
}

export interface TracingBackend extends NodeBackend {
  /** Set while a function is traced. */
  trace: TraceHooks | undefined;
  /** The native tensor of some data, put on the device now if it was not yet. */
  eagerId(dataId: DataId): number;
}

/** Loads tfjs-node's kernels and makes a backend that runs them on the binding. */
export async function loadBackend(binding: Binding): Promise<TracingBackend> {
  restoreNodeUtil();
  const { NodeJSKernelBackend } = await import(
    "@tensorflow/tfjs-node-gpu/dist/nodejs_kernel_backend.js"
  );
  await import("@tensorflow/tfjs-node-gpu/dist/register_all_kernels.js");
  const Base = NodeJSKernelBackend as unknown as new (
    binding: Binding,
    packageName: string,
  ) => NodeBackend;

  return new (class extends Base implements TracingBackend {
    trace: TraceHooks | undefined;

    override write(values: BackendValues, shape: number[], dtype: tf.DataType): DataId {
      const dataId = super.write(values, shape, dtype);
      this.trace?.onWrite(dataId);
      return dataId;
    }

    override readSync(dataId: DataId): BackendValues {
      this.trace?.onRead(dataId);
      return super.readSync(dataId) as BackendValues;
    }

    override getInputTensorIds(tensors: readonly KernelInput[]): number[] {
      const { trace } = this;
      if (trace === undefined) return super.getInputTensorIds(tensors);
      return tensors.map((tensor) =>
        tensor.dataId === undefined
          ? super.getInputTensorIds([tensor])[0]
          : trace.resolve(tensor.dataId)
      );
    }

    eagerId(dataId: DataId): number {
      return super.getInputTensorIds([{ dataId }])[0];
    }
  })(binding, "@tensorflow/tfjs-node-gpu");
}
