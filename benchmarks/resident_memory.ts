/** A process's resident memory as Linux counts it. */

/** @returns 0 for a process that is gone */
export function residentBytes(pid: number | undefined): number {
  if (pid === undefined) return 0;
  try {
    const found = Deno.readTextFileSync(`/proc/${pid}/status`).match(/^VmRSS:\s+(\d+) kB$/m);
    return 1024 * Number(found?.[1] ?? 0);
  } catch {
    return 0;
  }
}
