/**
 * Values in and out of a TF_Tensor, in the forms that tfjs-node's native binding takes and returns:
 * typed arrays, arrays of bytes for strings, pairs of numbers for complex64, and for int64 either
 * BigInt64Array or pairs of int32 (tfjs-node's Int64Scalar).
 */
import { EngineError } from "../engine_error.ts";
import { DataType, describeTensor, ELEMENT_BYTES } from "./data_types.ts";
import { type NativeLibrary, nonNull, type Pointer } from "./ffi.ts";
import { bytesHeader, messageField, varintField } from "./protobuf.ts";
import { Status } from "./status.ts";

/** What tfjs hands to a backend, and takes from it. */
export type NativeValues =
  | Float32Array
  | Int32Array
  | Uint8Array
  | BigInt64Array
  | Uint8Array[];

/** What tfjs may pass as values: typed arrays, but plain arrays of numbers and strings as well. */
export type TensorSource = NativeValues | ArrayLike<number | boolean | string | Uint8Array>;

/** sizeof(TF_TString): 24 bytes on every 64-bit platform (`tsl/platform/ctstring_internal.h`). */
const TSTRING_BYTES = 24;

/**
 * A new TF_Tensor; the caller deletes it.
 * @throws {EngineError} if the values do not fill the shape
 */
export function newNativeTensor(
  library: NativeLibrary,
  dtype: number,
  shape: readonly number[],
  values: TensorSource,
): Pointer {
  const elements = shape.reduce((product, size) => product * size, 1);
  return dtype === DataType.string
    ? newStringTensor(library, shape, elements, values)
    : newNumericTensor(library, dtype, shape, elements, values);
}

/** The values of a TF_Tensor, copied. */
export function readNativeTensor(library: NativeLibrary, tensor: Pointer): NativeValues {
  const dtype = library.TF_TensorType(tensor);
  if (dtype === DataType.string) return readStrings(library, tensor);
  const bytes = new Uint8Array(Number(library.TF_TensorByteSize(tensor)));
  const data = library.TF_TensorData(tensor);
  if (bytes.length > 0) {
    Deno.UnsafePointerView.copyInto(nonNull(data, "TF_TensorData"), bytes);
  }
  switch (dtype) {
    case DataType.float32:
    case DataType.complex64:
      return new Float32Array(bytes.buffer);
    case DataType.int32:
      return new Int32Array(bytes.buffer);
    case DataType.int64:
      return new BigInt64Array(bytes.buffer);
    case DataType.bool:
    case DataType.uint8:
      return bytes;
    case DataType.resource:
      return [bytes];
    default:
      throw new EngineError(
        `Cannot read a tensor of ${describeTensor(dtype, [])}: cast it to float32 first`,
      );
  }
}

function newNumericTensor(
  library: NativeLibrary,
  dtype: number,
  shape: readonly number[],
  elements: number,
  values: TensorSource,
): Pointer {
  const elementBytes = ELEMENT_BYTES.get(dtype);
  if (elementBytes === undefined) {
    throw new EngineError(`Cannot create a tensor of ${describeTensor(dtype, shape)} from values`);
  }
  const source = asBytes(dtype, values);
  const byteLength = elements * elementBytes;
  if (source.byteLength !== byteLength) {
    throw new EngineError(
      `Cannot create a tensor of ${describeTensor(dtype, shape)}: it takes ${byteLength} bytes, ` +
        `but the values have ${source.byteLength}`,
    );
  }
  const tensor = allocate(library, dtype, shape, byteLength);
  if (byteLength > 0) {
    const data = nonNull(library.TF_TensorData(tensor), "TF_TensorData");
    new Uint8Array(Deno.UnsafePointerView.getArrayBuffer(data, byteLength)).set(source);
  }
  return tensor;
}

function allocate(
  library: NativeLibrary,
  dtype: number,
  shape: readonly number[],
  byteLength: number,
): Pointer {
  const tensor = library.TF_AllocateTensor(
    dtype,
    BigInt64Array.from(shape, BigInt),
    shape.length,
    BigInt(byteLength),
  );
  if (tensor === null) {
    throw new EngineError(
      `Cannot allocate ${byteLength} bytes for a tensor of ${describeTensor(dtype, shape)}`,
    );
  }
  return tensor;
}

/** The bytes of the values, converted only where their array is not the dtype's own. */
function asBytes(dtype: number, values: TensorSource): Uint8Array {
  const typed = ArrayBuffer.isView(values) && isNativeArray(dtype, values)
    ? values
    : convert(dtype, values as ArrayLike<number>);
  return new Uint8Array(typed.buffer, typed.byteOffset, typed.byteLength);
}

