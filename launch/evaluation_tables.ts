/**
 * What `evaluate` prints: a table of means, one by lead time, of events and of their CSI by lead time,
 * of classes, of anomalies.
 */
import type { EvaluationResult, LeadScores } from "../metrics/evaluation_scores.ts";
import { formatLoss } from "../report/figures.ts";
import { formatTable, type TableCell } from "../report/table.ts";
import type { ForecastResult } from "../worker/forecast_scores.ts";
import type { MeanLosses } from "../worker/mean_losses.ts";
import type { RolloutResult } from "../worker/rollout_scores.ts";
import type { SplitResult } from "../worker/split_scores.ts";

/** The forecasts that there are, the model's first, and how tables and plots call them. */
export function namedForecasts(
  { frames, persistence, extrapolation }: Partial<ForecastResult>,
): { readonly name: string; readonly scores: EvaluationResult }[] {
  return [
    { name: "model", scores: frames },
    { name: "last frame repeated", scores: persistence },
    { name: "extrapolated", scores: extrapolation },
  ].flatMap(({ name, scores }) => scores ? [{ name, scores }] : []);
}

/** "24 sequences of 10 to 41 frames" */
export function sequencesInWords(catalogue: readonly { readonly frames: number }[]): string {
  const lengths = catalogue.map(({ frames }) => frames);
  const least = lengths.reduce((one, two) => Math.min(one, two), Infinity);
  const most = lengths.reduce((one, two) => Math.max(one, two), 0);
  return `${catalogue.length} ${catalogue.length === 1 ? "sequence" : "sequences"} of ` +
    `${least < most ? `${least} to ${most}` : most} ${most === 1 ? "frame" : "frames"}`;
}

export function evaluationInWords(
  lossName: string,
  means: MeanLosses,
  result: SplitResult & { readonly rollout?: RolloutResult },
): string {
  const { anomalies, classes, rollout } = result;
  return [
    meanTable(lossName, means, result),
    ...forecastTables(result),
    ...(classes ? [classTable(classes)] : []),
    ...(anomalies ? [anomalyTable(anomalies)] : []),
    ...(rollout
      ? [
        `${rollout.forecasts} rollouts of ${rollout.leads} frames, the first in a sequence after ` +
        `${rollout.contextFrames}:`,
        formatTable(...forecastMeans(rollout)),
        ...forecastTables(rollout),
      ]
      : []),
  ].join("\n\n");
}

function meanTable(
  lossName: string,
  { loss, persistenceLoss, accuracy }: MeanLosses,
  result: SplitResult,
): string {
  const [headers, ofFrames] = forecastMeans(result);
  const columns = headers.length < 3 && persistenceLoss !== undefined
    ? ["score", "model", "last frame repeated"]
    : headers.length < 2
    ? ["score", "model"]
    : headers;
  const row = (
    name: string,
    ...values: (number | undefined)[]
  ): TableCell[] => [
    name,
    ...columns.slice(1).map((_, index) => figure(values[index] ?? null, "")),
  ];
  const { penalty } = result;
  const rows = [row(`loss (${lossName})`, loss, persistenceLoss)];
  if (penalty !== undefined) {
    rows.push(row("… of which penalty", penalty), row(`… without (${lossName})`, loss - penalty));
  }
  if (accuracy !== undefined) rows.push(row("accuracy", accuracy));
  return formatTable(columns, [...rows, ...ofFrames]);
}

const frameScoreNames: readonly { name: string; read: (scores: LeadScores) => number | null }[] = [
  {
    name: "share of values observed",
    read: ({ observedShare }) => observedShare ?? null,
  },
  { name: "MSE for each frame (sum over pixels)", read: ({ mse }) => mse },
  { name: "MAE for each frame (sum over pixels)", read: ({ mae }) => mae },
  { name: "PSNR (dB)", read: ({ psnr }) => psnr },
  { name: "SSIM", read: ({ ssim }) => ssim },
  { name: "SSIM at range 2", read: ({ ssimRange2 }) => ssimRange2 },
  { name: "CRPS for each pixel", read: ({ crps }) => crps },
  { name: "correlation", read: ({ correlation }) => correlation },
  { name: "Rainfall-MSE ((mm/h)²)", read: ({ rain }) => rain?.rainfallMse ?? null },
];

