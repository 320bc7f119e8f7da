/**
 * The part of libtensorflow's C API that the engine calls, in one table, after
 * `tensorflow/c/c_api.h`, `c/eager/c_api.h` and `c/tf_tstring.h`. The library is opened on the first
 * call, never at import, so that a process without it can still use the `wasm` engine.
 */
import { EngineError } from "../engine_error.ts";
import { keepLoaded } from "./keep_loaded.ts";

const TF_OUTPUT = { struct: ["pointer", "i32"] } as const; // {TF_Operation* oper; int index}

const symbols = {
  TF_Version: { parameters: [], result: "pointer" },

  TF_NewStatus: { parameters: [], result: "pointer" },
  TF_DeleteStatus: { parameters: ["pointer"], result: "void" },
  TF_GetCode: { parameters: ["pointer"], result: "i32" },
  TF_Message: { parameters: ["pointer"], result: "pointer" },

  TF_NewBuffer: { parameters: [], result: "pointer" },
  TF_NewBufferFromString: { parameters: ["buffer", "usize"], result: "pointer" }, // proto, proto_len
  TF_DeleteBuffer: { parameters: ["pointer"], result: "void" },

  TFE_NewContextOptions: { parameters: [], result: "pointer" },
  TFE_DeleteContextOptions: { parameters: ["pointer"], result: "void" },
  TFE_ContextOptionsSetConfig: {
    parameters: [
      "pointer", // options
      "buffer", // proto
      "usize", // proto_len
      "pointer", // status
    ],
    result: "void",
  },
  TFE_NewContext: { parameters: ["pointer", "pointer"], result: "pointer" }, // options, status
  TFE_DeleteContext: { parameters: ["pointer"], result: "void" },
  TFE_ContextListDevices: { parameters: ["pointer", "pointer"], result: "pointer" }, // ctx, status
  TFE_ContextAddFunction: {
    parameters: [
      "pointer", // ctx
      "pointer", // function
      "pointer", // status
    ],
    result: "void",
  },
  TFE_ContextRemoveFunction: {
    parameters: [
      "pointer", // ctx
      "buffer", // name
      "pointer", // status
    ],
    result: "void",
  },
  TF_DeviceListCount: { parameters: ["pointer"], result: "i32" },
  TF_DeviceListName: { parameters: ["pointer", "i32", "pointer"], result: "pointer" },
  TF_DeviceListType: { parameters: ["pointer", "i32", "pointer"], result: "pointer" },
  TF_DeleteDeviceList: { parameters: ["pointer"], result: "void" },

  TF_AllocateTensor: {
    parameters: [
      "i32", // dtype
      "buffer", // dims
      "i32", // num_dims
      "usize", // len
    ],
    result: "pointer",
  },
  TF_DeleteTensor: { parameters: ["pointer"], result: "void" },
  TF_TensorType: { parameters: ["pointer"], result: "i32" },
  TF_TensorData: { parameters: ["pointer"], result: "pointer" },
  TF_TensorByteSize: { parameters: ["pointer"], result: "usize" },
  TF_TensorElementCount: { parameters: ["pointer"], result: "i64" },
  TF_TensorFromProto: {
    parameters: [
      "pointer", // from
      "pointer", // to
      "pointer", // status
    ],
    result: "void",
  },
  TF_StringGetDataPointer: { parameters: ["pointer"], result: "pointer" },
  TF_StringGetSize: { parameters: ["pointer"], result: "usize" },

  TFE_NewTensorHandle: { parameters: ["pointer", "pointer"], result: "pointer" }, // tensor, status
  TFE_DeleteTensorHandle: { parameters: ["pointer"], result: "void" },
  TFE_TensorHandleDataType: { parameters: ["pointer"], result: "i32" },
  TFE_TensorHandleNumDims: { parameters: ["pointer", "pointer"], result: "i32" }, // h, status
  TFE_TensorHandleDim: { parameters: ["pointer", "i32", "pointer"], result: "i64" }, // h, i, status
  TFE_TensorHandleResolve: { parameters: ["pointer", "pointer"], result: "pointer" }, // h, status
  TFE_TensorHandleCopyToDevice: {
    parameters: [
      "pointer", // h
      "pointer", // ctx
      "buffer", // device_name
      "pointer", // status
    ],
    result: "pointer",
  },

  TFE_NewOp: {
    parameters: [
      "pointer", // ctx
      "buffer", // op_or_function_name
      "pointer", // status
    ],
    result: "pointer",
  },
  TFE_DeleteOp: { parameters: ["pointer"], result: "void" },
  TFE_OpAddInput: { parameters: ["pointer", "pointer", "pointer"], result: "void" }, // op, h, status
  TFE_OpSetAttrString: { parameters: ["pointer", "buffer", "buffer", "usize"], result: "void" },
  TFE_OpSetAttrInt: { parameters: ["pointer", "buffer", "i64"], result: "void" },
  TFE_OpSetAttrFloat: { parameters: ["pointer", "buffer", "f32"], result: "void" },
  TFE_OpSetAttrBool: { parameters: ["pointer", "buffer", "u8"], result: "void" },
  TFE_OpSetAttrType: { parameters: ["pointer", "buffer", "i32"], result: "void" },
  TFE_OpSetAttrShape: {
    parameters: [
      "pointer", // op
      "buffer", // attr_name
      "buffer", // dims
      "i32", // num_dims
      "pointer", // status
    ],
    result: "void",
  },
  TFE_OpSetAttrStringList: {
    parameters: [
      "pointer", // op
      "buffer", // attr_name
      "buffer", // values
      "buffer", // lengths
      "i32", // num_values
    ],
    result: "void",
  },
  TFE_OpSetAttrIntList: { parameters: ["pointer", "buffer", "buffer", "i32"], result: "void" },
  TFE_OpSetAttrFloatList: { parameters: ["pointer", "buffer", "buffer", "i32"], result: "void" },
  TFE_OpSetAttrBoolList: { parameters: ["pointer", "buffer", "buffer", "i32"], result: "void" },
  TFE_OpSetAttrTypeList: { parameters: ["pointer", "buffer", "buffer", "i32"], result: "void" },
  TFE_OpSetAttrShapeList: {
    parameters: [
      "pointer", // op
      "buffer", // attr_name
      "buffer", // dims
      "buffer", // num_dims
      "i32", // num_values
      "pointer", // status
    ],
    result: "void",
  },
  TFE_OpSetAttrFunctionName: {
    parameters: ["pointer", "buffer", "buffer", "usize"], // op, attr_name, data, length
    result: "void",
  },
  TFE_Execute: {
    parameters: [
      "pointer", // op
      "buffer", // retvals
      "buffer", // num_retvals
      "pointer", // status
    ],
    result: "void",
  },
  /** The same call on a thread of Deno's pool: the event loop goes on meanwhile. */
  executeOffThread: {
    name: "TFE_Execute",
    parameters: ["pointer", "buffer", "buffer", "pointer"],
    result: "void",
    nonblocking: true,
  },

  TF_NewGraph: { parameters: [], result: "pointer" },
  TF_DeleteGraph: { parameters: ["pointer"], result: "void" },
  TF_GraphGetOpDef: {
    parameters: [
      "pointer", // graph
      "buffer", // op_name
      "pointer", // output_op_def
      "pointer", // status
    ],
    result: "void",
  },
  TF_GraphGetTensorNumDims: { parameters: ["pointer", TF_OUTPUT, "pointer"], result: "i32" },
  TF_GraphGetTensorShape: {
    parameters: [
      "pointer", // graph
      TF_OUTPUT, // output
      "buffer", // dims
      "i32", // num_dims
      "pointer", // status
    ],
    result: "void",
  },
  TF_NewOperation: {
    parameters: [
      "pointer", // graph
      "buffer", // op_type
      "buffer", // oper_name
    ],
    result: "pointer",
  },
  TF_FinishOperation: { parameters: ["pointer", "pointer"], result: "pointer" }, // desc, status
  TF_AddInput: { parameters: ["pointer", TF_OUTPUT], result: "void" },
  TF_AddInputList: { parameters: ["pointer", "buffer", "i32"], result: "void" },
  TF_OperationOutputType: { parameters: [TF_OUTPUT], result: "i32" },
  TF_SetAttrString: { parameters: ["pointer", "buffer", "buffer", "usize"], result: "void" },
  TF_SetAttrInt: { parameters: ["pointer", "buffer", "i64"], result: "void" },
  TF_SetAttrFloat: { parameters: ["pointer", "buffer", "f32"], result: "void" },
  TF_SetAttrBool: { parameters: ["pointer", "buffer", "u8"], result: "void" },
  TF_SetAttrType: { parameters: ["pointer", "buffer", "i32"], result: "void" },
  TF_SetAttrShape: { parameters: ["pointer", "buffer", "buffer", "i32"], result: "void" },
  TF_SetAttrStringList: {
    parameters: ["pointer", "buffer", "buffer", "buffer", "i32"],
    result: "void",
  },
  TF_SetAttrIntList: { parameters: ["pointer", "buffer", "buffer", "i32"], result: "void" },
  TF_SetAttrFloatList: { parameters: ["pointer", "buffer", "buffer", "i32"], result: "void" },
  TF_SetAttrBoolList: { parameters: ["pointer", "buffer", "buffer", "i32"], result: "void" },
  TF_SetAttrTypeList: { parameters: ["pointer", "buffer", "buffer", "i32"], result: "void" },
  TF_SetAttrShapeList: {
    parameters: ["pointer", "buffer", "buffer", "buffer", "i32"],
    result: "void",
  },
  TF_SetAttrFuncName: { parameters: ["pointer", "buffer", "buffer", "usize"], result: "void" },
  TF_SetAttrTensor: {
    parameters: [
      "pointer", // desc
      "buffer", // attr_name
      "pointer", // value
      "pointer", // status
    ],
    result: "void",
  },
  TF_GraphToFunction: {
    parameters: [
      "pointer", // fn_body
      "buffer", // fn_name
      "u8", // append_hash_to_fn_name
      "i32", // num_opers
      "pointer", // opers
      "i32", // ninputs
      "buffer", // inputs
      "i32", // noutputs
      "buffer", // outputs
      "pointer", // output_names
      "pointer", // opts
      "pointer", // description
      "pointer", // status
    ],
    result: "pointer",
  },
  TF_DeleteFunction: { parameters: ["pointer"], result: "void" },
} as const satisfies Deno.ForeignLibraryInterface;

