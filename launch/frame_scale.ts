/** In which colours a dataset's frames of one channel are drawn. */
import type { Dataset } from "../datasets/dataset.ts";
import { isRainDataset } from "../datasets/rain_dataset.ts";

export function frameScale(dataset: Dataset): "rain" | "vil" | "gray" {
  if (isRainDataset(dataset)) return "rain";
  return dataset.name === "sevir" ? "vil" : "gray";
}
