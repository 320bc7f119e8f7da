/**
 * Radar composites of the Royal Netherlands Meteorological Institute, product RAD_NL25_RAP_5min:
 * HDF5 with the rain of 5 minutes as uint16, in the project's own layout (hdftag 3.5, not ODIM).
 */
import { DatasetError } from "./dataset.ts";
import { hdf5Attribute, Hdf5Dataset, type Hdf5File, Hdf5Group, hdf5Member } from "./hdf5_file.ts";
import type { Calibration, RadarFrame } from "./radar_frame.ts";
import { marshallPalmer } from "./radar_scale.ts";

const imagePath = "image1/image_data";
const calibrationPath = "image1/calibration";
/** The product's accumulation of 5 min as a rate. */
const accumulationsPerHour = 12;
const pixelsMax = 64 * 1024 * 1024;

/**
 * @param path names the file in errors
 * @throws {DatasetError} if it is no file of this product
 */
export function readKnmiComposite(file: Hdf5File, path: string): RadarFrame {
  return { product: "KNMI", ...readImage(file, path), calibration: readCalibration(file, path) };
}

function readImage(
  file: Hdf5File,
  path: string,
): Pick<RadarFrame, "rows" | "columns" | "codes"> {
  const image = hdf5Member(file, imagePath);
  if (!(image instanceof Hdf5Dataset)) {
    throw new DatasetError(`Cannot read "${path}": it has no data set ${imagePath}`);
  }
  const { shape, dtype } = image;
  const pixels = shape?.reduce((product, extent) => product * extent, 1) ?? 0;
  if (dtype !== "<H" || shape?.length !== 2 || pixels === 0 || pixels > pixelsMax) {
    throw new DatasetError(
      `Cannot read "${path}": expected ${imagePath} to be uint16 with rows and columns, found ` +
        `type ${JSON.stringify(dtype)} of shape (${shape?.join(", ")})`,
    );
  }
  const codes = image.value;
  if (!(codes instanceof Uint16Array) || codes.length !== pixels) {
    throw new DatasetError(`Cannot read "${path}": ${imagePath} does not hold ${pixels} pixels`);
  }
  return { rows: shape[0], columns: shape[1], codes: new Uint16Array(codes) };
}

function readCalibration(file: Hdf5File, path: string): Calibration {
  const group = hdf5Member(file, calibrationPath);
  if (!(group instanceof Hdf5Group)) {
    throw new DatasetError(`Cannot read "${path}": it has no group ${calibrationPath}`);
  }
  const formula = String(hdf5Attribute(group, "calibration_formulas"));
  const [, gain, offset] = /^GEO=([-+.\dEe]+)\*PV\+([-+.\dEe]+)$/.exec(formula) ?? [];
  const millimetres = { gain: Number(gain), offset: Number(offset) };
  if (!(millimetres.gain > 0) || !Number.isFinite(millimetres.offset)) {
    throw new DatasetError(
      `Cannot read "${path}": expected calibration_formulas "GEO=gain*PV+offset", ` +
        `found ${JSON.stringify(formula)}`,
    );
  }
  const missing = ["calibration_missing_data", "calibration_out_of_image"].map((name) => {
    const value = hdf5Attribute(group, name);
    const code = Number(value);
    if (!(code >= 0 && code <= 0xffff)) {
      throw new DatasetError(
        `Cannot read "${path}": expected ${calibrationPath} to say ${name} from 0 to 65535, ` +
          `found ${value}`,
      );
    }
    return code;
  });
  return {
    quantity: "mm/h",
    gain: millimetres.gain * accumulationsPerHour,
    offset: millimetres.offset * accumulationsPerHour,
    missing: [...new Set(missing)],
    relation: marshallPalmer,
  };
}
