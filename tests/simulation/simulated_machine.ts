/**
 * The disk of the coordinator's machine: operations take time, so that a process can die between any
 * two, and what is left after a death is what a process's end or a power cut would leave.
 */
import type { FileSystem, WritableFile } from "../../coordinator/file_system.ts";
import type { JournalDisk } from "../../coordinator/journal.ts";
import { delay } from "../../net/clock.ts";
import type { Random } from "../../net/random.ts";
import { SimulatedDisk, type Survival } from "../coordinator/simulated_disk.ts";
import type { SimulatedProcess } from "./virtual_time.ts";

const operationMsMax = 4;

export class SimulatedMachine {
  #disk = new SimulatedDisk();
  #journal = new Uint8Array(0);
  #journalSyncedBytes = 0;
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  /** @param survival what is left of what was not synced; "all" where only the process died */
  crash(survival: Survival): void {
    this.#disk = this.#disk.afterCrash(survival);
    if (survival === "all") return;
    const left = this.#journal.length - this.#journalSyncedBytes;
    const kept = survival === "names" ? this.#random.integer(left + 1) : 0;
    this.#journal = this.#journal.slice(0, this.#journalSyncedBytes + kept);
  }

  fileSystem(process: SimulatedProcess): FileSystem {
    const disk = this.#disk;
    const wait = () => delay(process, this.#random.uniform() * operationMsMax);
    const after = <A extends unknown[], T>(operation: (...parameters: A) => Promise<T>) =>
    async (
      ...parameters: A
    ): Promise<T> => {
      await wait();
      return await operation(...parameters);
    };
    return {
      makeDirectory: after((path: string) => disk.makeDirectory(path)),
      syncDirectory: after((path: string) => disk.syncDirectory(path)),
      rename: after((from: string, to: string) => disk.rename(from, to)),
      remove: after((path: string) => disk.remove(path)),
      list: after((path: string) => disk.list(path)),
      entry: after((path: string) => disk.entry(path)),
      readFile: after((path: string) => disk.readFile(path)),
      createFile: after(async (path: string): Promise<WritableFile> => {
        const file = await disk.createFile(path);
        return {
          write: after((bytes: Uint8Array) => file.write(bytes)),
          sync: after(() => file.sync()),
          close: () => file.close(),
        };
      }),
    };
  }

  readonly journalDisk: JournalDisk = {
    read: () => this.#journal.length === 0 ? undefined : this.#journal.slice(),
    open: (_path, bytes) => {
      this.#journal = this.#journal.slice(0, bytes);
      this.#journalSyncedBytes = Math.min(this.#journalSyncedBytes, bytes);
      return {
        writeSync: (data) => {
          // A short write now and then, as write(2) may.
          const count = this.#random.uniform() < 0.2 ? Math.ceil(data.length / 2) : data.length;
          const joined = new Uint8Array(this.#journal.length + count);
          joined.set(this.#journal);
          joined.set(data.subarray(0, count), this.#journal.length);
          this.#journal = joined;
          return count;
        },
        syncSync: () => void (this.#journalSyncedBytes = this.#journal.length),
        close: () => {},
      };
    },
  };
}
