/** A radar composite in HDF5: which layout it has is said by the file. */
import { readHdf5 } from "./hdf5_file.ts";
import { readKnmiComposite } from "./knmi_composite.ts";
import { isOdim, readOdimComposite } from "./odim_composite.ts";
import type { RadarFrame } from "./radar_frame.ts";

/**
 * @param path names the file in errors
 * @throws {DatasetError} if it is no readable HDF5 file of a known layout
 */
export function parseHdf5Composite(bytes: Uint8Array, path: string): RadarFrame {
  return readHdf5(
    path,
    (file) => isOdim(file) ? readOdimComposite(file, path) : readKnmiComposite(file, path),
    bytes,
  );
}
