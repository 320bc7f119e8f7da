/**
 * What the engine runs on. TensorFlow places ops on the first GPU by itself when there is one
 * (`CUDA_VISIBLE_DEVICES` chooses which); this says so in words, for reports.
 */
import { type NativeLibrary, nonNull, type Pointer, readCString } from "./ffi.ts";
import { Status } from "./status.ts";

export interface Device {
  /** In words, e.g. "CPU (2 threads)" or "GPU 0 NVIDIA H100 80GB HBM3". */
  readonly description: string;
  /** TensorFlow's full name of the GPU that computes; undefined on a CPU. */
  readonly gpu: string | undefined;
}

/** @throws {EngineError} if TensorFlow cannot list its devices */
export function findDevice(library: NativeLibrary, context: Pointer, threads: number): Device {
  const gpu = listDevices(library, context).find((device) => device.type === "GPU")?.name;
  if (gpu === undefined) {
    return { description: `CPU (${threads} ${threads === 1 ? "thread" : "threads"})`, gpu };
  }
  const index = Number(/GPU:(\d+)$/.exec(gpu)?.[1] ?? 0);
  return { description: `GPU ${index} ${cudaDeviceName(index) ?? ""}`.trimEnd(), gpu };
}

function listDevices(
  library: NativeLibrary,
  context: Pointer,
): { readonly name: string; readonly type: string }[] {
  const status = new Status(library);
  try {
    const pointer = library.TFE_ContextListDevices(context, status.pointer);
    status.check(() => "Cannot list the devices of TensorFlow");
    const list = nonNull(pointer, "TFE_ContextListDevices");
    const devices = Array.from({ length: library.TF_DeviceListCount(list) }, (_, i) => ({
      name: readCString(library.TF_DeviceListName(list, i, status.pointer)),
      type: readCString(library.TF_DeviceListType(list, i, status.pointer)),
    }));
    library.TF_DeleteDeviceList(list);
    return devices;
  } finally {
    status.delete();
  }
}

/**
 * The name that the CUDA driver gives a device, counted among the visible ones. TensorFlow's C API
 * does not tell it, and has initialized the driver by now.
 */
function cudaDeviceName(index: number): string | undefined {
  let driver;
  try {
    driver = Deno.dlopen("libcuda.so.1", {
      cuDeviceGet: { parameters: ["buffer", "i32"], result: "i32" }, // device, ordinal
      cuDeviceGetName: { parameters: ["buffer", "i32", "i32"], result: "i32" }, // name, len, dev
    });
  } catch {
    return undefined;
  }
  const device = new Int32Array(1);
  const name = new Uint8Array(256);
  const { cuDeviceGet, cuDeviceGetName } = driver.symbols;
  const found = cuDeviceGet(device, index) === 0 &&
    cuDeviceGetName(name, name.length, device[0]) === 0;
  driver.close();
  return found ? new TextDecoder().decode(name.subarray(0, name.indexOf(0))) : undefined;
}
