/** Op-by-op execution, and the table of native tensor handles behind tfjs's tensors. */
import { EngineError } from "../engine_error.ts";
import type { TensorFlowContext } from "./context.ts";
import { DataType, describeTensor } from "./data_types.ts";
import { cName, nonNull, type Pointer } from "./ffi.ts";
import {
  type NativeValues,
  newNativeTensor,
  readNativeTensor,
  type TensorSource,
} from "./native_tensor.ts";
import {
  type AttributeSetters,
  eagerSetters,
  type OpAttribute,
  setAttribute,
} from "./op_attribute.ts";
import type { OpRunner, TensorIds, TensorMetadata } from "./op_runner.ts";
import { Status } from "./status.ts";

/** Room for the outputs of nearly every op; one with more gets more. */
const OUTPUTS_MIN = 16;

export class EagerRunner implements OpRunner {
  readonly #context: TensorFlowContext;
  readonly #ids: TensorIds;
  readonly #handles = new Map<number, Pointer>();
  readonly #status: Status;
  readonly #setters: AttributeSetters;
  #outputs = new BigUint64Array(OUTPUTS_MIN);
  readonly #outputCount = new Int32Array(1);

  constructor(context: TensorFlowContext, ids: TensorIds) {
    this.#context = context;
    this.#ids = ids;
    this.#status = new Status(context.library);
    this.#setters = eagerSetters(context.library, this.#status.pointer);
  }

  get handleCount(): number {
    return this.#handles.size;
  }

  has(id: number): boolean {
    return this.#handles.has(id);
  }

  createTensor(shape: readonly number[], dtype: number, values: TensorSource): number {
    const { library } = this.#context;
    const tensor = newNativeTensor(library, dtype, shape, values);
    const handle = library.TFE_NewTensorHandle(tensor, this.#status.pointer);
    library.TF_DeleteTensor(tensor);
    this.#status.check(() => `Cannot create a tensor of ${describeTensor(dtype, shape)}`);
    return this.#add(this.#toDevice(nonNull(handle, "TFE_NewTensorHandle"), dtype));
  }

  deleteTensor(id: number): void {
    const handle = this.#handles.get(id);
    if (handle === undefined) return;
    this.#handles.delete(id);
    this.#context.library.TFE_DeleteTensorHandle(handle);
  }

  /**
   * The values of a tensor, copied; waits until they are computed.
   * @throws {EngineError} if the tensor was disposed or cannot be read
   */
  read(id: number): NativeValues {
    const { library } = this.#context;
    const tensor = library.TFE_TensorHandleResolve(this.handle(id), this.#status.pointer);
    this.#status.check(() => `Cannot read a tensor of ${this.describe(id)}`);
    const resolved = nonNull(tensor, "TFE_TensorHandleResolve");
    try {
      return readNativeTensor(library, resolved);
    } finally {
      library.TF_DeleteTensor(resolved);
    }
  }

  executeOp(
    opName: string,
    attributes: readonly OpAttribute[],
    inputs: readonly number[],
    outputCount: number,
  ): TensorMetadata[] {
    const { library, pointer: context } = this.#context;
    const status = this.#status;
    const action = () => `Cannot run op "${opName}" on ${this.#describeAll(inputs)}`;
    const handles = inputs.map((id) => this.handle(id));
    const newOp = library.TFE_NewOp(context, cName(opName), status.pointer);
    status.check(action);
    const op = nonNull(newOp, "TFE_NewOp");
    try {
      for (const handle of handles) {
        library.TFE_OpAddInput(op, handle, status.pointer);
        status.check(action);
      }
      for (const attribute of attributes) setAttribute(this.#setters, op, attribute);
      status.check(action);
      if (outputCount > this.#outputs.length) this.#outputs = new BigUint64Array(outputCount);
      this.#outputCount[0] = outputCount;
      library.TFE_Execute(op, this.#outputs, this.#outputCount, status.pointer);
      status.check(action);
    } finally {
      library.TFE_DeleteOp(op);
    }
    return this.adopt(this.#outputs.subarray(0, this.#outputCount[0]));
  }

  /** Takes over the handles that an execution returned. */
  adopt(handles: BigUint64Array): TensorMetadata[] {
    return Array.from(handles, (address) => {
      const handle = nonNull(Deno.UnsafePointer.create(address), "TFE_Execute");
      return { ...this.#inspect(handle), id: this.#add(handle) };
    });
  }

  metadata(id: number): TensorMetadata {
    return { ...this.#inspect(this.handle(id)), id };
  }

  /** The native handle of a tensor. */
  handle(id: number): Pointer {
    const handle = this.#handles.get(id);
    if (handle === undefined) {
      throw new EngineError(
        `Cannot use tensor ${id}: it was disposed, or recorded inside a traced function and never ` +
          "computed; a traced function must return what is used outside of it",
      );
    }
    return handle;
  }

  describe(id: number): string {
    if (!this.#handles.has(id)) return "a disposed tensor";
    const { dtype, shape } = this.metadata(id);
    return describeTensor(dtype, shape);
  }

  /** Frees every handle; none of the tensors can be used again. */
  delete(): void {
    for (const id of [...this.#handles.keys()]) this.deleteTensor(id);
    this.#status.delete();
  }

  #describeAll(ids: readonly number[]): string {
    return ids.map((id) => this.describe(id)).join(", ") || "no inputs";
  }

  #add(handle: Pointer): number {
    const id = this.#ids.next();
    this.#handles.set(id, handle);
    return id;
  }

  #inspect(handle: Pointer): { dtype: number; shape: number[] } {
    const { library } = this.#context;
    const status = this.#status.pointer;
    const rank = library.TFE_TensorHandleNumDims(handle, status);
    const shape: number[] = [];
    for (let i = 0; i < rank; i++) {
      shape.push(Number(library.TFE_TensorHandleDim(handle, i, status)));
    }
    return { dtype: library.TFE_TensorHandleDataType(handle), shape };
  }

  /** Kernels on a GPU take int32 and strings from the host's memory, all else from the GPU's. */
  #toDevice(handle: Pointer, dtype: number): Pointer {
    const { library, pointer: context, device } = this.#context;
    if (device.gpu === undefined || dtype === DataType.int32 || dtype === DataType.string) {
      return handle;
    }
    const copy = library.TFE_TensorHandleCopyToDevice(
      handle,
      context,
      cName(device.gpu),
      this.#status.pointer,
    );
    library.TFE_DeleteTensorHandle(handle);
    this.#status.check(() => `Cannot copy a tensor to ${device.description}`);
    return nonNull(copy, "TFE_TensorHandleCopyToDevice");
  }
}
