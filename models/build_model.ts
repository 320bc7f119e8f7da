/** From a model's name and options to its value. */
import type { Dataset } from "../datasets/dataset.ts";
import type { ModelConfiguration } from "../net/run_configuration.ts";
import { convLstm } from "./convlstm.ts";
import { encoderForecaster } from "./encoder_forecaster.ts";
import type { Model } from "./model.ts";

/** @param data what the model is to read and answer */
export function buildModel(
  configuration: ModelConfiguration,
  data: Pick<Dataset, "frameShape" | "targetShape" | "classes">,
  windowFrames: number,
): Model {
  const { name, filters, kernelSize, inputFrames, outputFrames } = configuration;
  const { frameShape } = data;
  switch (name) {
    case "convlstm":
      return convLstm({ frameShape, filters, kernelSize, windowFrames });
    case "encoder-forecaster":
      return encoderForecaster({ frameShape, filters, kernelSize, inputFrames, outputFrames });
  }
}
