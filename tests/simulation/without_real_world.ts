/** Keeps a simulation from anything that its seed does not decide. */
import { createHash } from "node:crypto";

/**
 * Runs `body` where the real clocks, timers and sources of chance throw, so that a run that reads
 * them shows at once, and where hashes are there without delay: the one asynchronous thing that
 * takes real time, with the same bytes coming of it.
 */
export function withoutRealWorld<T>(body: () => T): T {
  const undo: (() => void)[] = [];
  const replace = <O extends object, K extends keyof O>(owner: O, name: K, value: O[K]) => {
    const before = owner[name];
    owner[name] = value;
    undo.push(() => owner[name] = before);
  };
  const forbid = <O extends object, K extends keyof O>(owner: O, name: K) =>
    replace(
      owner,
      name,
      (() => {
        throw new Error(`${String(name)}() was called in a simulation: take it as an argument`);
      }) as O[K],
    );
  forbid(Date, "now");
  forbid(performance, "now");
  forbid(Math, "random");
  forbid(crypto, "randomUUID");
  forbid(crypto, "getRandomValues");
  forbid(globalThis, "setTimeout");
  forbid(globalThis, "setInterval");
  replace(
    crypto.subtle,
    "digest",
    (_algorithm, data) =>
      Promise.resolve(
        new Uint8Array(createHash("sha256").update(data as Uint8Array).digest()).buffer,
      ),
  );
  try {
    return body();
  } finally {
    for (const restore of undo.reverse()) restore();
  }
}
