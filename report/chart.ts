/**
 * Curves and points over two axes, as a PNG: title, unit of the vertical axis above it, ticks at
 * round numbers, and a legend in words. Made to be read at its own size.
 */
import { categoryColour, type Colour } from "./colour_scale.ts";
import { background, faintRule, ink, muted, rule } from "./ink.ts";
import { type Point, Raster, textHeight, textWidth } from "./raster.ts";

export interface Series {
  readonly name: string;
  /** A value of null or NaN leaves a gap. */
  readonly points: readonly (readonly [x: number, y: number | null])[];
  /** `faint`: a thin pale line behind the others, without a legend. */
  readonly style: "line" | "dashed" | "faint" | "discs" | "marked";
  /** Else the next of the categories. */
  readonly colour?: Colour;
}

export interface Chart {
  readonly title: string;
  readonly horizontal: string;
  readonly vertical: string;
  readonly series: readonly Series[];
  /** @default {"linear"} */
  readonly scale?: "linear" | "logarithmic";
  /** Values that the vertical axis reaches to in any case. */
  readonly reaches?: readonly number[];
  /** Parts of the horizontal axis that are marked behind the series, and what they are. */
  readonly bands?: {
    readonly name: string;
    readonly spans: readonly (readonly [from: number, to: number])[];
  };
  /** Where the horizontal axis has its ticks, else at round numbers. */
  readonly horizontalTicks?: readonly number[];
  /** Of the picture, in pixels; more where the title needs it. @default {760} */
  readonly width?: number;
  /** @default {480} */
  readonly height?: number;
}

/** Pale, so that curves are seen on it. */
const band: Colour = [252, 214, 206];
const bandStyle = { style: "band", colour: band } as const;

const textDot = 2;
const titleDot = 3;
const margin = 28;

/**
 * @returns a PNG of 8-bit RGB
 * @throws {RangeError} where no series has a finite point
 */
export function renderChart(chart: Chart): Uint8Array {
  return drawChart(chart).toPng();
}

/** @throws {RangeError} where no series has a finite point */
export function drawChart(chart: Chart): Raster {
  const { height = 480, scale = "linear" } = chart;
  const width = Math.max(chart.width ?? 760, textWidth(chart.title, titleDot) + 2 * margin);
  const isLogarithmic = scale === "logarithmic";
  const shown = chart.series.map((series, index) => ({
    ...series,
    colour: series.colour ?? categoryColour(index),
    points: series.points.map(([x, y]): Point | undefined =>
      y !== null && Number.isFinite(y) && Number.isFinite(x) && (!isLogarithmic || y > 0)
        ? [x, isLogarithmic ? Math.log10(y) : y]
        : undefined
    ),
  }));
  const all = shown.flatMap(({ points }) => points.filter((point) => point !== undefined));
  if (all.length === 0) throw new RangeError(`Cannot draw "${chart.title}": it has no point`);
  const reaches = (chart.reaches ?? []).map((y) => isLogarithmic ? Math.log10(y) : y);
  const isScatter = shown.some(({ style }) => style === "discs");
  const horizontal = padded(span(all.map(([x]) => x)), [], isScatter ? 0.05 : 0);
  const vertical = padded(span([...all.map(([, y]) => y), ...reaches]), reaches, 0.05);

  const ticksY = isLogarithmic ? decadeTicks(vertical) : roundTicks(vertical, 6);
  const textsY = ticksY.map((tick) => tickText(isLogarithmic ? 10 ** tick : tick));
  const left = margin + Math.max(...textsY.map((text) => textWidth(text, textDot))) + 12;
  const right = width - margin;
  const named = shown.filter(({ style }) => style !== "faint");
  const legendTop = margin + textHeight(titleDot) + 14;
  const bands = chart.bands?.spans.length ? [{ name: chart.bands.name, ...bandStyle }] : [];
  const rows = legendRows([...named, ...bands], right - margin);
  const top = legendTop + rows.length * (textHeight(textDot) + 10) + textHeight(textDot) + 26;
  const bottom = height - margin - 2 * (textHeight(textDot) + 8);
  const at = ([x, y]: Point): Point => [
    left + (x - horizontal[0]) / (horizontal[1] - horizontal[0]) * (right - left),
    bottom - (y - vertical[0]) / (vertical[1] - vertical[0]) * (bottom - top),
  ];

  const raster = new Raster(width, height, background);
  raster.text(chart.title, margin, margin, titleDot, ink);
  drawLegend(raster, rows, legendTop);
  raster.text(chart.vertical, margin, top - textHeight(textDot) - 16, textDot, muted);
  for (const [from, to] of chart.bands?.spans ?? []) {
    const [start] = at([Math.max(from, horizontal[0]), 0]);
    const [end] = at([Math.min(to, horizontal[1]), 0]);
    raster.fill(Math.round(start), top, Math.max(1, Math.round(end - start)), bottom - top, band);
  }
  for (const [index, tick] of ticksY.entries()) {
    const y = Math.round(at([horizontal[0], tick])[1]);
    raster.fill(left, y, right - left, 1, faintRule);
    const text = textsY[index];
    const textLeft = left - 10 - textWidth(text, textDot);
    raster.text(text, textLeft, y - (7 * textDot >> 1), textDot, muted);
  }
  raster.fill(left, bottom, right - left, 1, rule);
  for (const tick of chart.horizontalTicks ?? roundTicks(horizontal, 8)) {
    const x = Math.round(at([tick, vertical[0]])[0]);
    raster.fill(x, bottom, 1, 6, rule);
    const text = tickText(tick);
    const textLeft = Math.min(
      x - (textWidth(text, textDot) >> 1),
      width - textWidth(text, textDot),
    );
    raster.text(text, textLeft, bottom + 12, textDot, muted);
  }
  const nameWidth = textWidth(chart.horizontal, textDot);
  const nameTop = bottom + 12 + textHeight(textDot) + 8;
  raster.text(chart.horizontal, (left + right - nameWidth) >> 1, nameTop, textDot, muted);
  const behind = shown.filter(({ style }) => style === "faint");
  for (const { points, style, colour } of [...behind, ...named]) {
    drawSeries(raster, points.map((point) => point && at(point)), style, colour);
  }
  return raster;
}

