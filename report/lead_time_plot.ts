/** How a score falls with lead time, for several forecasts of the same frames. */
import { renderChart } from "./chart.ts";

export interface ForecastScores {
  /** e.g. "ConvLSTM", "persistence" */
  readonly name: string;
  /** One for each lead time; null where the score is not defined. */
  readonly scores: readonly (number | null)[];
}

export interface LeadTimePlot {
  readonly title: string;
  /** e.g. "CSI at 0.5 mm/h" */
  readonly score: string;
  readonly forecasts: readonly ForecastScores[];
  /** Minutes between frames; undefined where lead times are counted in frames. */
  readonly minutes?: number;
  /** Values that the axis reaches to in any case, e.g. [0, 1]. */
  readonly reaches?: readonly number[];
}

/**
 * @returns a PNG
 * @throws {RangeError} where no forecast has a score
 */
export function renderLeadTimePlot(plot: LeadTimePlot): Uint8Array {
  const { title, score, forecasts, minutes, reaches } = plot;
  const leads = Math.max(...forecasts.map(({ scores }) => scores.length));
  const every = Math.ceil(leads / 12);
  return renderChart({
    title,
    vertical: score,
    horizontal: minutes === undefined ? "lead time in frames" : "lead time in minutes",
    series: forecasts.map(({ name, scores }) => ({
      name,
      points: scores.map((value, index) => [(index + 1) * (minutes ?? 1), value]),
      style: "marked",
    })),
    reaches,
    horizontalTicks: Array.from({ length: leads }, (_, index) => (index + 1) * (minutes ?? 1))
      .filter((_, index) => (index + 1) % every === 0),
  });
}
