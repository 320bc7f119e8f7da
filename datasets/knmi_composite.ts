/**
 * Radar composites of the Royal Netherlands Meteorological Institute: HDF5 in its own layout (hdftag
 * 3.5, not ODIM), in which `image_geo_parameter` says what an image holds, e.g. PRECIP_[MM] beside
 * QUALITY_[-] in one file, and the overview from when to when rain was summed.
 */
import { DatasetError } from "./dataset.ts";
import {
  hdf5Attribute,
  Hdf5Dataset,
  type Hdf5File,
  Hdf5Group,
  hdf5Member,
  hdf5Numbers,
} from "./hdf5_file.ts";
import { readHdf5Image } from "./hdf5_image.ts";
import {
  accumulationMinutes,
  type Calibration,
  type RadarChoice,
  type RadarFrame,
} from "./radar_frame.ts";
import { marshallPalmer } from "./radar_scale.ts";
import { minutesOf, minutesTold } from "./scan_times.ts";

/** A forecast of KNMI has 25. */
const imagesMax = 1000;

type Measure = "reflectivity" | "rate" | "sum";

/** Which measure each quantity of ODIM is, to be asked for by its name. */
const measureOf: Readonly<Record<string, Measure>> = {
  DBZH: "reflectivity",
  DBZ: "reflectivity",
  TH: "reflectivity",
  RATE: "rate",
  ACRR: "sum",
};

/**
 * @param path names the file in errors
 * @throws {DatasetError} if it holds no rain or reflectivity, or does not say what its numbers mean
 */
export function readKnmiComposite(
  file: Hdf5File,
  path: string,
  choice: RadarChoice = {},
): RadarFrame {
  const { name, group, parameter, measure } = findImage(file, path, choice);
  const image = hdf5Member(group, "image_data");
  if (!(image instanceof Hdf5Dataset)) {
    throw new DatasetError(`Cannot read "${path}": it has no data set ${name}/image_data`);
  }
  const { rows, columns, pixels } = readHdf5Image(image, `${name}/image_data`, path);
  if (!(pixels instanceof Uint8Array || pixels instanceof Uint16Array)) {
    throw new DatasetError(
      `Cannot read "${path}": expected ${name}/image_data to be uint16 or uint8, found type ` +
        `${JSON.stringify(image.dtype)} of shape (${rows}, ${columns})`,
    );
  }
  const codes = pixels instanceof Uint8Array ? new Uint8Array(pixels) : new Uint16Array(pixels);
  const period = measure === "sum" ? summedMinutes(file, path, choice) : undefined;
  const minutes = knmiMinutes(file);
  const corners = hdf5Numbers(groupOf(file, "geographic"), "geo_product_corners");
  return {
    ...{ product: "KNMI", rows, columns, codes },
    calibration: readCalibration(group, name, path, measure, period),
    content: period === undefined ? parameter : `${parameter} in ${period} min`,
    relationTold: false,
    ...(minutes !== undefined && { minutes }),
    ...(corners.length > 0 && { corners }),
  };
}

/** When a product ends, in minutes since 1970; undefined where it does not say so. */
export function knmiMinutes(file: Hdf5File): number | undefined {
  return overviewTime(file, "product_datetime_end") ??
    overviewTime(file, "product_datetime_start");
}

interface FoundImage {
  readonly name: string;
  readonly group: Hdf5Group;
  readonly parameter: string;
  readonly measure: Measure;
}

function findImage(file: Hdf5File, path: string, { quantity, image }: RadarChoice): FoundImage {
  const names = file.keys().filter((name) => /^image\d+$/.test(name))
    .sort((one, two) => Number(one.slice(5)) - Number(two.slice(5)));
  if (names.length > imagesMax) {
    throw new DatasetError(
      `Cannot use "${path}": it holds ${names.length} images, at most ${imagesMax} are read`,
    );
  }
  const images = names.flatMap((name) => {
    const group = groupOf(file, name);
    if (group === null) return [];
    const parameter = String(hdf5Attribute(group, "image_geo_parameter") ?? "");
    return [{ name, group, parameter, measure: measureOfParameter(parameter) }];
  });
  if (images.length === 0) {
    throw new DatasetError(
      `Cannot use "${path}": it is laid out neither as ODIM (Conventions, dataset1) nor as KNMI's ` +
        `files (image1/image_data), found ${file.keys().slice(0, 8).join(", ") || "nothing"}`,
    );
  }
  const wanted = image === undefined ? images : images.filter(({ name }) => name === image);
  const found = wanted.filter((each): each is FoundImage =>
    each.measure !== undefined &&
    (quantity === undefined || each.measure === measureOf[quantity])
  );
  const held = images.map(({ name, parameter }) => `${name} ${parameter || "without a name"}`);
  if (found.length === 0) {
    throw new DatasetError(
      `Cannot use "${path}": of its image_geo_parameter only rain and reflectivity can be used, ` +
        "e.g. PRECIP_[MM], RAINFALL_RATE_[MM/H] or REFLECTIVITY_[DBZ]" +
        `${quantity === undefined ? "" : `, and ${quantity} was asked for`}${
          image === undefined ? "" : `, in ${image}`
        }; found ${held.slice(0, 8).join(", ")}`,
    );
  }
  if (found.length > 1) {
    throw new DatasetError(
      `Cannot tell which image of "${path}" to take: it holds ` +
        found.slice(0, 4).map(({ name, parameter }) => `${name} ${parameter}`).join(", ") +
        `${found.length > 4 ? ` and ${found.length - 4} more` : ""}; choose one with ` +
        `--dataset-options image=${found[0].name}`,
    );
  }
  return found[0];
}

