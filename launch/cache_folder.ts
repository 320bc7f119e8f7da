/**
 * The per-user cache of what set-up fetched: `tensorflow/<version>/` and `nats-server/<version>/`.
 *
 * A version's folder is complete or absent. It is filled under another name and renamed, so that an
 * interrupted fetch leaves nothing half; a lock lets one process fetch while others wait and then
 * find what it brought. The system drops the lock when its holder dies.
 */
import { type Clock, delay } from "../net/clock.ts";

const PARTIAL_PREFIX = ".partial-";

/** The versions in `<cache>/<name>/`, newest first; none where there is no such folder. */
export function cachedVersions(cache: string, name: string): string[] {
  try {
    return [...Deno.readDirSync(`${cache}/${name}`)]
      .filter((entry) => entry.isDirectory && /^\d/.test(entry.name))
      .map((entry) => entry.name)
      .sort((left, right) => compareVersions(right, left));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

/** Negative if `left` is older than `right`: numbers are compared as numbers, 2.9 < 2.21. */
export function compareVersions(left: string, right: string): number {
  const [a, b] = [left, right].map((version) => version.match(/\d+/g)?.map(Number) ?? []);
  for (let i = 0; i < Math.max(a.length, b.length); i++) {
    if ((a[i] ?? 0) !== (b[i] ?? 0)) return (a[i] ?? 0) - (b[i] ?? 0);
  }
  return left < right ? -1 : left > right ? 1 : 0;
}

export interface LockOptions {
  readonly clock: Clock;
  /** How long to wait for another process that is fetching. */
  readonly waitTimeoutMs: number;
  /** Called once if there is one. */
  onWait(): void;
}

/**
 * Runs `action` as the only process that writes to the cache, and creates the cache if need be.
 * What fetches that died had left half done is removed first.
 * @throws {Error} if the cache cannot be written, or is locked for longer than `waitTimeoutMs`
 */
export async function withCacheLock<T>(
  cache: string,
  options: LockOptions,
  action: () => Promise<T>,
): Promise<T> {
  using lock = await openLock(cache);
  const startMs = options.clock.nowMs();
  for (let attempt = 0; !await lock.tryLock(true); attempt++) {
    if (attempt === 0) options.onWait();
    if (options.clock.nowMs() - startMs >= options.waitTimeoutMs) {
      throw new Error(
        `Cannot write the cache "${cache}": another set-up has held it for ` +
          `${options.waitTimeoutMs} ms; end that one, or set LOCKSTEP_CACHE to another folder`,
      );
    }
    await delay(options.clock, 200);
  }
  for (const entry of Deno.readDirSync(cache)) {
    if (!entry.name.startsWith(PARTIAL_PREFIX)) continue;
    await Deno.remove(`${cache}/${entry.name}`, { recursive: true });
  }
  return await action();
}

async function openLock(cache: string): Promise<Deno.FsFile> {
  try {
    await Deno.mkdir(cache, { recursive: true });
    return await Deno.open(`${cache}/setup.lock`, { create: true, write: true });
  } catch (cause) {
    throw new Error(
      `Cannot write the cache "${cache}": ${(cause as Error).message}; ` +
        `set LOCKSTEP_CACHE to a folder that you can write`,
      { cause },
    );
  }
}

/**
 * Fills a folder, then makes it `<cache>/<name>/<version>`, whole or not at all. Call it under the
 * lock. `fill` gets an empty folder for what stays and one for what is thrown away afterwards, and
 * returns the version that it put there. A folder that is already there is replaced.
 * @returns the path of the version's folder
 */
export async function fillCache(
  cache: string,
  name: string,
  fill: (kept: string, discarded: string) => Promise<string>,
): Promise<string> {
  const partial = await Deno.makeTempDir({ dir: cache, prefix: PARTIAL_PREFIX });
  try {
    await Deno.mkdir(`${partial}/kept`);
    await Deno.mkdir(`${partial}/discarded`);
    const version = await fill(`${partial}/kept`, `${partial}/discarded`);
    const target = `${cache}/${name}/${version}`;
    await Deno.mkdir(`${cache}/${name}`, { recursive: true });
    await removeIfThere(target);
    await Deno.rename(`${partial}/kept`, target);
    return target;
  } finally {
    await removeIfThere(partial);
  }
}

async function removeIfThere(path: string): Promise<void> {
  try {
    await Deno.remove(path, { recursive: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
