/** The real disk, of which is known whether anything is under way on it, however long that takes. */
import { diskFileSystem, type FileSystem } from "../../coordinator/file_system.ts";

let underWay = 0;

export function isDiskBusy(): boolean {
  return underWay > 0;
}

async function watched<T>(operation: Promise<T>): Promise<T> {
  underWay++;
  try {
    return await operation;
  } finally {
    underWay--;
  }
}

export const watchedDisk: FileSystem = {
  makeDirectory: (path) => watched(diskFileSystem.makeDirectory(path)),
  syncDirectory: (path) => watched(diskFileSystem.syncDirectory(path)),
  rename: (from, to) => watched(diskFileSystem.rename(from, to)),
  remove: (path) => watched(diskFileSystem.remove(path)),
  list: (path) => watched(diskFileSystem.list(path)),
  entry: (path) => watched(diskFileSystem.entry(path)),
  readFile: (path) => watched(diskFileSystem.readFile(path)),
  async createFile(path) {
    const file = await watched(diskFileSystem.createFile(path));
    return {
      write: (bytes) => watched(file.write(bytes)),
      sync: () => watched(file.sync()),
      close: () => file.close(),
    };
  },
};
