/**
 * Radar composites in OPERA's data information model (ODIM_H5, D. B. Michelson et al., "EUMETNET
 * OPERA weather radar information model for implementation with the HDF5 file format"): the image
 * `datasetN/dataN/data` with `what` and `how` groups that say quantity, gain, offset, special values
 * and the Z-R relation, the nearest one to the image first. The quantities of rain are taken:
 * reflectivity (DBZH, DBZ, TH), rate (RATE) and accumulation (ACRR).
 */
import { DatasetError } from "./dataset.ts";
import { hdf5Attribute, type Hdf5File, Hdf5Group, hdf5Member } from "./hdf5_file.ts";
import { readHdf5Image } from "./hdf5_image.ts";
import { findOdimImage, type OdimImage } from "./odim_image.ts";
import { realPixels, wholePixels } from "./odim_pixels.ts";
import { accumulationMinutes, type RadarChoice, type RadarFrame } from "./radar_frame.ts";
import { marshallPalmer, type ZRelation } from "./radar_scale.ts";
import { minutesOf } from "./scan_times.ts";

/** Objects whose images lie on a map. */
const cartesian = ["COMP", "IMAGE", "CVOL"];
/** What the others are, to be told. */
const otherObjects: Readonly<Record<string, string>> = {
  PVOL: "a polar volume, rays by bins",
  SCAN: "a polar scan, rays by bins",
  RAY: "a single polar ray",
  AZIM: "an azimuthal object",
  ELEV: "an elevational object",
  XSEC: "a vertical cross section",
  VP: "a vertical profile",
  PIC: "a picture for the eye",
};
const polarProducts = ["SCAN", "RAY", "AZIM", "RHI", "XSEC", "VSP", "HSP", "VP"];

/** Whether a file says that it follows the model, or is laid out as it wants. */
export function isOdim(file: Hdf5File): boolean {
  if (/^ODIM_H5/i.test(String(hdf5Attribute(file, "Conventions")))) return true;
  return hdf5Member(file, "dataset1") instanceof Hdf5Group &&
    hdf5Member(file, "what") instanceof Hdf5Group;
}

/**
 * @param path names the file in errors
 * @throws {DatasetError} if there is no image of a quantity of rain on a map, or its numbers make no
 *   sense
 */
export function readOdimComposite(
  file: Hdf5File,
  path: string,
  choice: RadarChoice = {},
): RadarFrame {
  checkObject(file, path);
  const found = findOdimImage(file, path, choice);
  const { name, quantity, what } = found;
  const product = String(what("product") ?? "");
  if (polarProducts.includes(product)) {
    throw new DatasetError(
      `Cannot use "${path}": ${name} is a product ${product}, which is no map; a composite is needed`,
    );
  }
  const { rows, columns, pixels } = readHdf5Image(found.image, `${name}/data`, path);
  const [gain, offset] = ["gain", "offset"].map((attribute) => {
    const value = Number(what(attribute));
    if (!Number.isFinite(value) || (attribute === "gain" && value === 0)) {
      throw new DatasetError(
        `Cannot read "${path}": expected a number what/${attribute} of ${quantity}, found ` +
          what(attribute),
      );
    }
    return value;
  });
  const period = quantity === "ACRR" ? summedMinutes(found, path, choice) : undefined;
  const scale = period === undefined ? 1 : 1 / (period / 60);
  const { relation, relationTold } = relationOf(found, path);
  const stored = {
    quantity: quantity === "RATE" || quantity === "ACRR" ? "mm/h" : "dBZ",
    gain: gain * scale,
    offset: offset * scale,
    relation,
    nodata: special(found, "nodata", path),
    undetect: special(found, "undetect", path),
  } as const;
  const isCode = pixels instanceof Uint8Array || pixels instanceof Uint16Array;
  const minutes = odimMinutes(file);
  return {
    ...{ product: "ODIM", rows, columns },
    ...(isCode ? wholePixels(pixels, stored, path) : realPixels(pixels, stored, path)),
    content: `${quantity}${product === "" ? "" : ` (${product})`}` +
      (period === undefined ? "" : ` in ${period} min`),
    relationTold,
    ...(minutes !== undefined && { minutes }),
    ...cornersOf(found),
  };
}

