/**
 * pip installs CUDA beside TensorFlow (`nvidia/cublas/lib/libcublas.so.12`, …), where the loader does
 * not look. A library that is loaded already is found by its name, so load them all beforehand.
 */
import { dirname } from "node:path";
import { keepLoaded } from "./keep_loaded.ts";
import { hidesAllGpus } from "./visible_devices.ts";

/** Whether an NVIDIA driver is loaded, and its GPUs are not hidden from this process. */
export function mayHaveGpu(): boolean {
  const visible = Deno.env.get("CUDA_VISIBLE_DEVICES");
  return (visible === undefined || !hidesAllGpus(visible)) && exists("/proc/driver/nvidia/version");
}

/** Loads the CUDA libraries beside a TensorFlow library. */
export function preloadCudaLibraries(tensorFlowPath: string): void {
  const packages = `${dirname(dirname(tensorFlowPath))}/nvidia`;
  let waiting = files(packages).flatMap((name) =>
    files(`${packages}/${name}/lib`).filter((file) => file.includes(".so"))
      .map((file) => `${packages}/${name}/lib/${file}`)
  );
  // They need one another in an order that nothing tells: go round until nothing more loads.
  for (let before = Infinity; waiting.length > 0 && waiting.length < before;) {
    before = waiting.length;
    waiting = keepLoaded(waiting);
  }
}

function files(folder: string): string[] {
  try {
    return Array.from(Deno.readDirSync(folder), (entry) => entry.name).sort();
  } catch {
    return []; // no such package
  }
}

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}
