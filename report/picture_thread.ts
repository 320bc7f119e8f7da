/**
 * Draws in a thread of its own: a large picture takes a good part of a second, for which whoever
 * listens for signs of life would be deaf.
 */
import { Worker } from "node:worker_threads";
import type { Drawn, PictureOrder } from "./picture_order.ts";
import type { PredictionPicture } from "./prediction_picture.ts";

/**
 * As `renderPredictions`.
 * @throws {Error} if the picture cannot be drawn: says why
 */
export async function drawPredictions(picture: PredictionPicture): Promise<Uint8Array> {
  return (await draw({ kind: "predictions", picture }))!;
}

/**
 * As `renderTrainingCurves`, of a log that the thread reads; undefined while it has no loss.
 * @param metricsPath of `metrics.jsonl`
 * @throws {Error} if the log cannot be read or drawn: says why
 */
export async function drawTraining(
  title: string,
  metricsPath: string,
): Promise<Uint8Array | undefined> {
  return await draw({ kind: "training", title, metricsPath });
}

async function draw(order: PictureOrder): Promise<Uint8Array | undefined> {
  const worker = new Worker(new URL("./picture_worker.ts", import.meta.url), { workerData: order });
  const { promise, resolve, reject } = Promise.withResolvers<Drawn>();
  worker.on("message", resolve);
  worker.on("error", reject);
  worker.on("exit", (code) => reject(new Error(`the drawing thread ended with ${code}`)));
  try {
    const { png, failure } = await promise;
    if (failure !== undefined) throw new Error(failure);
    return png;
  } finally {
    worker.terminate();
  }
}
