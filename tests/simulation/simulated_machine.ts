/**
 * The disk of the coordinator's machine: operations take time, so that a process can die between any
 * two, and what is left after a death is what a process's end or a power cut would leave.
 */
import type { FileSystem, WritableFile } from "../../coordinator/file_system.ts";
import type { JournalDisk } from "../../coordinator/journal.ts";
import { delay } from "../../net/clock.ts";
import type { Random } from "../../net/random.ts";
import { SimulatedDisk, type Survival } from "../coordinator/simulated_disk.ts";
import type { SimulatedProcess, VirtualTime } from "./virtual_time.ts";

const operationMsMax = 4;

/** What a disk says that has no room, or that is broken at one place. */
export const diskErrors = /ENOSPC|EIO/;

/** How far an entry of the journal is: nothing of it, a part, all but not durable, all. */
export const journalPoints = ["before", "torn", "written", "synced"] as const;
export type JournalPoint = typeof journalPoints[number];

export class SimulatedMachine {
  #disk = new SimulatedDisk();
  #journal = new Uint8Array(0);
  #journalSyncedBytes = 0;
  #stuckUntilMs = 0;
  #death: { readonly point: JournalPoint; readonly die: () => void } | undefined;
  readonly #random: Random;

  #isFull = false;
  #isBroken = false;

  /** Operations that had to wait for a disk that was stuck. */
  stuckOperations = 0;
  /** Operations that failed because the disk was full, and because it was broken. */
  readonly failures = { full: 0, broken: 0 };
  readonly #time: VirtualTime;

  constructor(random: Random, time: VirtualTime) {
    this.#random = random;
    this.#time = time;
  }

  /** @param survival what is left of what was not synced; "all" where only the process died */
  crash(survival: Survival): void {
    this.#disk = this.#disk.afterCrash(survival);
    this.#death = undefined;
    if (survival === "all") return;
    const left = this.#journal.length - this.#journalSyncedBytes;
    const kept = survival === "names" ? this.#random.integer(left + 1) : 0;
    this.#journal = this.#journal.slice(0, this.#journalSyncedBytes + kept);
  }

  fileSystem(process: SimulatedProcess): FileSystem {
    const disk = this.#disk;
    const wait = async () => {
      await delay(process, this.#random.uniform() * operationMsMax);
      const stuckMs = this.#stuckUntilMs - this.#time.nowMs;
      if (stuckMs <= 0) return;
      this.stuckOperations++;
      await delay(process, stuckMs);
    };
    const after = <A extends unknown[], T>(
      operation: (...parameters: A) => Promise<T>,
      needs: "nothing" | "a sound disk" | "room" = "nothing",
    ) =>
    async (
      ...parameters: A
    ): Promise<T> => {
      await wait();
      if (needs === "room") this.#checkRoom();
      if (needs !== "nothing") this.#checkSound();
      return await operation(...parameters);
    };
    return {
      makeDirectory: after((path: string) => disk.makeDirectory(path), "room"),
      syncDirectory: after((path: string) => disk.syncDirectory(path), "a sound disk"),
      rename: after((from: string, to: string) => disk.rename(from, to), "a sound disk"),
      remove: after((path: string) => disk.remove(path)),
      list: after((path: string) => disk.list(path)),
      entry: after((path: string) => disk.entry(path)),
      readFile: after((path: string) => disk.readFile(path)),
      createFile: after(async (path: string): Promise<WritableFile> => {
        const file = await disk.createFile(path);
        return {
          write: after((bytes: Uint8Array) => file.write(bytes), "room"),
          sync: after(() => file.sync(), "a sound disk"),
          close: () => file.close(),
        };
      }, "room"),
    };
  }

  /** Whether an entry of this generation would be there after a power cut. */
  isDurable(generation: number): boolean {
    const durable = new TextDecoder().decode(this.#journal.subarray(0, this.#journalSyncedBytes));
    return durable.includes(`"generation":${generation},`);
  }

  /** Operations take so much longer until the time comes. */
  stick(untilMs: number): void {
    this.#stuckUntilMs = untilMs;
  }

  /** Nothing more can be written, until somebody makes room. */
  fill(): void {
    this.#isFull = true;
  }

  makeRoom(): void {
    this.#isFull = false;
  }

  /** The next operation that changes the disk fails. */
  breakOnce(): void {
    this.#isBroken = true;
  }

  /** No room is missing and nothing is to fail, to wait or to die here any more. */
  mend(): void {
    this.#isFull = this.#isBroken = false;
    this.#stuckUntilMs = 0;
    this.#death = undefined;
  }

  #checkRoom(): void {
    if (!this.#isFull) return;
    this.failures.full++;
    throw new Error("ENOSPC: no space left on device");
  }

  #checkSound(): void {
    if (!this.#isBroken) return;
    this.#isBroken = false;
    this.failures.broken++;
    throw new Error("EIO: input/output error");
  }

  /** At the next entry of the journal, `die` is called at this point of it. */
  dieAtJournal(point: JournalPoint, die: () => void): void {
    this.#death = { point, die };
  }

  readonly journalDisk: JournalDisk = {
    read: () => this.#journal.length === 0 ? undefined : this.#journal.slice(),
    open: (_path, bytes) => {
      this.#journal = this.#journal.slice(0, bytes);
      this.#journalSyncedBytes = Math.min(this.#journalSyncedBytes, bytes);
      return {
        writeSync: (data) => {
          this.#dieAt("before");
          this.#checkRoom();
          this.#checkSound();
          const isTorn = this.#death?.point === "torn";
          // A short write now and then, as write(2) may.
          const isShort = isTorn || this.#random.uniform() < 0.2;
          const count = isShort ? Math.ceil(data.length / 2) : data.length;
          const joined = new Uint8Array(this.#journal.length + count);
          joined.set(this.#journal);
          joined.set(data.subarray(0, count), this.#journal.length);
          this.#journal = joined;
          this.#dieAt("torn");
          return count;
        },
        syncSync: () => {
          this.#dieAt("written");
          this.#checkSound();
          this.#journalSyncedBytes = this.#journal.length;
          this.#dieAt("synced");
        },
        close: () => {},
      };
    },
  };

  #dieAt(point: JournalPoint): void {
    if (this.#death?.point !== point) return;
    const { die } = this.#death;
    this.#death = undefined;
    die();
    // Nothing after this point happens in a process that is dead.
    throw new Error(`It died with its journal entry ${point}`);
  }
}
