/**
 * tfjs-node's kernels call two functions of `node:util` that Node removed in version 23 and Deno does
 * not have. They must be there before the kernels load.
 */
import { createRequire } from "node:module";

export function restoreNodeUtil(): void {
  const util: Record<string, unknown> = createRequire(import.meta.url)("node:util");
  util.isNullOrUndefined ??= (value: unknown) => value === null || value === undefined;
  util.isArray ??= Array.isArray;
}
