/** The one file that names TensorFlow.js' Keras: networks written as layers, loaded from `model.json`. */
export * from "@tensorflow/tfjs-layers";
export type { io } from "./tfjs.ts";