/** The nominal time of a file in minutes since 1970, else that of its first data set. */
export function odimMinutes(file: Hdf5File): number | undefined {
  const places = [["what", "", ""], ["dataset1/what", "end", ""], ["dataset1/what", "start", ""]];
  for (const [place, edge] of places) {
    const what = hdf5Member(file, place);
    if (!(what instanceof Hdf5Group)) continue;
    const time = timeOf((name) => hdf5Attribute(what, name), edge);
    if (time !== undefined) return Math.floor(time);
  }
}

function checkObject(file: Hdf5File, path: string): void {
  const what = hdf5Member(file, "what");
  const object = what instanceof Hdf5Group ? String(hdf5Attribute(what, "object") ?? "") : "";
  if (cartesian.includes(object.toUpperCase())) return;
  const where = [hdf5Member(file, "where"), hdf5Member(file, "dataset1/where")];
  const says = (name: string) =>
    where.some((group) => group instanceof Hdf5Group && hdf5Attribute(group, name) !== undefined);
  if (object === "" && says("xsize") && says("ysize") && !says("nbins")) return;
  const meaning = otherObjects[object.toUpperCase()];
  throw new DatasetError(
    `Cannot use "${path}": its what/object is ${object === "" ? "not said" : object}${
      meaning === undefined ? "" : `, ${meaning}`
    }; a composite on a map is needed (COMP, or IMAGE or CVOL)`,
  );
}

/** A special value; undefined where the file has none. */
function special({ what, quantity }: OdimImage, name: string, path: string): number | undefined {
  const value = what(name);
  if (value === undefined) return undefined;
  const number = Number(value);
  if (Number.isNaN(number) && !/^[-+]?nan$/i.test(`${value}`)) {
    throw new DatasetError(
      `Cannot read "${path}": expected a number what/${name} of ${quantity}, found ${value}`,
    );
  }
  return number;
}

/** In minutes since 1970 with a fraction; undefined where date and time are not given. */
function timeOf(what: OdimImage["what"], edge: string): number | undefined {
  const [date, time] = [what(`${edge}date`), what(`${edge}time`)];
  if (date === undefined || time === undefined) return undefined;
  const text = `${date}T${typeof time === "number" ? `${time}`.padStart(6, "0") : time}`;
  const [, year, month, day, hour, minute, second = "0"] =
    /^(\d{4})-?(\d\d)-?(\d\d)T(\d\d):?(\d\d)(?::?(\d\d)(?:\.\d+)?)?Z?$/.exec(text) ?? [];
  const minutes = minutesOf({ year, month, day, hour, minute });
  return minutes === undefined ? undefined : minutes + Number(second) / 60;
}

function summedMinutes(
  { what, name }: OdimImage,
  path: string,
  choice: RadarChoice,
): number {
  const [start, end] = ["start", "end"].map((edge) => timeOf(what, edge));
  const minutes = accumulationMinutes((end ?? NaN) - (start ?? NaN), choice, path);
  if (minutes === undefined) {
    throw new DatasetError(
      `Cannot turn the accumulation of "${path}" into a rate: expected startdate, starttime, ` +
        `enddate and endtime in what of ${name}, YYYYMMDD and HHmmss, one before the other, found ` +
        `${
          ["startdate", "starttime", "enddate", "endtime"].map((each) => what(each) ?? "none")
            .join(", ")
        }` +
        "; if you know the time between, give it with --dataset-options accumulation-minutes=60",
    );
  }
  return minutes;
}

function relationOf(
  { how, name }: OdimImage,
  path: string,
): { readonly relation: ZRelation; readonly relationTold: boolean } {
  const told = [how("zr_a"), how("zr_b")];
  if (told.every((value) => value === undefined)) {
    return { relation: marshallPalmer, relationTold: false };
  }
  const [a, b] = told.map(Number);
  if (!(a > 0 && b > 0 && Number.isFinite(a) && Number.isFinite(b))) {
    throw new DatasetError(
      `Cannot read "${path}": expected how/zr_a and how/zr_b of ${name} to be positive numbers of ` +
        `Z = a R^b, found ${
          told.map((value) => value ?? "none").join(" and ")
        }; mend both or take both away`,
    );
  }
  return { relation: { a, b }, relationTold: true };
}

function cornersOf({ where }: OdimImage): { readonly corners?: readonly number[] } {
  const corners = ["LL_lon", "LL_lat", "UR_lon", "UR_lat"].map((name) => Number(where(name)));
  return corners.every(Number.isFinite) ? { corners } : {};
}