const words =
  /^(accumulated|accumulation|integrated|precip|precipitation|rain|rainfall|rainrate|rate|sum|amount|depth|intensity|radar|corrected|reflectivity)$/;

/** Undefined for anything but rain and reflectivity: each word of its name has to be known. */
function measureOfParameter(parameter: string): Measure | undefined {
  const [, name, unit] = /^(.*?)[_\s]*\[(.*)\]$/.exec(parameter.trim().toLowerCase()) ?? [];
  if (name === undefined || !name.split(/[_\s-]+/).every((word) => words.test(word))) return;
  const isReflectivity = name.includes("reflectivity");
  const isRain = /rain|precip|accumul/.test(name);
  const isRate = /rate|intensity/.test(name);
  switch (unit.replaceAll(/\s/g, "")) {
    case "dbz":
      return isReflectivity && !isRain ? "reflectivity" : undefined;
    case "mm/h":
    case "mm/hr":
    case "mm/hour":
    case "mmh-1":
      return isRain && !isReflectivity ? "rate" : undefined;
    case "mm":
      return isRain && !isRate && !isReflectivity ? "sum" : undefined;
  }
}

function summedMinutes(
  file: Hdf5File,
  path: string,
  choice: RadarChoice,
): number {
  const names = ["product_datetime_start", "product_datetime_end"];
  const [start, end] = names.map((name) => overviewTime(file, name));
  const minutes = accumulationMinutes((end ?? NaN) - (start ?? NaN), choice, path);
  if (minutes === undefined) {
    const found = names.map((name) => hdf5Attribute(groupOf(file, "overview"), name) ?? "none");
    throw new DatasetError(
      `Cannot turn the sums of "${path}" into rates: expected its overview to say ` +
        `${names.join(" and ")}, one before the other, found ${found.join(" and ")}; if you know ` +
        "the time between, give it with --dataset-options accumulation-minutes=5",
    );
  }
  return minutes;
}

const months = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

/** Minutes since 1970 of "26-AUG-2010;00:00:00.000" in UTC, or of "2010-08-26T00:00:00Z". */
function overviewTime(file: Hdf5File, name: string): number | undefined {
  const text = String(hdf5Attribute(groupOf(file, "overview"), name) ?? "").toLowerCase();
  const [, day, word, year, hour, minute] =
    /^(\d\d?)-([a-z]{3})-(\d{4})[;t ](\d\d):(\d\d)(?::\d\d(?:\.\d+)?)?z?$/.exec(text.trim()) ?? [];
  const month = months.indexOf(word) + 1;
  if (month > 0) return minutesOf({ year, month: `${month}`, day, hour, minute });
  const [told, ...more] = minutesTold(text);
  return more.length === 0 ? told : undefined;
}

function readCalibration(
  image: Hdf5Group,
  name: string,
  path: string,
  measure: Measure,
  period: number | undefined,
): Calibration {
  const group = groupOf(image, "calibration");
  if (group === null) {
    throw new DatasetError(`Cannot read "${path}": it has no group ${name}/calibration`);
  }
  const formula = String(hdf5Attribute(group, "calibration_formulas"));
  const [, gain, added, subtracted] = formulaPattern.exec(formula) ?? [];
  const offset = (added ?? subtracted ?? "0").replaceAll(/\s/g, "");
  const stored = { gain: Number(gain), offset: Number(offset) };
  if (!(stored.gain > 0) || !Number.isFinite(stored.gain) || !Number.isFinite(stored.offset)) {
    throw new DatasetError(
      `Cannot read "${path}": expected calibration_formulas "GEO=gain*PV+offset", ` +
        `found ${JSON.stringify(formula)}`,
    );
  }
  const [missing, outside] = ["calibration_missing_data", "calibration_out_of_image"].map(
    (name) => {
      const value = hdf5Attribute(group, name);
      const code = Number(value);
      if (!(code >= 0 && code <= 0xffff)) {
        throw new DatasetError(
          `Cannot read "${path}": expected its calibration to say ${name} from 0 to 65535, ` +
            `found ${value}`,
        );
      }
      return code;
    },
  );
  if (measure === "reflectivity") {
    // Where reflectivity is too small to be measured, KNMI writes 0 and calls it missing.
    const isNoEcho = missing === 0 && outside !== 0;
    return {
      ...{ quantity: "dBZ", gain: stored.gain, offset: stored.offset, relation: marshallPalmer },
      missing: isNoEcho ? [outside] : [...new Set([missing, outside])],
      ...(isNoEcho && { undetected: [missing] }),
    };
  }
  const perHour = period === undefined ? 1 : 60 / period;
  return {
    quantity: "mm/h",
    gain: stored.gain * perHour,
    offset: stored.offset * perHour,
    missing: [...new Set([missing, outside])],
    relation: marshallPalmer,
  };
}

/** "GEO=0.01*PV+0.0", "GEO = 0.500000 * PV + -32.000000" and "GEO=0.5*PV-32". */
const formulaPattern =
  /^\s*GEO\s*=\s*([-+]?[.\d]+(?:E[-+]?\d+)?)\s*\*\s*PV\s*(?:\+\s*([-+]?\s*[.\d]+(?:E[-+]?\d+)?)|(-\s*[.\d]+(?:E[-+]?\d+)?))?\s*$/i;

function groupOf(parent: Hdf5Group, name: string): Hdf5Group | null {
  const found = hdf5Member(parent, name);
  return found instanceof Hdf5Group ? found : null;
}
