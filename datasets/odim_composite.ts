/**
 * Radar composites in OPERA's data information model (ODIM_H5, D. B. Michelson et al., "EUMETNET
 * OPERA weather radar information model for implementation with the HDF5 file format"): the image
 * `dataset1/data1/data` with `what` groups that say quantity, gain, offset and special values. The
 * quantities of rain are taken: reflectivity (DBZH, TH, DBZ), rate (RATE) and accumulation (ACRR).
 */
import { DatasetError } from "./dataset.ts";
import { hdf5Attribute, Hdf5Dataset, type Hdf5File, Hdf5Group, hdf5Member } from "./hdf5_file.ts";
import type { Calibration, RadarFrame } from "./radar_frame.ts";
import { marshallPalmer } from "./radar_scale.ts";

const quantities = ["DBZH", "TH", "DBZ", "RATE", "ACRR"];
const pixelsMax = 64 * 1024 * 1024;
/** Real numbers are kept as 16-bit codes of 0.01 mm/h, or 0.01 dBZ from -100 dBZ on. */
const realGain = 0.01;
const realOffsets = { "mm/h": 0, dBZ: -100 };
const [realUndetected, realMissing] = [65534, 65535];

/** Whether a file says that it follows the model. */
export function isOdim(file: Hdf5File): boolean {
  return String(hdf5Attribute(file, "Conventions")).startsWith("ODIM_H5");
}

/**
 * @param path names the file in errors
 * @throws {DatasetError} if there is no image of a quantity of rain, or its numbers make no sense
 */
export function readOdimComposite(file: Hdf5File, path: string): RadarFrame {
  const { image, quantity, attribute } = findImage(file, path);
  const { shape, dtype } = image;
  const pixels = shape?.reduce((product, extent) => product * extent, 1) ?? 0;
  if (shape?.length !== 2 || pixels === 0 || pixels > pixelsMax) {
    throw new DatasetError(
      `Cannot read "${path}": expected an image with rows and columns, found shape ` +
        `(${shape?.join(", ")})`,
    );
  }
  const [gain, offset, nodata, undetect] = ["gain", "offset", "nodata", "undetect"].map((name) => {
    const value = Number(attribute(name));
    if (!Number.isFinite(value)) {
      throw new DatasetError(
        `Cannot read "${path}": expected a number what/${name} of ${quantity}, found ` +
          attribute(name),
      );
    }
    return value;
  });
  const scale = quantity === "ACRR" ? 1 / accumulationHours(attribute, path) : 1;
  const calibration = {
    quantity: quantity === "RATE" || quantity === "ACRR" ? "mm/h" : "dBZ",
    relation: relationOf(file),
  } as const;
  const stored = { gain: gain * scale, offset: offset * scale, nodata, undetect };
  const [rows, columns] = shape;
  const codes = image.value;
  if (codes instanceof Uint8Array || codes instanceof Uint16Array) {
    checkLength(codes.length, pixels, path);
    const most = 2 ** (8 * codes.BYTES_PER_ELEMENT) - 1;
    // A special value that no code has, e.g. -1, is how a file says that it has none.
    const codesOf = (value: number) =>
      Number.isInteger(value) && value >= 0 && value <= most ? [value] : [];
    return {
      product: "ODIM",
      rows,
      columns,
      codes: codes instanceof Uint8Array ? new Uint8Array(codes) : new Uint16Array(codes),
      calibration: {
        ...calibration,
        gain: stored.gain,
        offset: stored.offset,
        missing: codesOf(nodata),
        undetected: codesOf(undetect),
      },
    };
  }
  if (codes instanceof Float32Array || codes instanceof Float64Array) {
    checkLength(codes.length, pixels, path);
    return { product: "ODIM", rows, columns, ...codesOfReals(codes, stored, calibration) };
  }
  throw new DatasetError(
    `Cannot read "${path}": expected an image of uint8, uint16, float32 or float64, found ` +
      `${JSON.stringify(dtype)}`,
  );
}

interface FoundImage {
  readonly image: Hdf5Dataset;
  readonly quantity: string;
  /** Of `what`, the one nearest to the image first. */
  attribute(name: string): string | number | undefined;
}

function findImage(file: Hdf5File, path: string): FoundImage {
  const found: string[] = [];
  for (const dataset of file.keys().filter((name) => /^dataset\d+$/.test(name)).sort()) {
    const group = hdf5Member(file, dataset);
    if (!(group instanceof Hdf5Group)) continue;
    for (const data of group.keys().filter((name) => /^data\d+$/.test(name)).sort()) {
      const whats = [`${dataset}/${data}/what`, `${dataset}/what`, "what"]
        .map((place) => hdf5Member(file, place))
        .filter((what) => what instanceof Hdf5Group);
      const attribute = (name: string) =>
        whats.map((what) => hdf5Attribute(what, name)).find((value) => value !== undefined);
      const quantity = String(attribute("quantity"));
      const image = hdf5Member(file, `${dataset}/${data}/data`);
      if (!(image instanceof Hdf5Dataset)) continue;
      if (quantities.includes(quantity)) return { image, quantity, attribute };
      found.push(quantity);
    }
  }
  throw new DatasetError(
    `Cannot read "${path}": no image dataset*/data*/data of ${quantities.join(", ")}, found ` +
      (found.length === 0 ? "no image" : found.join(", ")),
  );
}

function checkLength(length: number, pixels: number, path: string): void {
  if (length === pixels) return;
  throw new DatasetError(`Cannot read "${path}": its image holds ${length} of ${pixels} pixels`);
}

function accumulationHours(attribute: FoundImage["attribute"], path: string): number {
  const [start, end] = ["start", "end"].map((edge) => {
    const text = `${attribute(`${edge}date`)}${attribute(`${edge}time`)}`;
    const [, ...digits] = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)$/.exec(text) ?? [];
    const [year, month, day, hour, minute, second] = digits.map(Number);
    return Date.UTC(year, month - 1, day, hour, minute, second);
  });
  const hours = (end - start) / 3_600_000;
  if (!(hours > 0)) {
    throw new DatasetError(
      `Cannot turn the accumulation of "${path}" into a rate: expected startdate, starttime, ` +
        `enddate and endtime in what, YYYYMMDD and HHmmss, one before the other`,
    );
  }
  return hours;
}

function relationOf(file: Hdf5File): Calibration["relation"] {
  const how = hdf5Member(file, "how");
  if (!(how instanceof Hdf5Group)) return marshallPalmer;
  const [a, b] = ["zr_a", "zr_b"].map((name) => Number(hdf5Attribute(how, name)));
  return a > 0 && b > 0 ? { a, b } : marshallPalmer;
}

function codesOfReals(
  values: Float32Array | Float64Array,
  stored: { gain: number; offset: number; nodata: number; undetect: number },
  { quantity, relation }: Pick<Calibration, "quantity" | "relation">,
): Pick<RadarFrame, "codes" | "calibration"> {
  const offset = realOffsets[quantity];
  const codes = Uint16Array.from(values, (value) => {
    // Not a number is not observed, whether the file says so or not.
    if (value === stored.nodata || Number.isNaN(value)) return realMissing;
    if (value === stored.undetect) return realUndetected;
    const physical = stored.gain * value + stored.offset;
    return Math.min(realUndetected - 1, Math.max(0, Math.round((physical - offset) / realGain)));
  });
  return {
    codes,
    calibration: {
      quantity,
      gain: realGain,
      offset,
      missing: [realMissing],
      undetected: [realUndetected],
      relation,
    },
  };
}
