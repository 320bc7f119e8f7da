/**
 * Loads libraries for as long as the process lives. Deno unloads what it opened when it ends, but
 * TensorFlow's threads still run then, in code that is no longer there: a segmentation fault after
 * everything went well.
 */

/** RTLD_LAZY | RTLD_NODELETE, whose value is the system's own. */
const flags = Deno.build.os === "darwin" ? 0x1 | 0x80 : 0x1 | 0x1000;
const loaderLibrary = Deno.build.os === "darwin" ? "libSystem.dylib" : "libdl.so.2";

/** @returns the files that could not be loaded, or all of them on a system without `dlopen` */
export function keepLoaded(paths: readonly string[]): string[] {
  let loader;
  try {
    loader = Deno.dlopen(loaderLibrary, {
      dlopen: { parameters: ["buffer", "i32"], result: "pointer" }, // filename, flags
    });
  } catch {
    return [...paths];
  }
  const { dlopen } = loader.symbols;
  const failed = paths.filter((path) =>
    dlopen(new TextEncoder().encode(path + "\0"), flags) === null
  );
  loader.close();
  return failed;
}
