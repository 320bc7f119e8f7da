/**
 * libtensorflow out of TensorFlow's Python wheel, which has the whole C API in two files
 * (850 of the wheel's 1300 MB): `<cache>/tensorflow/<version>/tensorflow/libtensorflow_cc.so.2`.
 * With CUDA the folder also gets `nvidia/`, laid out as pip does, because the library looks for
 * CUDA's own libraries there, relative to itself.
 */
import { fillCache } from "./cache_folder.ts";
import { type PinnedWheel, pinnedWheel, type Pins, platformName } from "./pinned_wheels.ts";
import {
  downloadWheel,
  extractFromWheel,
  type FetchProgress,
  installWheels,
  type Python,
} from "./python_wheel.ts";

const CACHE_NAME = "tensorflow";
const LIBRARIES = "tensorflow/libtensorflow_(cc|framework)\\.(so\\.2|2\\.dylib)";

/** Whether set-up brings a TensorFlow with CUDA: wheels of that are made for Linux on x86-64 alone. */
export function isWithCuda(os: string, arch: string, hasNvidiaGpu: boolean): boolean {
  return os === "linux" && arch === "x86_64" && hasNvidiaGpu;
}

/** Whether NVIDIA's driver is loaded and lists a GPU. */
export async function hasNvidiaGpu(): Promise<boolean> {
  try {
    return [...Deno.readDirSync("/proc/driver/nvidia/gpus")].length > 0;
  } catch {
    // Containers often hide this folder and have the tool.
  }
  try {
    const { success, stdout } = await new Deno.Command("nvidia-smi", { args: ["-L"] }).output();
    return success && new TextDecoder().decode(stdout).includes("GPU ");
  } catch {
    return false;
  }
}

/** Whether CUDA's libraries lie where the libtensorflow at `path` looks for them. */
export function hasCudaLibraries(path: string): boolean {
  try {
    return Deno.statSync(`${path.slice(0, path.lastIndexOf("/"))}/../nvidia`).isDirectory;
  } catch {
    return false;
  }
}

/**
 * Fetches libtensorflow into the cache. Call it under the cache's lock.
 * @param onProgress also told what is being done, e.g. "fetching tensorflow-cpu"
 * @throws {PipError} if pip cannot fetch it, or fetches something else than is pinned
 */
export async function fetchTensorFlow(
  python: Python,
  pins: Pins,
  cache: string,
  cuda: boolean,
  onProgress: (action: string, progress?: FetchProgress) => void,
): Promise<void> {
  const platform = platformName(Deno.build.os, Deno.build.arch, cuda);
  const pinned = pinnedWheel("libtensorflow", pins.tensorflow, platform);
  await fillCache(cache, CACHE_NAME, async (kept, discarded) => {
    const fetch = (wheel: PinnedWheel, what: string) =>
      downloadWheel(python, wheel, discarded, (progress) => onProgress(what, progress));
    const wheel = await fetch(pinned, `fetching ${pinned.package}`);
    onProgress(`unpacking ${pinned.package}`);
    await extractFromWheel(python, wheel, LIBRARIES, kept);
    await Deno.remove(wheel);
    const libraries: string[] = [];
    for (const library of pins.cuda[platform] ?? []) {
      libraries.push(await fetch(library, "fetching CUDA libraries"));
    }
    if (libraries.length > 0) {
      onProgress("unpacking CUDA libraries");
      await installWheels(python, libraries, kept, discarded);
    }
    return pinned.version;
  });
}
