/** Finds every process below this one by a mark that they inherit in their environment (Linux). */
const markName = "LOCKSTEP_BENCHMARK_MARK";

/** Processes that are started from now on carry the mark. */
export function markDescendants(mark: string): void {
  Deno.env.set(markName, mark);
}

/** Command lines of the processes with this mark that run, by id, without this process. */
export function markedProcesses(mark: string): Map<number, string> {
  const found = new Map<number, string>();
  for (const { name } of Deno.readDirSync("/proc")) {
    if (!/^\d+$/.test(name) || Number(name) === Deno.pid) continue;
    try {
      if (!Deno.readTextFileSync(`/proc/${name}/environ`).includes(`${markName}=${mark}`)) continue;
      // A zombie has no command line and runs nothing.
      const line = Deno.readTextFileSync(`/proc/${name}/cmdline`).replaceAll("\0", " ").trim();
      if (line !== "") found.set(Number(name), line);
    } catch {
      // It has ended meanwhile, or is another user's.
    }
  }
  return found;
}
