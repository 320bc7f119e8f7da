/** A radar composite in HDF5: which layout it has is said by the file. */
import { readHdf5 } from "./hdf5_file.ts";
import { knmiMinutes, readKnmiComposite } from "./knmi_composite.ts";
import { isOdim, odimMinutes, readOdimComposite } from "./odim_composite.ts";
import type { RadarChoice, RadarFrame } from "./radar_frame.ts";

/**
 * @param path names the file in errors
 * @throws {DatasetError} if it is no readable HDF5 file of a known layout
 */
export function parseHdf5Composite(
  bytes: Uint8Array,
  path: string,
  choice: RadarChoice = {},
): RadarFrame {
  return readHdf5(
    path,
    (file) =>
      isOdim(file) ? readOdimComposite(file, path, choice) : readKnmiComposite(file, path, choice),
    bytes,
  );
}

/** When it was measured, in minutes since 1970; undefined where the file does not say so. */
export function hdf5CompositeMinutes(bytes: Uint8Array, path: string): number | undefined {
  return readHdf5(path, (file) => isOdim(file) ? odimMinutes(file) : knmiMinutes(file), bytes);
}
