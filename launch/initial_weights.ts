/** `--init`: the weights of another run, or of a file, that a new run begins with. */
import { resolve } from "node:path";
import { latestCheckpoint } from "../coordinator/checkpoint_folder.ts";
import { sha256 } from "../coordinator/checkpoint_manifest.ts";
import { diskFileSystem } from "../coordinator/file_system.ts";
import { decodeSafetensors, type NamedArrays } from "../coordinator/safetensors.ts";
import { isAllFinite } from "../net/finite.ts";
import type { InitialWeightsConfiguration } from "../net/run_configuration.ts";
import { type Flag, UsageError } from "./flags.ts";
import { refuseLinksOut } from "./links_out.ts";

export const initFlag = {
  kind: "text",
  value: "RUN|FILE.safetensors",
  help: "begin with the weights of a run, of one of its checkpoints or of a file",
  defaultText: "drawn by --seed",
} as const satisfies Flag;

/**
 * The file that holds them, and its hash.
 * @param named a run's folder, a checkpoint's or a file
 * @throws {UsageError} where there are no weights, or they cannot be read
 */
export async function findInitialWeights(named: string): Promise<InitialWeightsConfiguration> {
  const path = resolve(await weightsFile(named.replace(/\/+$/, "")));
  return { path, sha256: await sha256(await readWeights(path)) };
}

/**
 * @throws {UsageError} where they are not what the run was started with, or no weights at all
 */
export async function readInitialWeights(
  { path, sha256: expected }: InitialWeightsConfiguration,
): Promise<NamedArrays> {
  const bytes = await readWeights(path);
  const found = await sha256(bytes);
  if (found !== expected) {
    throw new UsageError(
      `Cannot begin with ${path}: it has changed since the run was started, SHA-256 ` +
        `${expected.slice(0, 12)} then and ${found.slice(0, 12)} now; start the run anew`,
    );
  }
  return decodeWeights(bytes, path);
}

async function weightsFile(named: string): Promise<string> {
  const kind = async (path: string) => (await diskFileSystem.entry(path))?.kind;
  const refusal = new UsageError(
    `Cannot use --init ${named}: it is neither a run's folder with a checkpoint, nor a checkpoint, ` +
      "nor a .safetensors file",
  );
  if (await kind(named) === "other") throw refusal;
  const inCheckpoint = (path: string) => `${path}/parameters.safetensors`;
  if (await kind(named) === "file") return named;
  refuseLinksOut(named);
  if (await kind(inCheckpoint(named)) === "file") return inCheckpoint(named);
  const warn = (sentence: string) => console.error(`Warning: ${sentence}`);
  const found = await kind(`${named}/checkpoints`) === undefined
    ? undefined
    : await latestCheckpoint(diskFileSystem, `${named}/checkpoints`, { warn });
  if (found) return inCheckpoint(found.path);
  throw refusal;
}

async function readWeights(path: string): Promise<Uint8Array> {
  try {
    return await Deno.readFile(path);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new UsageError(`Cannot read --init ${path}: ${why}`, { cause });
  }
}

function decodeWeights(bytes: Uint8Array, path: string): NamedArrays {
  let arrays: NamedArrays;
  try {
    arrays = decodeSafetensors(bytes);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new UsageError(
      `Cannot read weights from --init ${path}: ${why}; save float32 arrays with safetensors`,
      { cause },
    );
  }
  const broken = arrays.find(({ values }) => !isAllFinite(values));
  if (broken === undefined) return arrays;
  throw new UsageError(
    `Cannot begin with --init ${path}: "${broken.name}" holds a value that is not finite`,
  );
}