function drawSeries(
  raster: Raster,
  points: readonly (Point | undefined)[],
  style: Series["style"],
  colour: Colour,
): void {
  // Along a dashed curve, so that dashes go on around its corners.
  let travelled = 0;
  for (let i = 0; i < points.length; i++) {
    const [before, point] = [points[i - 1], points[i]];
    if (!point) continue;
    if (style === "discs") raster.disc(point, 3.5, colour, 0.75);
    if (style === "marked") raster.disc(point, 4, colour);
    if (!before || style === "discs") continue;
    if (style === "faint") raster.line(before, point, 1, colour, 0.35);
    else if (style === "dashed") travelled = dash(raster, before, point, colour, travelled);
    else raster.line(before, point, 2.5, colour);
  }
}

const dashOn = 9;
const dashPeriod = 15;

function dash(raster: Raster, from: Point, to: Point, colour: Colour, travelled: number): number {
  const length = Math.hypot(to[0] - from[0], to[1] - from[1]);
  const along = (distance: number): Point => {
    const share = length === 0 ? 0 : Math.min(Math.max(distance / length, 0), 1);
    return [from[0] + share * (to[0] - from[0]), from[1] + share * (to[1] - from[1])];
  };
  const first = Math.floor(travelled / dashPeriod) * dashPeriod;
  for (let start = first; start < travelled + length; start += dashPeriod) {
    const [begin, end] = [start - travelled, start + dashOn - travelled];
    if (end > 0) raster.line(along(begin), along(end), 2, colour);
  }
  return travelled + length;
}

interface LegendEntry {
  readonly name: string;
  readonly style: Series["style"] | "band";
  readonly colour: Colour;
  readonly left: number;
}

const swatch = 26;

/** As many entries side by side as fit. */
function legendRows(
  named: readonly { name: string; style: LegendEntry["style"]; colour: Colour }[],
  widthMax: number,
): LegendEntry[][] {
  const rows: LegendEntry[][] = [];
  let [row, left]: [LegendEntry[], number] = [[], 0];
  for (const { name, style, colour } of named) {
    const width = swatch + 10 + textWidth(name, textDot);
    if (row.length > 0 && left + width > widthMax) {
      rows.push(row);
      [row, left] = [[], 0];
    }
    row.push({ name, style, colour, left });
    left += width + 24;
  }
  return row.length > 0 ? [...rows, row] : rows;
}

function drawLegend(raster: Raster, rows: readonly LegendEntry[][], top: number): void {
  for (const [index, row] of rows.entries()) {
    const y = top + index * (textHeight(textDot) + 10);
    const middle = y + 7;
    for (const { name, style, colour, left } of row) {
      const from = margin + left;
      const ends: Point[] = style === "discs"
        ? [[from + swatch / 2, middle]]
        : style === "marked"
        ? [[from, middle], [from + swatch / 2, middle], [from + swatch, middle]]
        : [[from, middle], [from + swatch, middle]];
      if (style === "band") raster.fill(from, y - 1, swatch, 16, colour);
      else if (style === "marked") {
        raster.line(ends[0], ends[2], 2.5, colour);
        raster.disc(ends[1], 4, colour);
      } else drawSeries(raster, ends, style, colour);
      raster.text(name, from + swatch + 10, y, textDot, ink);
    }
  }
}

type Range = readonly [least: number, most: number];

function span(values: readonly number[]): Range {
  const [least, most] = values.reduce(
    ([least, most], value) => [Math.min(least, value), Math.max(most, value)],
    [Infinity, -Infinity],
  );
  // A single value has the axis around it.
  if (least < most) return [least, most];
  return [least - (Math.abs(least) || 1) / 2, most + (Math.abs(most) || 1) / 2];
}

/** Room at both ends, but not beyond what an axis is said to reach to. */
function padded([least, most]: Range, reaches: readonly number[], share: number): Range {
  const room = (most - least) * share;
  const [from, to] = [least, most].map((end) => reaches.includes(end) ? 0 : room);
  return [least - from, most + to];
}

/** Multiples of 1, 2 or 5 times a power of ten. */
export function roundTicks([least, most]: Range, countMax: number): number[] {
  const rough = (most - least) / countMax;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= rough)!;
  const ticks: number[] = [];
  for (let index = Math.ceil(least / step - 1e-9); index * step <= most + 1e-9 * step; index++) {
    ticks.push(Number((index * step).toPrecision(12)));
  }
  return ticks;
}

/** Logarithms of 1, 2 and 5 times powers of ten; powers alone over more than three decades. */
function decadeTicks([least, most]: Range): number[] {
  const factors = most - least > 3 ? [1] : most - least > 0.7 ? [1, 2, 5] : [1, 1.5, 2, 3, 4, 5, 7];
  const ticks: number[] = [];
  for (let decade = Math.floor(least); decade <= most; decade++) {
    ticks.push(...factors.map((factor) => decade + Math.log10(factor)));
  }
  return ticks.filter((tick) => tick >= least && tick <= most);
}

function tickText(value: number): string {
  const rounded = Number(value.toPrecision(6));
  const isPlain = rounded === 0 || (Math.abs(rounded) >= 1e-4 && Math.abs(rounded) < 1e6);
  return isPlain ? String(rounded) : rounded.toExponential().replace("e+", "e");
}
