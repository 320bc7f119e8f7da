/**
 * What the axes of an array of frames may mean: N sequences, T frames, H rows, W columns and C
 * channels, in the order in which they are stored. A shape that has one reading is read so; where
 * it has several, the layout is asked for. Nothing is known here but the shape.
 */
import { DatasetError } from "./dataset.ts";

export type Axis = "N" | "T" | "C" | "H" | "W";

/** Whether sequences or frames come first where nothing else tells. */
export type FirstAxis = "N" | "T";

/** Extents of all five axes; 1 for one that the array does not have. */
export type Extents = Readonly<Record<Axis, number>>;

export interface LayoutOptions {
  /** As given, e.g. "NTCHW"; empty where the shape is to tell. */
  readonly layout: string;
  readonly first: FirstAxis;
  /** Whether the array may be one video: it is split along its time. */
  readonly isOneVideo: boolean;
  /** Whether frames are known to be grey. @default {false} */
  readonly isGrey?: boolean;
  /** Name of the option that takes a layout, for errors. @default {"layout"} */
  readonly option?: string;
}

/** A side so long is surely one of pictures. A shorter axis may be anything. */
const sideMin = 8;
const sidesRatioMax = 8;
/** As many as pictures have: grey, complex or of two directions, colour. */
const pictureChannelsMax = 3;
/** As many as frames have without a warning. */
export const channelsMax = 8;

/** @throws {RangeError} if the shape has another number of axes */
export function extentsOf(layout: string, shape: readonly number[]): Extents {
  if (layout.length !== shape.length) {
    throw new RangeError(`Cannot read shape (${shape.join(", ")}) as ${layout}`);
  }
  const extents = { N: 1, T: 1, C: 1, H: 1, W: 1 };
  shape.forEach((extent, axis) => extents[layout[axis] as Axis] = extent);
  return extents;
}

/**
 * The layout of an array of frames.
 * @throws {DatasetError} where a given one does not fit, or several are possible and none is given
 */
export function layoutOf(
  shape: readonly number[],
  path: string,
  options: LayoutOptions,
): string {
  const { option = "layout" } = options;
  if (options.layout !== "") return givenLayout(shape, path, options.layout, option);
  if (shape.length < 3 || shape.length > 5 || shape.includes(0)) {
    throw new DatasetError(
      `Cannot read sequences from "${path}": expected shape (sequences, frames, rows, columns), ` +
        `perhaps with channels, found (${shape.join(", ")})` +
        (shape.includes(0) ? ", which holds nothing" : ""),
    );
  }
  const possible = possibleLayouts(shape, options);
  if (possible.length === 1) return possible[0];
  throw new DatasetError(
    `Cannot tell the axes of "${path}": shape (${shape.join(", ")}) may be ` +
      `${inWords(possible, shape)}; name them with --dataset-options ${option}=${possible[0]}` +
      (possible.some((each) => !each.includes("N")) && !options.isOneVideo
        ? "; split=time cuts one video along its time"
        : ""),
  );
}

/** "NTHW (12 sequences of 3 frames of 32x32) or TCHW (...)" */
export function inWords(layouts: readonly string[], shape: readonly number[]): string {
  const each = layouts.map((layout) => `${layout} (${contents(layout, shape)})`);
  return [each.slice(0, -1).join(", "), ...each.slice(-1)].filter((part) => part).join(" or ");
}

function contents(layout: string, shape: readonly number[]): string {
  const { N, T, C, H, W } = extentsOf(layout, shape);
  const frame = `${H}x${W}` +
    (layout.includes("C") ? ` with ${C} ${C === 1 ? "channel" : "channels"}` : "");
  if (!layout.includes("T")) return `${N} pictures of ${frame}`;
  if (!layout.includes("N")) return `one video of ${T} frames of ${frame}`;
  return `${N} sequences of ${T} frames of ${frame}`;
}

