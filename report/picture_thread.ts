/**
 * Draws in a thread of its own: a large picture takes a good part of a second, for which whoever
 * listens for signs of life would be deaf.
 */
import { Worker } from "node:worker_threads";
import type { PredictionPicture } from "./prediction_picture.ts";

/**
 * As `renderPredictions`.
 * @throws {Error} if the picture cannot be drawn: says why
 */
export async function drawPredictions(picture: PredictionPicture): Promise<Uint8Array> {
  const worker = new Worker(new URL("./picture_worker.ts", import.meta.url), {
    workerData: picture,
  });
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
  worker.on("message", resolve);
  worker.on("error", reject);
  worker.on("exit", (code) => reject(new Error(`the drawing thread ended with ${code}`)));
  try {
    return await promise;
  } finally {
    worker.terminate();
  }
}
