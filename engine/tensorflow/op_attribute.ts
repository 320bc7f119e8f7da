/**
 * Attributes of an op, as tfjs-node's kernels write them (`TFEOpAttr`), set on an eager op or on a
 * node of a graph: both families of C functions have the same shape, so one function serves both.
 */
import { EngineError } from "../engine_error.ts";
import { cName, type NativeLibrary, type Pointer } from "./ffi.ts";

/** TF_AttrType of `tensorflow/c/tf_attrtype.h`. */
export const AttributeType = {
  string: 0,
  int: 1,
  float: 2,
  bool: 3,
  type: 4,
  shape: 5,
  func: 8,
} as const;

export interface OpAttribute {
  readonly name: string;
  /** One of `AttributeType`. */
  readonly type: number;
  /** An array is a list attribute, except for a shape, whose list is an array of arrays. */
  readonly value: unknown;
}

type SetString = (op: Pointer, name: BufferSource, value: BufferSource, bytes: bigint) => void;
type SetList = (op: Pointer, name: BufferSource, values: BufferSource, count: number) => void;

/** The setters of one kind of op, eager or recorded. */
export interface AttributeSetters {
  string: SetString;
  int(op: Pointer, name: BufferSource, value: bigint): void;
  float(op: Pointer, name: BufferSource, value: number): void;
  bool(op: Pointer, name: BufferSource, value: number): void;
  type(op: Pointer, name: BufferSource, value: number): void;
  shape: SetList;
  func: SetString;
  strings(
    op: Pointer,
    name: BufferSource,
    values: BufferSource,
    lengths: BufferSource,
    count: number,
  ): void;
  ints: SetList;
  floats: SetList;
  bools: SetList;
  types: SetList;
  shapes(
    op: Pointer,
    name: BufferSource,
    dims: BufferSource,
    ranks: BufferSource,
    count: number,
  ): void;
}

/** Setters for TFE_Op; a malformed shape sets the status. */
export function eagerSetters(library: NativeLibrary, status: Pointer): AttributeSetters {
  return {
    string: library.TFE_OpSetAttrString,
    int: library.TFE_OpSetAttrInt,
    float: library.TFE_OpSetAttrFloat,
    bool: library.TFE_OpSetAttrBool,
    type: library.TFE_OpSetAttrType,
    shape: (op, name, dims, rank) => library.TFE_OpSetAttrShape(op, name, dims, rank, status),
    func: library.TFE_OpSetAttrFunctionName,
    strings: library.TFE_OpSetAttrStringList,
    ints: library.TFE_OpSetAttrIntList,
    floats: library.TFE_OpSetAttrFloatList,
    bools: library.TFE_OpSetAttrBoolList,
    types: library.TFE_OpSetAttrTypeList,
    shapes: (op, name, dims, ranks, count) =>
      library.TFE_OpSetAttrShapeList(op, name, dims, ranks, count, status),
  };
}

/** Setters for TF_OperationDescription. */
export function graphSetters(library: NativeLibrary): AttributeSetters {
  return {
    string: library.TF_SetAttrString,
    int: library.TF_SetAttrInt,
    float: library.TF_SetAttrFloat,
    bool: library.TF_SetAttrBool,
    type: library.TF_SetAttrType,
    shape: library.TF_SetAttrShape,
    func: library.TF_SetAttrFuncName,
    strings: library.TF_SetAttrStringList,
    ints: library.TF_SetAttrIntList,
    floats: library.TF_SetAttrFloatList,
    bools: library.TF_SetAttrBoolList,
    types: library.TF_SetAttrTypeList,
    shapes: library.TF_SetAttrShapeList,
  };
}

const encoder = new TextEncoder();

/** @throws {EngineError} for a type of attribute that no kernel uses */
export function setAttribute(
  setters: AttributeSetters,
  op: Pointer,
  { name: attributeName, type, value }: OpAttribute,
): void {
  const name = cName(attributeName);
  const isList = Array.isArray(value);
  switch (type) {
    case AttributeType.string: {
      if (isList) return setStrings(setters, op, name, value as string[]);
      const bytes = encoder.encode(String(value));
      return setters.string(op, name, bytes, BigInt(bytes.length));
    }
    case AttributeType.int:
      return isList
        ? setters.ints(op, name, BigInt64Array.from(value, integer), value.length)
        : setters.int(op, name, integer(value));
    case AttributeType.float:
      return isList
        ? setters.floats(op, name, Float32Array.from(value as number[]), value.length)
        : setters.float(op, name, Number(value));
    case AttributeType.bool:
      return isList
        ? setters.bools(op, name, Uint8Array.from(value, (item) => item ? 1 : 0), value.length)
        : setters.bool(op, name, value ? 1 : 0);
    case AttributeType.type:
      return isList
        ? setters.types(op, name, Int32Array.from(value as number[]), value.length)
        : setters.type(op, name, Number(value));
    case AttributeType.shape:
      return isList && Array.isArray(value[0])
        ? setShapes(setters, op, name, value as number[][])
        : setters.shape(
          op,
          name,
          BigInt64Array.from(value as number[], BigInt),
          (value as number[]).length,
        );
    case AttributeType.func: {
      const bytes = encoder.encode(String(value));
      return setters.func(op, name, bytes, BigInt(bytes.length));
    }
    default:
      throw new EngineError(
        `Cannot set attribute "${attributeName}": unknown TF_AttrType ${type}`,
      );
  }
}

/** tfjs passes a multinomial's seed as a fraction; like tfjs-node's binding, cut it off. */
function integer(value: unknown): bigint {
  return BigInt(Math.trunc(Number(value)));
}

function setStrings(
  setters: AttributeSetters,
  op: Pointer,
  name: BufferSource,
  values: readonly string[],
): void {
  const bytes = values.map((value) => encoder.encode(value));
  setters.strings(
    op,
    name,
    addresses(bytes),
    BigUint64Array.from(bytes, (item) => BigInt(item.length)),
    values.length,
  );
}

function setShapes(
  setters: AttributeSetters,
  op: Pointer,
  name: BufferSource,
  shapes: readonly number[][],
): void {
  const dims = shapes.map((shape) => BigInt64Array.from(shape, BigInt));
  const ranks = Int32Array.from(shapes, (shape) => shape.length);
  setters.shapes(op, name, addresses(dims), ranks, shapes.length);
}

/** A C array of pointers; the buffers must stay referenced until the call returns. */
function addresses(buffers: readonly ArrayBufferView<ArrayBuffer>[]): BigUint64Array<ArrayBuffer> {
  return BigUint64Array.from(
    buffers,
    (buffer) => BigInt(Deno.UnsafePointer.value(Deno.UnsafePointer.of(buffer))),
  );
}
