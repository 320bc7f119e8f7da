/** The radar composites of a folder in the order of their times. */
import { DatasetError } from "./dataset.ts";
import { fileNames } from "./files.ts";
import { scanMinutes } from "./scan_times.ts";

const formats = {
  FMI: { pattern: /\.pgm(\.gz)?$/, endings: ".pgm.gz or .pgm" },
  "KNMI or ODIM": { pattern: /\.(h5|hdf|hdf5)$/, endings: ".h5, .hdf or .hdf5" },
};

export interface RadarScan {
  readonly path: string;
  /** Since 1970, UTC. */
  readonly minutes: number;
}

/**
 * Other files, such as a README, are passed over.
 * @throws {DatasetError} if there are fewer than 2 composites, or of both formats, or one without
 *   a time in its name
 */
export async function listRadarScans(
  folder: string,
): Promise<readonly RadarScan[]> {
  const names = await fileNames(folder);
  const found = Object.entries(formats).map(([format, { pattern }]) => ({
    format,
    names: names.filter((name) => pattern.test(name)),
  })).filter(({ names }) => names.length > 0);
  if (found.length === 0) {
    const expected = Object.entries(formats).map(([format, { endings }]) => `${format} ${endings}`);
    throw new DatasetError(
      `Cannot find radar composites in "${folder}": none of its ${names.length} files ends as ` +
        `${expected.join(" or ")}`,
    );
  }
  if (found.length > 1) {
    throw new DatasetError(
      `Cannot mix formats in "${folder}": it holds ` +
        found.map(({ format, names }) => `${names.length} files of ${format}`).join(" and ") +
        "; put them into folders of their own",
    );
  }
  const [{ names: composites }] = found;
  if (composites.length < 2) {
    throw new DatasetError(
      `Cannot make sequences from "${folder}": it holds 1 composite, at least 2 are needed`,
    );
  }
  const scans = composites.map((name) => {
    const path = `${folder}/${name}`;
    return { path, minutes: scanMinutes(name, path) };
  });
  return scans.sort((one, two) => one.minutes - two.minutes);
}
