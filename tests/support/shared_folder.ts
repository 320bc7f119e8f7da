/**
 * Reference numbers and real data lie outside the repository: in the folder that an environment
 * variable names, or beside the checkout in `../shared`.
 */

/** The folder's path, or undefined, said aloud, where it is absent. */
export function sharedFolder(variable: string, name: string): string | undefined {
  const fallback = new URL(`../../../shared/${name}`, import.meta.url).pathname;
  const path = Deno.env.get(variable) ?? fallback;
  try {
    if (Deno.statSync(path).isDirectory) return path;
  } catch {
    // Told below.
  }
  console.warn(`Skipped: no folder ${path}; name it with ${variable}`);
  return undefined;
}
