/**
 * A coordinator that dies by SIGKILL at one operation on its disk: `deno task coordinator` with a disk
 * that counts. The first argument is a `CoordinatorFault` in JSON.
 */
import { diskFileSystem, type FileSystem } from "../coordinator/file_system.ts";
import { diskJournal, type JournalDisk } from "../coordinator/journal.ts";
import { coordinatorCommand } from "../launch/coordinator.ts";
import { runCommand } from "../launch/exit_codes.ts";
import { die } from "./fault_points.ts";

/** Moments of one entry of the journal. */
export const journalMoments = [
  "before it is written",
  "when half of it is written",
  "before its fsync",
  "after its fsync",
] as const;

export interface CoordinatorFault {
  /** Dies in this entry of its own, counted from 1. */
  readonly entry?: number;
  readonly moment?: typeof journalMoments[number];
  /** Dies before this change within the folder of checkpoints, counted from 1. */
  readonly change?: number;
}

if (import.meta.main) {
  const [text, ...args] = Deno.args;
  const fault = JSON.parse(text) as CoordinatorFault;
  await runCommand(() =>
    coordinatorCommand(args, { fileSystem: countingFiles(fault), journal: countingJournal(fault) })
  );
}

function countingJournal({ entry, moment }: CoordinatorFault): JournalDisk {
  return {
    read: diskJournal.read,
    open(path, bytes) {
      const file = diskJournal.open(path, bytes);
      let entries = 0;
      const isAt = (place: typeof moment) => entries === entry && place === moment;
      return {
        // An entry is short: the disk takes it at once.
        writeSync(bytes) {
          entries++;
          if (isAt("before it is written")) die();
          if (isAt("when half of it is written")) {
            file.writeSync(bytes.subarray(0, bytes.length >> 1));
            die();
          }
          return file.writeSync(bytes);
        },
        syncSync() {
          if (isAt("before its fsync")) die();
          file.syncSync();
          if (isAt("after its fsync")) die();
        },
        close: () => file.close(),
      };
    },
  };
}

/** Everything that changes the disk counts where its path lies in the folder of checkpoints. */
function countingFiles({ change }: CoordinatorFault): FileSystem {
  let changes = 0;
  const count = (path: string) => {
    if (/\/checkpoints(\/|$)/.test(path) && ++changes === change) die();
  };
  return {
    ...diskFileSystem,
    async makeDirectory(path) {
      count(path);
      await diskFileSystem.makeDirectory(path);
    },
    async syncDirectory(path) {
      count(path);
      await diskFileSystem.syncDirectory(path);
    },
    async createFile(path) {
      count(path);
      const file = await diskFileSystem.createFile(path);
      return {
        async write(bytes) {
          count(path);
          return await file.write(bytes);
        },
        async sync() {
          count(path);
          await file.sync();
        },
        close: () => file.close(),
      };
    },
    async rename(from, to) {
      count(to);
      await diskFileSystem.rename(from, to);
    },
    async remove(path) {
      count(path);
      await diskFileSystem.remove(path);
    },
  };
}
