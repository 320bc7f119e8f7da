/** Where predictions are written: under names that can be seen, and never over those of an earlier call. */
import { basename, resolve } from "node:path";
import { UsageError } from "./flags.ts";

/** What a file of latent points has behind its sequence's name. */
export const latentEnding = "-latent";
/** Calls that may lie beside each other. */
const besidesMax = 1000;

/**
 * Names of files without their endings, one for each sequence and no two alike.
 * @param path what the dataset is read from: a folder that is one video gives its name
 * @param reserved names of other files
 */
export function fileNames(
  ids: readonly string[],
  path: string | null,
  reserved: readonly string[] = [],
): string[] {
  const taken = new Set(reserved);
  return ids.map((id) => {
    const named = sequenceLabel(id, path).replaceAll("/", "-").replace(/^\.+/, "_");
    let name = named;
    // Not every disk tells upper case from lower case.
    const both = () => [name.toLowerCase(), `${name}${latentEnding}`.toLowerCase()];
    for (let copy = 2; both().some((each) => taken.has(each)); copy++) name = `${named}-${copy}`;
    for (const each of both()) taken.add(each);
    return name;
  });
}

/** What a sequence is called: that of a folder that is one video, which is ".", has its name. */
export function sequenceLabel(id: string, path: string | null): string {
  if (path === null || !/^\.(?:\/|$)/.test(id)) return id;
  return (basename(resolve(path)) || "video") + id.slice(1);
}

/**
 * Makes the folder for predictions: the one that was asked for, or the first beside `usual` that is not
 * there yet.
 * @param names of files that are going to be written
 * @throws {UsageError} where the one that was asked for holds one of them
 */
export async function predictionFolder(
  given: string | undefined,
  usual: string,
  names: readonly string[],
): Promise<string> {
  if (given !== undefined) {
    await Deno.mkdir(given, { recursive: true });
    for (const name of names) {
      if (!await exists(`${given}/${name}`)) continue;
      throw new UsageError(
        `Cannot write predictions into ${given}: it holds ${name} already; name another folder ` +
          "with --out, or move that file away",
      );
    }
    return given;
  }
  await Deno.mkdir(resolve(usual, ".."), { recursive: true });
  for (let place = 1; place <= besidesMax; place++) {
    const folder = place === 1 ? usual : `${usual}-${place}`;
    try {
      await Deno.mkdir(folder);
      return folder;
    } catch (error) {
      if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    }
  }
  throw new UsageError(
    `Cannot write predictions beside ${usual}: ${besidesMax} earlier ones are there; remove some, ` +
      "or name a folder with --out",
  );
}

/** A file that is not there yet: nothing is written over. */
export async function writeNewFile(path: string, bytes: Uint8Array): Promise<void> {
  await Deno.writeFile(path, bytes, { createNew: true });
}

async function exists(path: string): Promise<boolean> {
  try {
    await Deno.lstat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
