/** From a model's name and options to its value. */
import type { FrameShape } from "../datasets/dataset.ts";
import type { ModelConfiguration } from "../net/run_configuration.ts";
import { convLstm } from "./convlstm.ts";
import { encoderForecaster } from "./encoder_forecaster.ts";
import type { Model } from "./model.ts";

/** @throws {RangeError} for a name that is not built in */
export function buildModel(
  configuration: ModelConfiguration,
  frameShape: FrameShape,
  windowFrames: number,
): Model {
  const { name, filters, kernelSize, inputFrames, outputFrames } = configuration;
  switch (name) {
    case "convlstm":
      return convLstm({ frameShape, filters, kernelSize, windowFrames });
    case "encoder-forecaster":
      return encoderForecaster({ frameShape, filters, kernelSize, inputFrames, outputFrames });
  }
}
