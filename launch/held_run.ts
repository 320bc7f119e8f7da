/**
 * What a coordinator holds for as long as it leads: the run's folder on this machine, and the run on its
 * broker. Both are taken before anything of the run is touched or workers are told of it.
 */
import { claimRun, type Leadership } from "../coordinator/leadership.ts";
import { systemClock } from "../net/clock.ts";
import { secretToken } from "../net/random.ts";
import type { Transport } from "../net/transport.ts";
import { lockRunFolder } from "./run_lock.ts";

export interface HeldRun extends Disposable {
  /** Tells this coordinator from all others. */
  readonly life: string;
  /** Undefined where nobody else can reach the broker. */
  readonly leadership: Leadership | undefined;
}

/**
 * Holds both until the result is disposed.
 * @throws {Error} if another process works in the folder, or leads the run
 * @throws {TransportError} if the broker is lost meanwhile
 */
export async function holdRun(
  transport: Transport,
  run: string,
  out: string,
  { inProcess = false }: { readonly inProcess?: boolean } = {},
): Promise<HeldRun> {
  const lock = await lockRunFolder(out);
  const life = secretToken(8);
  try {
    const leadership = inProcess ? undefined : await claimRun({
      ...{ transport, run, life, process: Deno.pid, folder: out, clock: systemClock },
      // Since the process began: one that has lost its broker was there all the while.
      ageMs: () => systemClock.nowMs(),
    });
    return {
      life,
      leadership,
      [Symbol.dispose]() {
        leadership?.[Symbol.dispose]();
        lock[Symbol.dispose]();
      },
    };
  } catch (error) {
    lock[Symbol.dispose]();
    throw error;
  }
}