/** The usual one first. Several where the shape alone does not tell. */
export function possibleLayouts(
  shape: readonly number[],
  { first, isOneVideo, isGrey = false }: Omit<LayoutOptions, "layout">,
): string[] {
  const both = first === "N" ? "NT" : "TN";
  const usual = { 3: "THW", 4: `${both}HW`, 5: `${both}HWC` }[shape.length]!;
  const candidates = {
    3: ["THW", "NHW"],
    4: [usual, "TCHW", "NCHW", "THWC", "NHWC", "NHWT", "HWTN", "HWNT"],
    5: [usual, `${both}CHW`, "NCTHW", "NHWTC"],
  }[shape.length]!.filter((layout) => {
    // Pictures of one channel stay pictures in either reading: a network of videos refuses them.
    if (layout === "TCHW" && shape[1] === 1 && !isOneVideo) return false;
    if (isOneVideo && !layout.includes("T")) return false;
    if (!isGrey) return true;
    if (!layout.includes("T") || extentsOf(layout, shape).C !== 1) return false;
    return shape.length === 3 || layout.includes("N");
  });
  if (shape.length === 3) return candidates;
  const plausible = candidates.filter((layout) => isUsual(layout, shape));
  const withMany = candidates.filter((layout) => hasManyChannels(layout, shape));
  const found = plausible.length > 0 ? plausible : withMany;
  // The documented order is never passed over for another one that only looks likelier.
  if (found.length > 0) {
    return withMany.includes(usual) || isOnlyLong(usual, shape)
      ? [usual, ...found.filter((each) => each !== usual)]
      : found;
  }
  // Too small to tell anything: as documented.
  return [usual];
}

/** Frames that people have: sides of a picture, few channels, more than one of them in a video. */
function isUsual(layout: string, shape: readonly number[]): boolean {
  const { T, C } = extentsOf(layout, shape);
  if (!hasPictureSides(layout, shape) || (layout.includes("T") && T < 2)) return false;
  if (C > mostChannels(layout)) return false;
  // Channels before the rows, frames behind the columns: only where the sides say so.
  if (!["NHWT", "HWTN", "HWNT", "NHWTC"].includes(layout)) return true;
  return T > pictureChannelsMax && areSidesTold(layout, shape);
}

/** With four axes, channels behind are no columns, and those before are no frames. */
function mostChannels(layout: string): number {
  if (layout === "NCTHW") return pictureChannelsMax;
  if (layout.length === 5) return channelsMax;
  return layout.endsWith("C") ? sideMin - 1 : pictureChannelsMax;
}

/** As of satellites. */
function hasManyChannels(layout: string, shape: readonly number[]): boolean {
  const { C, H, W } = extentsOf(layout, shape);
  return layout.length === 5 && layout !== "NCTHW" && layout !== "NHWTC" &&
    hasPictureSides(layout, shape) && C <= Math.min(H, W);
}

function hasPictureSides(layout: string, shape: readonly number[]): boolean {
  const { H, W } = extentsOf(layout, shape);
  return Math.min(H, W) >= sideMin && Math.max(H, W) <= sidesRatioMax * Math.min(H, W);
}

/** Pictures but for their sides, of which one is far longer: spectrograms and maps of a coast are. */
function isOnlyLong(layout: string, shape: readonly number[]): boolean {
  const { T, C, H, W } = extentsOf(layout, shape);
  const least = Math.min(H, W);
  return least >= sideMin && Math.max(H, W) > sidesRatioMax * least && T >= 2 &&
    C <= Math.max(channelsMax, least);
}

/** Two neighbours alike where the last two, which usually are the sides, are not. */
function areSidesTold(layout: string, shape: readonly number[]): boolean {
  const { H, W } = extentsOf(layout, shape);
  const last = layout.endsWith("C") ? shape.slice(-3, -1) : shape.slice(-2);
  return H === W && last[0] !== last[1];
}

function givenLayout(
  shape: readonly number[],
  path: string,
  given: string,
  option: string,
): string {
  const layout = given.toUpperCase();
  const letters = [...layout];
  const refuse = (why: string) =>
    new DatasetError(
      `Cannot read "${path}" with ${option}=${given}: ${why}; name each axis of ` +
        `(${shape.join(", ")}) by one letter: N sequences, T frames, H rows, W columns, C channels`,
    );
  if (letters.some((letter) => !"NTCHW".includes(letter))) {
    throw refuse("it has other letters than N, T, C, H and W");
  }
  if (new Set(letters).size !== letters.length) throw refuse("it names an axis twice");
  if (!layout.includes("H") || !layout.includes("W")) throw refuse("frames have rows and columns");
  if (!layout.includes("N") && !layout.includes("T")) throw refuse("it has neither N nor T");
  if (letters.length !== shape.length) {
    throw refuse(`the array has ${shape.length} axes, the layout ${letters.length}`);
  }
  if (shape.includes(0)) throw refuse("the array holds nothing");
  return layout;
}
