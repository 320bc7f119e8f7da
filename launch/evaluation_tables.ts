/** What `evaluate` prints: one table of means, one by lead time, one of events, one of classes. */
import type { EvaluationResult, LeadScores } from "../metrics/evaluation_scores.ts";
import { formatLoss } from "../report/figures.ts";
import { formatTable, type TableCell } from "../report/table.ts";
import type { ShardLoss } from "../worker/opened_run.ts";
import type { SplitResult } from "../worker/split_scores.ts";

export interface MeanLosses {
  readonly loss: number;
  /** Of repeating the last frame; left out where the model forecasts nothing. */
  readonly persistenceLoss?: number;
  /** Share of answers whose class is right; left out where there are no classes. */
  readonly accuracy?: number;
}

/** In the order of the shards, as a run's coordinator adds them. */
export function meanLosses(shards: readonly ShardLoss[]): MeanLosses {
  const sum = (read: (shard: ShardLoss) => number) =>
    shards.reduce((total, shard) => total + read(shard), 0);
  const weight = sum((shard) => shard.weightSum);
  const has = (name: "persistenceSum" | "correctSum") =>
    shards.every((shard) => shard[name] !== undefined);
  return {
    loss: sum((shard) => shard.lossSum) / weight,
    ...(has("persistenceSum")
      ? { persistenceLoss: sum((shard) => shard.persistenceSum!) / weight }
      : {}),
    ...(has("correctSum") ? { accuracy: sum((shard) => shard.correctSum!) / weight } : {}),
  };
}

export function evaluationInWords(
  lossName: string,
  { loss, persistenceLoss, accuracy }: MeanLosses,
  { frames, persistence, classes }: SplitResult,
): string {
  const columns = persistence || persistenceLoss !== undefined
    ? ["score", "model", "last frame repeated"]
    : ["score", "model"];
  const row = (name: string, model: number | null, baseline?: number | null): TableCell[] =>
    [name, figure(model), figure(baseline ?? null)].slice(0, columns.length);
  const rows = [row(`loss (${lossName})`, loss, persistenceLoss)];
  if (accuracy !== undefined) rows.push(row("accuracy", accuracy));
  if (frames) {
    for (const { name, read } of frameScoreNames) {
      const value = read(frames.pooled);
      if (value !== null) rows.push(row(name, value, persistence && read(persistence.pooled)));
    }
  }
  return [
    formatTable(columns, rows),
    ...(frames && frames.leads.length > 1 ? [leadTable(frames, persistence)] : []),
    ...(frames && frames.pooled.events.length > 0 ? [eventTable(frames, persistence)] : []),
    ...(classes ? [classTable(classes)] : []),
  ].join("\n\n");
}

const frameScoreNames: readonly { name: string; read: (scores: LeadScores) => number | null }[] = [
  { name: "MSE for each frame (sum over pixels)", read: ({ mse }) => mse },
  { name: "MAE for each frame (sum over pixels)", read: ({ mae }) => mae },
  { name: "PSNR (dB)", read: ({ psnr }) => psnr },
  { name: "SSIM", read: ({ ssim }) => ssim },
  { name: "SSIM at range 2", read: ({ ssimRange2 }) => ssimRange2 },
  { name: "correlation", read: ({ correlation }) => correlation },
];

function leadTable(frames: EvaluationResult, persistence: EvaluationResult | undefined): string {
  const headers = ["lead", "MSE", "SSIM", ...(persistence ? ["MSE repeated"] : [])];
  return formatTable(
    headers,
    frames.leads.map(({ mse, ssim }, lead) => [
      lead + 1,
      figure(mse),
      figure(ssim),
      ...(persistence ? [figure(persistence.leads[lead].mse)] : []),
    ]),
  );
}

function eventTable(frames: EvaluationResult, persistence: EvaluationResult | undefined): string {
  return formatTable(
    ["at least", "CSI", "POD", "FAR", "HSS", "bias", ...(persistence ? ["CSI repeated"] : [])],
    frames.pooled.events.map(({ threshold, csi, pod, far, hss, bias }, index) => [
      threshold,
      ...[csi, pod, far, hss, bias].map(figure),
      ...(persistence ? [figure(persistence.pooled.events[index].csi)] : []),
    ]),
  );
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

/** A dash where there was nothing to be scored. */
function figure(value: number | null): string {
  return value === null ? "–" : formatLoss(value);
}
