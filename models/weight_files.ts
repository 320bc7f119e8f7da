/**
 * The files of weights that a `model.json` names. The file may come from anybody, so what it names
 * stays within its own folder: whoever opens a network reads nothing else of this machine.
 */
import { dirname, isAbsolute, relative, resolve, sep } from "node:path";
import { ModelError } from "./check_model.ts";

/**
 * @param bytes of the `model.json`, or of another JSON file, which names none
 * @param file its path, absolute
 * @returns absolute paths in the order of the weights; a file may be missing
 * @throws {ModelError} for what is no JSON, or names a file elsewhere
 */
export async function weightFiles(bytes: Uint8Array, file: string): Promise<string[]> {
  let manifest: unknown;
  try {
    manifest = JSON.parse(new TextDecoder().decode(bytes))?.weightsManifest ?? [];
  } catch (cause) {
    throw new ModelError(`Cannot read --model ${file}: it is no JSON`, { cause });
  }
  if (!Array.isArray(manifest)) return [];
  const folder = dirname(file);
  const named = manifest.flatMap((group) => Array.isArray(group?.paths) ? group.paths : []);
  return await Promise.all(named.map(async (path) => {
    const target = resolve(folder, `${path}`);
    if (!isPlain(path) || !isWithin(folder, target) || await leadsElsewhere(folder, target)) {
      throw new ModelError(
        `Cannot use --model ${file}: it names weights at ${
          JSON.stringify(path)
        }, outside its own ` +
          "folder; put the file beside it, and its name into weightsManifest",
      );
    }
    return target;
  }));
}

/** A relative path that means the same on every system. */
function isPlain(path: unknown): boolean {
  return typeof path === "string" && path !== "" && !isAbsolute(path) && !/[\\:\0]/.test(path);
}

function isWithin(folder: string, path: string): boolean {
  const way = relative(folder, path);
  return way !== "" && way !== ".." && !way.startsWith(`..${sep}`) && !isAbsolute(way);
}

/** Whether links on the way lead out of the folder. */
async function leadsElsewhere(folder: string, path: string): Promise<boolean> {
  try {
    return !isWithin(await Deno.realPath(folder), await Deno.realPath(path));
  } catch (error) {
    // What is missing, or may not be read, is told by whoever reads it. A worker under permissions
    // may read no more than the files that its launcher found here, with those links looked at.
    const { NotCapable, NotFound, PermissionDenied } = Deno.errors;
    if ([NotCapable, NotFound, PermissionDenied].some((known) => error instanceof known)) {
      return false;
    }
    throw error;
  }
}
