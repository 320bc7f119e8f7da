/** In which colours a dataset's frames of one channel are drawn. */
import type { DatasetName } from "../net/run_configuration.ts";

const scales: { readonly [name in DatasetName]?: "rain" | "vil" } = { radar: "rain", sevir: "vil" };

/** @param dataset its name, which is none of these where it is an array's */
export function frameScale(dataset: string): "rain" | "vil" | "gray" {
  return scales[dataset as DatasetName] ?? "gray";
}
