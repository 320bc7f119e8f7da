/** What the drawing thread is asked for, and what it answers. */
import type { PredictionPicture } from "./prediction_picture.ts";

export type PictureOrder =
  | { readonly kind: "predictions"; readonly picture: PredictionPicture }
  | { readonly kind: "training"; readonly title: string; readonly metricsPath: string };

export interface Drawn {
  readonly png: Uint8Array | undefined;
  readonly failure?: string;
}
