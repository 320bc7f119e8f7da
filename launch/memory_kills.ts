/**
 * How many processes the kernel has killed for want of memory: a worker that it kills says nothing, and
 * started again with the same data it is killed again.
 */

/** Counters of this container's or session's group, in both versions, and of the whole machine. */
const counters: readonly (readonly [path: string, form: RegExp])[] = [
  ["/sys/fs/cgroup/memory.events", /^oom_kill (\d+)$/m],
  ["/sys/fs/cgroup/memory/memory.oom_control", /^oom_kill (\d+)$/m],
  ["/proc/vmstat", /^oom_kill (\d+)$/m],
];

/** The largest count that can be read; undefined where none can. */
export function memoryKills(
  read: (path: string) => string = Deno.readTextFileSync,
): number | undefined {
  const found = counters.flatMap(([path, form]) => {
    try {
      const count = read(path).match(form)?.[1];
      return count === undefined ? [] : [Number(count)];
    } catch {
      // Not Linux, or not allowed.
      return [];
    }
  });
  return found.length === 0 ? undefined : Math.max(...found);
}

/** What a message about a process that was killed adds, and what to do. */
export function memoryHint(
  signal: Deno.Signal | null,
  before: number | undefined,
  now: number | undefined,
): string {
  if (signal !== "SIGKILL") return "";
  const kills = now !== undefined && before !== undefined ? now - before : 0;
  const why = kills > 0
    ? `out of memory: the kernel has killed ${kills} ${kills === 1 ? "process" : "processes"} ` +
      "for want of it since the run began"
    : "out of memory?";
  return `; ${why}; give it more, or lower --workers, --lanes or --size`;
}