/** Headers and rows of scores over all lead times. */
function forecastMeans(result: Partial<ForecastResult>): [string[], TableCell[][]] {
  const forecasts = namedForecasts(result);
  const rows = frameScoreNames
    .map(({ name, read }) => ({ name, values: forecasts.map(({ scores }) => read(scores.pooled)) }))
    .filter(({ values }) => values.some((value) => value !== null))
    .map(({ name, values }) => [name, ...values.map((value) => figure(value))]);
  return [["score", ...forecasts.map(({ name }) => name)], rows];
}

function forecastTables(result: Partial<ForecastResult>): string[] {
  const { frames } = result;
  if (!frames) return [];
  const { events } = frames.pooled;
  if (frames.leads.length === 1) return events.length > 0 ? [eventTable(result)] : [];
  return [
    leadTable("MSE", result, ({ mse }) => mse),
    leadTable("SSIM", result, ({ ssim }) => ssim),
    ...(frames.pooled.crps === null ? [] : [leadTable("CRPS", result, ({ crps }) => crps)]),
    ...(events.length > 0 ? [eventTable(result)] : []),
    ...events.map(({ threshold }, index) =>
      leadTable(`CSI at ${threshold}`, result, (scores) => scores.events[index].csi)
    ),
    ...(events.length > 1 ? [leadTable("CSI-M", result, ({ csiMean }) => csiMean)] : []),
  ];
}

function leadTable(
  score: string,
  result: Partial<ForecastResult>,
  read: (scores: LeadScores) => number | null,
): string {
  const forecasts = namedForecasts(result);
  const leads = forecasts[0].scores.leads.map((_, lead) => lead);
  return formatTable(
    [`${score}, lead`, ...forecasts.map(({ name }) => name)],
    leads.map((lead) => [
      lead + 1,
      ...forecasts.map(({ scores }) => figure(read(scores.leads[lead]))),
    ]),
  );
}

/** Where there are several thresholds, their mean CSI (CSI-M) stands below them. */
function eventTable(result: Partial<ForecastResult>): string {
  const forecasts = namedForecasts(result);
  const [{ scores: { pooled: { events } } }] = forecasts;
  const scales = events[0].fss.map(({ scale }) => `FSS ${scale} px`);
  const headers = ["at least", "forecast", "CSI", "POD", "FAR", "HSS", "bias", ...scales];
  const rows: TableCell[][] = events.flatMap(({ threshold }, index) =>
    forecasts.map(({ name, scores }) => {
      const { csi, pod, far, hss, bias, fss } = scores.pooled.events[index];
      const figures = [csi, pod, far, hss, bias, ...fss.map(({ score }) => score)];
      return [threshold, name, ...figures.map((value) => figure(value))];
    })
  );
  const means = forecasts.map(({ name, scores }): TableCell[] => {
    const others = headers.slice(3).map(() => "");
    return ["mean", name, figure(scores.pooled.csiMean), ...others];
  });
  return formatTable(headers, events.length > 1 ? [...rows, ...means] : rows);
}

function classTable({ names, confusion, precision, recall }: NonNullable<SplitResult["classes"]>) {
  return formatTable(
    ["true class", ...names.map((name) => `as ${name}`), "recall", "precision"],
    names.map((name, index) => [
      name,
      ...confusion[index],
      figure(recall[index]),
      figure(precision[index]),
    ]),
  );
}

function anomalyTable(
  { frames, events, rocAuc, persistenceRocAuc }: NonNullable<SplitResult["anomalies"]>,
): string {
  return formatTable(["anomalies by the error of each frame", "value"], [
    ["frames scored", `${frames}`],
    ["of which in an event", `${events}`],
    ["ROC AUC, model", figure(rocAuc)],
    ["ROC AUC, last frame repeated", figure(persistenceRocAuc)],
  ]);
}

/** A dash where there was nothing to be scored. */
function figure(value: number | null, none = "–"): string {
  return value === null ? none : formatLoss(value);
}
