/**
 * libtensorflow out of TensorFlow's Python wheel, which has the whole C API in two files
 * (850 of the wheel's 1300 MB): `<cache>/tensorflow/<version>/tensorflow/libtensorflow_cc.so.2`.
 * With CUDA the folder also gets `nvidia/`, laid out as pip does, because the library looks for
 * CUDA's own libraries there, relative to itself.
 */
import { fillCache } from "./cache_folder.ts";
import {
  downloadWheel,
  extractFromWheel,
  extraRequirements,
  type FetchProgress,
  installPackages,
  type Python,
  wheelVersion,
} from "./python_wheel.ts";

const CACHE_NAME = "tensorflow";
/** The C API that the engine calls has been the same since 2.16; it is tested with 2.21. */
const VERSIONS = ">=2.16,<3";
const LIBRARIES = "tensorflow/libtensorflow_(cc|framework)\\.(so\\.2|2\\.dylib)";

export interface TensorFlowWheel {
  /** The package's name on the index. */
  readonly name: "tensorflow" | "tensorflow-cpu";
  readonly cuda: boolean;
}

/**
 * The wheel for a machine. `tensorflow-cpu` exists for Linux on x86-64 alone; elsewhere
 * `tensorflow` itself is without CUDA.
 */
export function tensorFlowWheel(os: string, arch: string, hasNvidiaGpu: boolean): TensorFlowWheel {
  const isLinuxX86 = os === "linux" && arch === "x86_64";
  return {
    name: isLinuxX86 && !hasNvidiaGpu ? "tensorflow-cpu" : "tensorflow",
    cuda: isLinuxX86 && hasNvidiaGpu,
  };
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
 * @throws {PipError} if pip cannot fetch it
 */
export async function fetchTensorFlow(
  python: Python,
  cache: string,
  { name, cuda }: TensorFlowWheel,
  onProgress: (action: string, progress?: FetchProgress) => void,
): Promise<void> {
  await fillCache(cache, CACHE_NAME, async (kept, discarded) => {
    const wheel = await downloadWheel(
      python,
      `${name}${VERSIONS}`,
      discarded,
      (progress) => onProgress(`fetching ${name}`, progress),
    );
    onProgress(`unpacking ${name}`);
    await extractFromWheel(python, wheel, LIBRARIES, kept);
    const version = wheelVersion(wheel);
    if (!cuda) return version;
    const packages = await extraRequirements(python, wheel, "and-cuda");
    await Deno.remove(wheel);
    await installPackages(
      python,
      packages,
      kept,
      discarded,
      (progress) => onProgress("fetching CUDA libraries", progress),
    );
    return version;
  });
}
