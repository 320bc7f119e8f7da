/** A dataset of rain also says which Z-R relation turns its values into mm/h. */
import type { Dataset } from "./dataset.ts";
import type { RadarComposites } from "./radar_composites.ts";
import type { ZRelation } from "./radar_scale.ts";

export interface RainDataset extends Dataset {
  /** For `rainRateOfValue`. */
  readonly relation: ZRelation;
  /** Of recorded scans that are split by time. */
  readonly composites?: RadarComposites;
  /** From one frame to the next; left out where frames follow each other in no real time. */
  readonly frameMinutes?: number;
}

/** Whether scores in mm/h make sense for a dataset. */
export function isRainDataset(dataset: Dataset): dataset is RainDataset {
  return "relation" in dataset;
}
