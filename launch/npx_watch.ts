/**
 * npx passes no signal on: what ends it leaves the program that it started behind, and nobody knows of
 * that one any more. So a run that npx has started looks whether npx is still there.
 */
import type { Clock } from "../net/clock.ts";

const lookMs = 1_000;
const ancestorsMax = 16;

/** What is read of a process: undefined where there is none, or it may not be seen. */
export interface ProcessTable {
  /** The line of `/proc/PID/stat`. */
  stat(pid: number): string | undefined;
  commandLine(pid: number): string | undefined;
}

const realProcesses: ProcessTable = {
  stat: (pid) => readOrNothing(`/proc/${pid}/stat`),
  commandLine: (pid) => readOrNothing(`/proc/${pid}/cmdline`)?.replaceAll("\0", " "),
};

/**
 * @param onGone called once, when the npx that this process was started by has ended
 * @returns ends it
 */
export function watchNpx(
  clock: Clock,
  onGone: () => void,
  table: ProcessTable = realProcesses,
  pid = Deno.pid,
): () => void {
  const npx = findNpx(table, pid);
  if (npx === undefined) return () => {};
  let cancel = () => {};
  const look = () => {
    // The number alone may have been given to another process.
    if (bornAt(table.stat(npx.pid)) !== npx.bornAt) return onGone();
    cancel = clock.after(lookMs, look);
  };
  cancel = clock.after(lookMs, look);
  return () => cancel();
}

function findNpx(table: ProcessTable, pid: number): { pid: number; bornAt: string } | undefined {
  let at = pid;
  for (let count = 0; count < ancestorsMax && at > 1; count++) {
    const stat = table.stat(at);
    const born = bornAt(stat);
    if (born !== undefined && isNpx(table.commandLine(at) ?? "")) return { pid: at, bornAt: born };
    at = Number(fieldsOf(stat)?.[1] ?? 0);
  }
  return undefined;
}

/** npm gives its process a title: "npm exec deno@2 task train". */
function isNpx(commandLine: string): boolean {
  return /^npm exec /.test(commandLine) || /(^|\/)npx(-cli\.js)?( |$)/.test(commandLine);
}

/** After the name in brackets, which may hold anything: state, parent, … */
function fieldsOf(stat: string | undefined): string[] | undefined {
  return stat?.slice(stat.lastIndexOf(")") + 2).split(" ");
}

/** Undefined for a process that has ended, also where nobody has asked how. */
function bornAt(stat: string | undefined): string | undefined {
  const fields = fieldsOf(stat);
  return fields === undefined || fields[0] === "Z" ? undefined : fields[19];
}

function readOrNothing(path: string): string | undefined {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return undefined;
  }
}
