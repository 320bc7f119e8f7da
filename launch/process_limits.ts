/**
 * What the system lets this process and its children use (`ulimit`), where it is too little for any
 * run. It is looked at first: the runtime itself ends with a stack trace where it can open no more
 * files, and a process that writes more than it may is killed. Nothing is imported: each file that is
 * loaded beside this one is open for a moment, too.
 */
/** The launcher alone opens about 40, and three pipes for each worker. */
const openFilesMin = { base: 128, perWorker: 8 } as const;
/** A run's smallest files, event file and broker's log among them, stay below it. */
const fileBytesMin = 64 << 20;

export interface ProcessLimits {
  /** Infinity for no limit. */
  readonly openFiles: number;
  readonly fileBytes: number;
}

/**
 * Which limit is too low, what is needed and how to raise it, in a sentence; undefined where none is.
 */
export function limitProblem(
  workers: number,
  { openFiles, fileBytes }: ProcessLimits = ownLimits(),
): string | undefined {
  const filesNeeded = openFilesMin.base + openFilesMin.perWorker * workers;
  if (openFiles < filesNeeded) {
    return `Cannot run with ${openFiles} open files (ulimit -n): ${workers} ` +
      `${workers === 1 ? "worker needs" : "workers need"} ${filesNeeded}; raise it with ` +
      "ulimit -n 4096";
  }
  if (fileBytes < fileBytesMin) {
    return `Cannot run with files of at most ${fileBytes} bytes (ulimit -f): logs and checkpoints ` +
      `are longer, ${fileBytesMin} bytes at least; raise it with ulimit -f unlimited`;
  }
}

/** Those of this process on Linux; none elsewhere. */
export function ownLimits(): ProcessLimits {
  try {
    return limitsOf(Deno.readTextFileSync("/proc/self/limits"));
  } catch {
    return limitsOf("");
  }
}

/** From the text of `/proc/self/limits`: name, soft limit, hard limit, unit. */
export function limitsOf(text: string): ProcessLimits {
  const soft = (name: string) =>
    Number(text.match(new RegExp(`^${name} +(\\d+)`, "m"))?.[1] ?? Infinity);
  return { openFiles: soft("Max open files"), fileBytes: soft("Max file size") };
}

/**
 * Has a write beyond the limit for files fail with a reason, in place of the end of the process. To be
 * called by a program that ends by itself: who listens to a signal is kept alive.
 */
export function surviveFileLimit(): void {
  if (Deno.build.os !== "windows") Deno.addSignalListener("SIGXFSZ", () => {});
}
