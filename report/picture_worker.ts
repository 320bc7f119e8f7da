/** The far end of `picture_thread.ts`: draws what it is started with. */
import { parentPort, workerData } from "node:worker_threads";
import { readMetrics } from "./metrics_log.ts";
import type { Drawn, PictureOrder } from "./picture_order.ts";
import { renderPredictions } from "./prediction_picture.ts";
import { renderTrainingCurves } from "./training_curves.ts";

// What fails is told rather than thrown: Deno would print it with its stack.
parentPort!.postMessage(
  await drawn(workerData as PictureOrder).then(
    (png): Drawn => ({ png }),
    (error): Drawn => ({ png: undefined, failure: error.message }),
  ),
);

async function drawn(order: PictureOrder): Promise<Uint8Array | undefined> {
  if (order.kind === "predictions") return renderPredictions(order.picture);
  const lines = await readMetrics(order.metricsPath);
  if (!lines.some(({ loss }) => typeof loss === "number")) return undefined;
  return renderTrainingCurves(order.title, lines);
}
