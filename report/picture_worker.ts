/** The far end of `picture_thread.ts`: draws what it is started with. */
import { parentPort, workerData } from "node:worker_threads";
import { type PredictionPicture, renderPredictions } from "./prediction_picture.ts";

parentPort!.postMessage(renderPredictions(workerData as PredictionPicture));
