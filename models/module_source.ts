/**
 * The files that a module consists of: itself and what it imports by relative path, and they in
 * turn. Their hash tells whether every worker computes with the same source. Files of Lockstep itself
 * are left out, as are packages: their versions are agreed on elsewhere.
 */
import { createHash } from "node:crypto";
import { dirname, isAbsolute, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { ModelError } from "./check_model.ts";
import { weightFiles } from "./weight_files.ts";

export interface ModuleSource {
  /** Absolute paths, the module's own first. */
  readonly files: readonly string[];
  readonly sha256: string;
}

const productRoot = resolve(import.meta.dirname!, "..");
/** Absolute paths of `mod.ts` and the folders that it reaches. */
export const productParts: readonly string[] = [
  "mod.ts",
  "baselines",
  "collective",
  "coordinator",
  "datasets",
  "engine",
  "launch",
  "metrics",
  "models",
  "net",
  "report",
  "worker",
].map((part) => `${productRoot}/${part}`);
const isProduct = (path: string) => productParts.some((part) => `${path}/`.startsWith(`${part}/`));
const filesMax = 1000;

/**
 * @param path of a module, absolute
 * @throws {ModelError} naming the file that cannot be read
 */
export async function readModuleSource(path: string): Promise<ModuleSource> {
  const found = new Map<string, Uint8Array>();
  const read = async (file: string, importer: string) => {
    if (found.has(file) || found.size >= filesMax) return;
    let bytes: Uint8Array;
    try {
      bytes = await Deno.readFile(file);
    } catch (cause) {
      const why = cause instanceof Deno.errors.NotFound
        ? "no such file"
        : cause instanceof Error
        ? cause.message
        : String(cause);
      const verb = importer.endsWith(".json") ? "names as its weights" : "imports";
      const by = importer === "" ? "" : `, which ${importer} ${verb}`;
      throw new ModelError(`Cannot read --model ${file}${by}: ${why}`, { cause });
    }
    found.set(file, bytes);
    if (file.endsWith(".json")) {
      for (const target of await weightFiles(bytes, file)) await read(target, file);
      return;
    }
    if (!/\.[cm]?[jt]sx?$/.test(file)) return;
    for (const specifier of importsOf(new TextDecoder().decode(bytes))) {
      const target = pathOf(specifier, file);
      if (target !== undefined && !isProduct(target)) await read(target, file);
    }
  };
  await read(path, "");
  const hash = createHash("sha256");
  // Without their paths, which differ between machines; in the order of the imports.
  for (const bytes of found.values()) hash.update(`${bytes.length}\n`).update(bytes);
  return { files: [...found.keys()], sha256: hash.digest("hex") };
}

/** @throws {ModelError} where a module's source, or that of layers, is another than a run recorded */
export async function checkModuleSource(path: string, recorded: string): Promise<void> {
  const { sha256 } = await readModuleSource(path);
  if (sha256 === recorded) return;
  throw new ModelError(
    `Cannot use --model ${path}: its source is not the one of the run, SHA-256 ` +
      `${recorded.slice(0, 12)} then and ${
        sha256.slice(0, 12)
      } now; restore the file, or name with ` +
      "--model where it is",
  );
}

/** Specifiers of static imports and exports, and of dynamic imports of a literal. */
function importsOf(source: string): string[] {
  const pattern = /(?:\bfrom\s*|\bimport\s*\(?\s*)(["'])((?:\.{1,2}\/|\/|file:)[^"'\n]+)\1/g;
  return [...source.matchAll(pattern)].map(([, , specifier]) => specifier);
}

function pathOf(specifier: string, importer: string): string | undefined {
  if (specifier.startsWith("file:")) return fileURLToPath(specifier);
  return isAbsolute(specifier) ? specifier : resolve(dirname(importer), specifier);
}
