/** The course of a run out of its `metrics.jsonl`: training loss, validation, and persistence. */
import { renderChart, type Series } from "./chart.ts";
import { categoryColour } from "./colour_scale.ts";
import { muted } from "./ink.ts";
import type { MetricsLine } from "./metrics_log.ts";

/** The mean of the last steps that is drawn as the curve, over the steps themselves. */
const averagedShare = 0.02;
/** More of them lie on top of each other, and thin lines would add up to a broad one. */
const columns = 300;

/**
 * @returns a PNG
 * @throws {RangeError} where no line has a loss
 */
export function renderTrainingCurves(title: string, lines: readonly MetricsLine[]): Uint8Array {
  const points = (name: string) =>
    lines.flatMap((line): [number, number][] => {
      const value = line[name];
      return typeof value === "number" ? [[line.step, value]] : [];
    });
  const loss = points("loss");
  const validation = points("validationLoss");
  const persistence = points("persistenceLoss");
  const series: Series[] = [
    {
      name: "loss of each step",
      points: thinned(loss, extremes),
      style: "faint",
      colour: categoryColour(0),
    },
    {
      name: "training loss",
      points: thinned(
        averaged(loss, Math.max(1, Math.round(loss.length * averagedShare))),
        (part) => part.slice(-1),
      ),
      style: "line",
      colour: categoryColour(0),
    },
  ];
  if (validation.length > 0) {
    series.push({
      name: "validation",
      points: validation,
      style: "marked",
      colour: categoryColour(1),
    });
  }
  if (persistence.length > 0) {
    // The same for the whole run: a line from its first step to its last.
    const level = persistence[persistence.length - 1][1];
    // Lines are in the order of their steps.
    const ends = [lines[0].step, lines[lines.length - 1].step];
    series.push({
      name: "repeating the last frame",
      points: ends.map((step): [number, number] => [step, level]),
      style: "dashed",
      colour: muted,
    });
  }
  const isPositive = series.every(({ points }) => points.every(([, loss]) => loss! > 0));
  return renderChart({
    title,
    horizontal: "step",
    vertical: isPositive ? "loss (logarithmic)" : "loss",
    series,
    scale: isPositive ? "logarithmic" : "linear",
  });
}

type Points = readonly [step: number, value: number][];

/** What `choose` takes of each part, in as many parts as there are columns. */
function thinned(points: Points, choose: (part: Points) => Points): Points {
  const size = Math.ceil(points.length / columns);
  if (size <= 1) return points;
  return Array.from(
    { length: Math.ceil(points.length / size) },
    (_, part) => choose(points.slice(part * size, (part + 1) * size)),
  ).flat();
}

/** The lowest and the highest point, in their order. */
function extremes(part: Points): Points {
  const by = (isBeyond: (value: number, than: number) => boolean) =>
    part.reduce((found, point) => isBeyond(point[1], found[1]) ? point : found);
  return [by((value, than) => value < than), by((value, than) => value > than)]
    .sort(([a], [b]) => a - b);
}

/** Each point's mean with those before it, `count` of them at most. */
function averaged(points: Points, count: number): Points {
  let sum = 0;
  return points.map(([step, value], index) => {
    sum += value;
    if (index >= count) sum -= points[index - count][1];
    return [step, sum / Math.min(index + 1, count)];
  });
}
