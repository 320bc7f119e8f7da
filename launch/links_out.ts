/**
 * Links in a run's folder that lead out of it: through one, whoever wrote the folder would have a
 * command read, replace or remove files of others. The folder itself, and what lies above it, may be
 * links: those are the user's own.
 */
import { resolve, sep } from "node:path";
import { UsageError } from "./flags.ts";

/** `runs/a/checkpoints/step-000001/parameters.safetensors` is 3 deep. */
const depthMax = 8;

/** @throws {UsageError} naming the first link that leads out of `folder`, and where it leads */
export function refuseLinksOut(folder: string): void {
  let root: string;
  try {
    root = Deno.realPathSync(folder);
  } catch {
    return; // There is none yet.
  }
  const [path, target] = linkOut(root, root, depthMax) ?? [];
  if (path === undefined) return;
  throw new UsageError(
    `Cannot use run folder ${folder}: ${
      path.slice(root.length + 1)
    } in it is a link to ${target}, ` +
      "out of the folder; remove it, or put the file itself there",
  );
}

/** Path and target of the first link that leads out of the root. */
function linkOut(
  folder: string,
  root: string,
  depth: number,
): readonly [string, string] | undefined {
  for (const { name, isSymlink, isDirectory } of entriesOf(folder)) {
    const path = `${folder}/${name}`;
    if (isSymlink) {
      const target = targetOf(path);
      if (target !== root && !target.startsWith(root + sep)) return [path, target];
    } else if (isDirectory && depth > 0) {
      const found = linkOut(path, root, depth - 1);
      if (found !== undefined) return found;
    }
  }
}

/** Where a link ends, or, where nothing is there yet, where a file would be made by writing to it. */
function targetOf(path: string): string {
  try {
    return Deno.realPathSync(path);
  } catch {
    return resolve(path, "..", Deno.readLinkSync(path));
  }
}

function entriesOf(folder: string): Deno.DirEntry[] {
  try {
    return [...Deno.readDirSync(folder)];
  } catch {
    return []; // It cannot be read: whoever needs what is in it says so.
  }
}
