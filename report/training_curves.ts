/** The course of a run out of its `metrics.jsonl`: training loss, validation, and persistence. */
import { renderChart, type Series } from "./chart.ts";
import { categoryColour } from "./colour_scale.ts";
import { muted } from "./ink.ts";
import type { MetricsLine } from "./metrics_log.ts";

/** The mean of the last steps that is drawn as the curve, over the steps themselves. */
const averagedShare = 0.02;

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
    { name: "loss of each step", points: loss, style: "faint", colour: categoryColour(0) },
    {
      name: "training loss",
      points: averaged(loss, Math.max(1, Math.round(loss.length * averagedShare))),
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
    const steps = lines.map(({ step }) => step);
    const ends = [Math.min(...steps), Math.max(...steps)];
    series.push({
      name: "repeating the last frame",
      points: ends.map((step): [number, number] => [step, level]),
      style: "dashed",
      colour: muted,
    });
  }
  return renderChart({
    title,
    horizontal: "step",
    vertical: "loss (logarithmic)",
    series,
    scale: "logarithmic",
  });
}

/** Each point's mean with those before it, `count` of them at most. */
function averaged(points: readonly [number, number][], count: number): [number, number][] {
  let sum = 0;
  return points.map(([step, value], index) => {
    sum += value;
    if (index >= count) sum -= points[index - count][1];
    return [step, sum / Math.min(index + 1, count)];
  });
}