/** The functions of an open libtensorflow. */
export type NativeLibrary = Deno.DynamicLibrary<typeof symbols>["symbols"];
export type Pointer = Deno.PointerObject;

const opened = new Map<string, NativeLibrary>();

/**
 * Opens a libtensorflow, once for each path; it stays loaded until the process ends.
 * @throws {EngineError} if the file cannot be loaded or lacks a function of the C API
 */
export function openLibrary(path: string): NativeLibrary {
  let library = opened.get(path);
  if (library === undefined) {
    try {
      keepLoaded([path]); // where that fails, the next line says why
      library = Deno.dlopen(path, symbols).symbols;
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new EngineError(`Cannot load the TensorFlow library "${path}": ${reason}`, { cause });
    }
    opened.set(path, library);
  }
  return library;
}

const encoder = new TextEncoder();
const names = new Map<string, Uint8Array<ArrayBuffer>>();

/** A NUL-terminated string, remembered: for names of ops and attributes, of which there are few. */
export function cName(name: string): Uint8Array<ArrayBuffer> {
  let bytes = names.get(name);
  if (bytes === undefined) names.set(name, bytes = encoder.encode(name + "\0"));
  return bytes;
}

/** The text of a NUL-terminated C string; empty for a null pointer. */
export function readCString(pointer: Deno.PointerValue): string {
  return pointer === null ? "" : new Deno.UnsafePointerView(pointer).getCString();
}

/** A pointer that the C API promises not to be null. */
export function nonNull(pointer: Deno.PointerValue, call: string): Pointer {
  if (pointer === null) throw new EngineError(`Cannot go on: ${call} returned a null pointer`);
  return pointer;
}
