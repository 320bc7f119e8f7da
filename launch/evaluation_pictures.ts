/** What `evaluate` draws: curves by lead time, the confusion matrix, latent points, errors of frames. */
import type { Dataset } from "../datasets/dataset.ts";
import { isRainDataset } from "../datasets/rain_dataset.ts";
import { renderConfusion } from "../report/confusion_picture.ts";
import { renderErrorTimeline } from "../report/error_timeline.ts";
import { renderLatentScatter } from "../report/latent_scatter.ts";
import { renderLeadTimePlot } from "../report/lead_time_plot.ts";
import type { ForecastResult } from "../worker/forecast_scores.ts";
import type { RolloutResult } from "../worker/rollout_scores.ts";
import type { SplitResult, SplitScores } from "../worker/split_scores.ts";
import { namedForecasts } from "./evaluation_tables.ts";
import { sequenceLabel } from "./prediction_files.ts";

export interface Picture {
  /** Of its file. */
  readonly name: string;
  readonly png: Uint8Array;
}

const timelinesMax = 4;

/** @param path what the dataset is read from */
export function evaluationPictures(
  title: string,
  dataset: Dataset,
  path: string | null,
  scores: Pick<SplitScores, "timelines" | "latentPlane">,
  result: SplitResult & { readonly rollout?: RolloutResult },
): Picture[] {
  const pictures = [
    ...leadTimePlots(title, dataset, result, ""),
    ...leadTimePlots(title, dataset, result.rollout ?? {}, "rollout-"),
  ];
  const { classes } = result;
  if (classes) {
    const png = renderConfusion(title, classes.names, classes.confusion.flat());
    pictures.push({ name: "confusion.png", png });
  }
  const timelines = scores.timelines(timelinesMax);
  if (timelines.length > 0) {
    const panels = timelines.map(({ id, frames }) => ({ label: sequenceLabel(id, path), frames }));
    const name = result.anomalies ? "anomalies.png" : "frame-errors.png";
    pictures.push({ name, png: renderErrorTimeline(title, panels) });
  }
  const plane = scores.latentPlane();
  if (plane) {
    const names = dataset.targetShape?.length === 1 ? dataset.classes : undefined;
    const png = renderLatentScatter(title, plane.points, names ?? ["frames"], plane.axes);
    pictures.push({ name: "latent.png", png });
  }
  return pictures;
}

/** CSI at each threshold for rain, and the error for all, where there are several lead times. */
function leadTimePlots(
  title: string,
  dataset: Dataset,
  result: Partial<ForecastResult>,
  prefix: string,
): Picture[] {
  const { frames } = result;
  if (!frames || frames.leads.length === 1) return [];
  const isRain = isRainDataset(dataset);
  const minutes = isRain ? dataset.frameMinutes : undefined;
  const unit = isRain ? " mm/h" : dataset.eventScale ? ` of ${dataset.eventScale}` : "";
  const forecasts = namedForecasts(result);
  const plots = frames.pooled.events.map(({ threshold }, index) => ({
    name: `csi-${threshold}`,
    score: `CSI at ${threshold}${unit}`,
    reaches: [0, 1],
    read: (lead: ForecastResult["frames"]["pooled"]) => lead.events[index].csi,
  }));
  const error = {
    name: "mse",
    score: "MSE for each frame (sum over pixels)",
    reaches: [0],
    read: (lead: ForecastResult["frames"]["pooled"]) => lead.mse,
  };
  return [...plots, error].flatMap(({ name, score, reaches, read }) => {
    const curves = forecasts.map(({ name, scores }) => ({ name, scores: scores.leads.map(read) }));
    // A threshold that nothing reaches has no score.
    if (curves.every(({ scores }) => scores.every((value) => value === null))) return [];
    const png = renderLeadTimePlot({ title, score, forecasts: curves, minutes, reaches });
    return [{ name: `${prefix}${name}.png`, png }];
  });
}