function isNativeArray(dtype: number, values: ArrayBufferView): boolean {
  switch (dtype) {
    case DataType.float32:
    case DataType.complex64:
      return values instanceof Float32Array;
    case DataType.int32:
      return values instanceof Int32Array;
    case DataType.int64: // an Int32Array holds pairs of halves
      return values instanceof BigInt64Array || values instanceof Int32Array;
    case DataType.bool:
    case DataType.uint8:
      return values instanceof Uint8Array;
    default:
      return false;
  }
}

function convert(dtype: number, values: ArrayLike<number>): ArrayBufferView {
  switch (dtype) {
    case DataType.float32:
    case DataType.complex64:
      return Float32Array.from(values);
    case DataType.int32:
      return Int32Array.from(values);
    case DataType.int64:
      return BigInt64Array.from(Array.from(values, (value) => BigInt(Math.trunc(value))));
    case DataType.bool:
      return Uint8Array.from(values, (value) => value ? 1 : 0);
    case DataType.uint8:
      return Uint8Array.from(values);
    default:
      throw new EngineError(`Cannot create a tensor of ${describeTensor(dtype, [])} from values`);
  }
}

const encoder = new TextEncoder();

function newStringTensor(
  library: NativeLibrary,
  shape: readonly number[],
  elements: number,
  values: TensorSource,
): Pointer {
  // A scalar's bytes come bare, as one Uint8Array.
  const strings: readonly unknown[] = values instanceof Uint8Array ? [values] : Array.from(
    values as ArrayLike<unknown>,
  );
  if (strings.length !== elements) {
    throw new EngineError(
      `Cannot create a tensor of ${describeTensor(DataType.string, shape)}: it takes ` +
        `${elements} strings, but there are ${strings.length}`,
    );
  }
  const bytes = strings.map((value) =>
    value instanceof Uint8Array ? value : encoder.encode(String(value))
  );
  const proto = stringTensorProto(shape, bytes);
  const buffer = library.TF_NewBufferFromString(proto, BigInt(proto.length));
  const status = new Status(library);
  const tensor = allocate(library, DataType.float32, [], Float32Array.BYTES_PER_ELEMENT);
  try {
    library.TF_TensorFromProto(buffer, tensor, status.pointer);
    status.check(() => `Cannot create a tensor of ${describeTensor(DataType.string, shape)}`);
    return tensor;
  } catch (error) {
    library.TF_DeleteTensor(tensor);
    throw error;
  } finally {
    status.delete();
    library.TF_DeleteBuffer(buffer);
  }
}

/**
 * A TensorProto (`tensorflow/core/framework/tensor.proto`): dtype is field 1, tensor_shape 2 with its
 * dims 2 and their size 1, string_val 8. A tensor made of it owns its strings; one whose strings the
 * C API fills in place would leak every string that does not fit into its 24 bytes.
 */
function stringTensorProto(
  shape: readonly number[],
  strings: readonly Uint8Array[],
): Uint8Array<ArrayBuffer> {
  const dims = shape.flatMap((size) => messageField(2, varintField(1, size)));
  const head = [...varintField(1, DataType.string), ...messageField(2, dims)];
  const headers = strings.map((string) => bytesHeader(8, string.length));
  const bodies = strings.reduce((sum, string, i) => sum + headers[i].length + string.length, 0);
  const proto = new Uint8Array(head.length + bodies);
  proto.set(head);
  let at = head.length;
  strings.forEach((string, i) => {
    proto.set(headers[i], at);
    proto.set(string, at += headers[i].length);
    at += string.length;
  });
  return proto;
}

function readStrings(library: NativeLibrary, tensor: Pointer): Uint8Array[] {
  const strings: Uint8Array[] = [];
  const elements = Number(library.TF_TensorElementCount(tensor));
  for (let i = 0; i < elements; i++) {
    const element = stringElement(library, tensor, i);
    const bytes = new Uint8Array(Number(library.TF_StringGetSize(element)));
    if (bytes.length > 0) {
      const data = nonNull(library.TF_StringGetDataPointer(element), "TF_StringGetDataPointer");
      Deno.UnsafePointerView.copyInto(data, bytes);
    }
    strings.push(bytes);
  }
  return strings;
}

function stringElement(library: NativeLibrary, tensor: Pointer, index: number): Pointer {
  const data = nonNull(library.TF_TensorData(tensor), "TF_TensorData");
  return nonNull(Deno.UnsafePointer.offset(data, index * TSTRING_BYTES), "TF_TensorData");
}
