/**
 * Radar composites of the Royal Netherlands Meteorological Institute, product RAD_NL25_RAP_5min:
 * HDF5 with the rain of 5 minutes as uint16, in the project's own layout (hdftag 3.5, not ODIM).
 * The one file that names h5wasm, the HDF5 library compiled to WebAssembly. It blocks while it
 * reads, a few ms for a frame, so it runs in the decode worker only.
 */
import h5wasm, { Dataset, type File, Group } from "h5wasm";
import { DatasetError } from "./dataset.ts";
import type { Calibration, RadarFrame } from "./radar_frame.ts";
import { marshallPalmer } from "./radar_scale.ts";

const imagePath = "image1/image_data";
const calibrationPath = "image1/calibration";
/** The product's accumulation of 5 min as a rate. */
const accumulationsPerHour = 12;
const pixelsMax = 64 * 1024 * 1024;

const module = await h5wasm.ready;
// Without it the library prints to standard error and returns what its memory happened to hold.
module.activate_throwing_error_handler();

let filesRead = 0;

/**
 * @param path names the file in errors
 * @throws {DatasetError} if it is no readable HDF5 file of this product
 */
export function parseKnmiComposite(bytes: Uint8Array, path: string): RadarFrame {
  // A name of its own: the library would take a name that a failure left open for the same file.
  const virtualPath = `composite-${filesRead++}.h5`;
  module.FS.writeFile(virtualPath, bytes);
  try {
    const file = new h5wasm.File(virtualPath, "r");
    try {
      const calibration = readCalibration(file, path);
      return { ...readImage(file, path), calibration };
    } finally {
      file.close();
    }
  } catch (cause) {
    if (cause instanceof DatasetError) throw cause;
    throw new DatasetError(
      `Cannot read "${path}": ${hdf5Reason(cause)} (HDF5 file of ${bytes.length} bytes)`,
      { cause },
    );
  } finally {
    module.FS.unlink(virtualPath);
  }
}

function readImage(file: File, path: string): Omit<RadarFrame, "calibration"> {
  const image = member(file, imagePath);
  if (!(image instanceof Dataset)) {
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

function readCalibration(file: File, path: string): Calibration {
  const group = member(file, calibrationPath);
  if (!(group instanceof Group)) {
    throw new DatasetError(`Cannot read "${path}": it has no group ${calibrationPath}`);
  }
  const formula = String(group.attrs["calibration_formulas"]?.value);
  const [, gain, offset] = /^GEO=([-+.\dEe]+)\*PV\+([-+.\dEe]+)$/.exec(formula) ?? [];
  const millimetres = { gain: Number(gain), offset: Number(offset) };
  if (!(millimetres.gain > 0) || !Number.isFinite(millimetres.offset)) {
    throw new DatasetError(
      `Cannot read "${path}": expected calibration_formulas "GEO=gain*PV+offset", ` +
        `found ${JSON.stringify(formula)}`,
    );
  }
  const missing = ["calibration_missing_data", "calibration_out_of_image"].map((name) => {
    const value = group.attrs[name]?.value;
    const code = Number(ArrayBuffer.isView(value) ? (value as Int32Array)[0] : value);
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

/** Step by step, because asking for a path of which the group is absent is an error. */
function member(file: File, path: string): ReturnType<Group["get"]> {
  let found: ReturnType<Group["get"]> = file;
  for (const name of path.split("/")) {
    if (!(found instanceof Group) || !found.keys().includes(name)) return null;
    found = found.get(name);
  }
  return found;
}

/** The innermost reason of the library's error stack, e.g. "truncated file: eof = 30000, …". */
function hdf5Reason(cause: unknown): string {
  const message = cause instanceof Error ? cause.message : String(cause);
  const reasons = [...message.matchAll(/#\d+: .*? in \w+\(\): (.*)/g)];
  return reasons.at(-1)?.[1] ?? message.split("\n")[0];
}
