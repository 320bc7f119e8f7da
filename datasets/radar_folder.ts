/** The radar composites of a folder, and of folders in it, in the order of their times. */
import { DatasetError, isBadFile } from "./dataset.ts";
import { filesBelow } from "./folder_walk.ts";
import { minutesTold } from "./scan_times.ts";

/** DWD's composites end in "-hd5". */
export const hdf5Names = /[.-](h5|hdf|hdf5|hd5)(\.gz)?$/i;

const formats = {
  FMI: { pattern: /\.pgm(\.gz)?$/i, endings: ".pgm.gz or .pgm" },
  "KNMI or ODIM": {
    pattern: hdf5Names,
    endings: ".h5, .hdf, .hdf5 or .hd5",
  },
};
const archivePattern = /\.(tar|tgz|tar\.\w+|tbz2?|txz|zip|7z|rar)$/i;

export interface RadarScan {
  readonly path: string;
  /** Since 1970, UTC. */
  readonly minutes: number;
}

export interface RadarFolder {
  readonly scans: readonly RadarScan[];
  /** What was done about links. */
  readonly notes: readonly string[];
  /** Sentences about files whose time cannot be read, where these are left out. */
  readonly failures: readonly string[];
}

export interface RadarFolderOptions {
  /** Pattern of * and ? for names or paths below the folder. All files are used without it. */
  readonly files?: string;
  /** With "skip", a file that would have to tell its time and cannot be read is left out. */
  readonly onBadFile?: "stop" | "skip";
  /** What a file itself says, for those whose name has no time. */
  minutesOf(path: string): Promise<number | undefined>;
}

/**
 * Other files, such as a README, are passed over.
 * @throws {DatasetError} if there are fewer than 2 composites, or of both formats, or one without
 *   a time
 */
export async function listRadarScans(
  folder: string,
  options: RadarFolderOptions,
): Promise<RadarFolder> {
  const { names: all, notes } = await filesBelow(folder);
  const names = options.files ? all.filter(fits(options.files)) : all;
  const found = Object.entries(formats).map(([format, { pattern }]) => ({
    format,
    names: names.filter((name) => pattern.test(name)),
  })).filter(({ names }) => names.length > 0);
  if (found.length === 0) throw nothingFound(folder, names, all.length, options.files);
  if (found.length > 1) {
    throw new DatasetError(
      `Cannot mix formats in "${folder}": it holds ` +
        found.map(({ format, names }) => `${names.length} files of ${format}`).join(" and ") +
        `, e.g. "${found[0].names[0]}" and "${
          found[1].names[0]
        }"; put them into folders of their ` +
        "own, or choose by name with --dataset-options files=PATTERN",
    );
  }
  const [{ names: composites }] = found;
  if (composites.length < 2) {
    throw new DatasetError(
      `Cannot make sequences from "${folder}": it holds 1 composite, at least 2 are needed`,
    );
  }
  const scans: RadarScan[] = [];
  const failures: string[] = [];
  for (const name of composites) {
    const path = `${folder}/${name}`;
    try {
      scans.push({ path, minutes: await scanMinutes(name, path, options.minutesOf) });
    } catch (error) {
      if (options.onBadFile !== "skip" || !isBadFile(error)) throw error;
      failures.push(error.message);
    }
  }
  if (scans.length === 0) {
    throw new DatasetError(
      `Cannot use any of ${composites.length} files, the first because: ${failures[0]}`,
    );
  }
  return { scans: scans.sort((one, two) => one.minutes - two.minutes), failures, notes };
}

/** The time that the file's name tells, else the file itself, else the folders it lies in. */
async function scanMinutes(
  name: string,
  path: string,
  minutesOf: RadarFolderOptions["minutesOf"],
): Promise<number> {
  const told = minutesTold(name.slice(name.lastIndexOf("/") + 1));
  if (told.length === 1) return told[0];
  const own = await minutesOf(path);
  if (told.length > 1) {
    if (own !== undefined && told.includes(own)) return own;
    throw new DatasetError(
      `Cannot tell the time of "${path}": its name holds ${told.length} times, and ${
        own === undefined ? "the file says none" : "the file says another"
      }; leave one in the name, YYYYMMDDHHMM (UTC)`,
    );
  }
  if (own !== undefined) return own;
  const [below, ...more] = minutesTold(name);
  if (below !== undefined && more.length === 0) return below;
  throw new DatasetError(
    `Cannot tell the time of "${path}": expected YYYYMMDDHHMM (UTC) in the file name, or a time in ` +
      "the file",
  );
}

function nothingFound(
  folder: string,
  names: readonly string[],
  allCount: number,
  files: string | undefined,
): DatasetError {
  const expected = Object.entries(formats).map(([format, { endings }]) => `${format} ${endings}`);
  const archive = names.find((name) => archivePattern.test(name));
  const hint = archive === undefined
    ? names.length === 0 ? "" : `, e.g. "${names[0]}"`
    : `; "${archive}" is an archive: unpack it and name the folder of its files`;
  const which = files ? `${names.length} of ${allCount} files that fit files=${files}` : "";
  return new DatasetError(
    `Cannot find radar composites in "${folder}": none of its ${
      which || `${names.length} files`
    } ` +
      `ends as ${expected.join(" or ")}${hint}`,
  );
}

/** Whether a pattern of * and ? fits a whole name, or a whole path below the folder. */
function fits(pattern: string): (path: string) => boolean {
  const source = pattern.replaceAll(/[\\^$.|+()[\]{}]/g, "\\$&")
    .replaceAll(/\*+/g, ".*").replaceAll("?", ".");
  const expression = new RegExp(`^(.*/)?${source}$`, "s");
  return (path) => expression.test(path);
}
