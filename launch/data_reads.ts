/**
 * Which files and folders workers have to read for a dataset: those that were named, and what links
 * there lead to, because Deno asks for the right to read a link's target too.
 */
import { dirname } from "node:path";
import { walkFolders } from "../datasets/folder_walk.ts";

/** A command line has an end, and each of them is compared at every read. */
const linkedMax = 64;

/** @param paths files and folders, which may be links or missing */
export async function dataReads(paths: readonly string[]): Promise<string[]> {
  const reads = new Set<string>();
  const linked = new Set<string>();
  for (const path of paths) {
    reads.add(path);
    try {
      reads.add(await Deno.realPath(path));
      if (!(await Deno.stat(path)).isDirectory) continue;
      for (const folder of (await walkFolders(path)).linked) linked.add(folder);
    } catch {
      // Whoever opens the data says what is wrong with it.
    }
  }
  const isRead = (folder: string) => reads.values().some((read) => isWithin(folder, read));
  const outside = [...linked].filter((folder) => !isRead(folder));
  return [...reads, ...fewFolders(outside, linkedMax)];
}

/** At most so many folders with all of these in them, none in another. */
export function fewFolders(folders: readonly string[], most: number): string[] {
  const apart = folders.filter((folder) =>
    !folders.some((other) => other !== folder && isWithin(folder, other))
  );
  const few = [...new Set(apart)];
  return few.length <= most ? few : fewFolders(few.map((folder) => dirname(folder)), most);
}

function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder === "/" ? "/" : `${folder}/`);
}
