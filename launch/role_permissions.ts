/**
 * What Deno lets each process of a local cluster do. The coordinator talks to the broker and keeps
 * the run's folder: no native library, no other program, no other file but the project's own. A
 * worker talks to the broker, reads data and loads TensorFlow; it writes nothing. Native code is bound
 * by none of this, so a worker's set guards against mistakes and bad messages, not against a bad
 * library.
 */
import { dirname } from "node:path";
import { packagedDigits } from "../datasets/mnist_digits.ts";
import { environmentNames } from "../engine/tensorflow/session_config.ts";

export interface CoordinatorSurroundings {
  /** The broker's address; undefined for a cluster, which tells of its servers while one is connected. */
  readonly url: string | undefined;
  /** The run's folder, which the coordinator alone reads and writes. */
  readonly out: string;
  /** Further files that it reads: one with flags, a certificate, a login. */
  readonly reads: readonly string[];
}

export interface WorkerSurroundings {
  /** The broker's address. */
  readonly url: string;
  /** Files and folders with data. */
  readonly reads: readonly string[];
  /** A native library to load; undefined for none. */
  readonly libraryPath?: string;
}

const driverFolder = "/proc/driver/nvidia";

/** Keeps msgpackr from loading an add-on of its own, which would need the right to load libraries. */
export const roleEnvironment = { MSGPACKR_NATIVE_ACCELERATION_DISABLED: "true" } as const;
const login = [
  ...["LOCKSTEP_NATS_USER", "LOCKSTEP_NATS_PASSWORD", "LOCKSTEP_NATS_TOKEN"],
  "LOCKSTEP_DEBUG",
];
const everybody = [...login, ...Object.keys(roleEnvironment)];

/** Where the program of the thread that draws pictures lies, with all that it imports. */
const pictureFolders = ["report", "datasets"] as const;

/** Arguments of `deno run`. */
export function coordinatorPermissions({ url, out, reads }: CoordinatorSurroundings): string[] {
  return permissionArgs({
    net: url === undefined ? [] : [addressOf(url)],
    // Pictures are drawn in a thread, whose program is read when it starts.
    read: [out, ...pictureFolders.map((name) => `${import.meta.dirname}/../${name}`), ...reads],
    write: [out],
    env: [
      ...everybody,
      "CUDA_VISIBLE_DEVICES",
      ...["LOCKSTEP_WORKER_USER", "LOCKSTEP_WORKER_PASSWORD", "LOCKSTEP_WORKER_TOKEN"],
    ],
  });
}

/** Arguments of `deno run`. */
export function workerPermissions({ url, reads, libraryPath }: WorkerSurroundings): string[] {
  const read = [packagesFolder(), `${import.meta.dirname}/../datasets`, driverFolder, ...reads];
  const env = [...everybody, "TF_LIBRARY", "CUDA_VISIBLE_DEVICES"];
  const net = [addressOf(url)];
  const sys = ["hostname"];
  if (libraryPath === undefined) return permissionArgs({ net, read, env, sys });
  return permissionArgs({
    net,
    // CUDA's libraries lie beside TensorFlow's.
    read: [...read, dirname(dirname(libraryPath))],
    env: [...env, ...environmentNames],
    sys,
    // Deno lets nobody follow a pointer who may load some libraries only.
    ffi: [],
  });
}

/** What is not named is denied, and nobody is asked; nothing listed is everything of that kind. */
function permissionArgs(allowed: Readonly<Record<string, readonly string[]>>): string[] {
  const listed = (values: readonly string[]) => values.map(withoutComma).join(",");
  const flags = Object.entries(allowed).map(([name, values]) =>
    values.length === 0 ? `--allow-${name}` : `--allow-${name}=${listed(values)}`
  );
  return ["--no-prompt", ...flags];
}

/** Deno reads a comma as the end of a path: the nearest folder without one stands in for it. */
function withoutComma(path: string): string {
  return path.includes(",") ? withoutComma(dirname(path)) : path;
}

/** "host:port" */
function addressOf(url: string): string {
  const { host, port } = new URL(url.includes("://") ? url : `nats://${url}`);
  return port === "" ? `${host}:4222` : host;
}

/** Where Deno keeps npm packages: digits and the WebAssembly engine are files of some of them. */
function packagesFolder(): string {
  const digits = packagedDigits();
  const end = digits.indexOf("/npm/");
  return end < 0 ? digits : digits.slice(0, end + "/npm".length);
}
