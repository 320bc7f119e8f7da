/**
 * pip installs CUDA beside TensorFlow (`nvidia/cublas/lib/libcublas.so.12`, …), where the loader does
 * not look. A library that is loaded already is found by its name, so load them all beforehand.
 */
import { dirname } from "node:path";

/** RTLD_LAZY | RTLD_NODELETE: TensorFlow's threads still run when the process unloads its libraries. */
const LOAD_FLAGS = 0x1 | 0x1000;

/** Loads the CUDA libraries beside a TensorFlow library, on a machine with an NVIDIA driver. */
export function preloadCudaLibraries(tensorFlowPath: string): void {
  const visible = Deno.env.get("CUDA_VISIBLE_DEVICES");
  if (visible === "" || visible === "-1" || !exists("/proc/driver/nvidia/version")) return;
  const packages = `${dirname(dirname(tensorFlowPath))}/nvidia`;
  let waiting = files(packages).flatMap((name) =>
    files(`${packages}/${name}/lib`).filter((file) => file.includes(".so"))
      .map((file) => `${packages}/${name}/lib/${file}`)
  );
  if (waiting.length === 0) return;
  const loader = Deno.dlopen("libdl.so.2", {
    dlopen: { parameters: ["buffer", "i32"], result: "pointer" }, // filename, flags
  });
  const load = (path: string) =>
    loader.symbols.dlopen(new TextEncoder().encode(path + "\0"), LOAD_FLAGS) !== null;
  // They need one another in an order that nothing tells: go round until nothing more loads.
  for (let before = Infinity; waiting.length < before;) {
    before = waiting.length;
    waiting = waiting.filter((path) => !load(path));
  }
  loader.close();
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
