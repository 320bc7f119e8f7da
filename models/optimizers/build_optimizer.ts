/** The optimizer that a configuration names, with clipping before its update if asked for. */
import type { OptimizerConfiguration } from "../../net/run_configuration.ts";
import { clipByGlobalNorm } from "../clip.ts";
import { adam, adamW } from "./adam.ts";
import type { Optimizer } from "./optimizer.ts";
import { rmsProp } from "./rmsprop.ts";
import { sgd } from "./sgd.ts";

type UpdateRule = Pick<OptimizerConfiguration, "name" | "momentum" | "weightDecay" | "clipNorm">;

export function buildOptimizer(configuration: UpdateRule): Optimizer {
  const optimizer = unclipped(configuration);
  const { clipNorm } = configuration;
  if (clipNorm === null) return optimizer;
  return {
    ...optimizer,
    update: (parameters, slots, gradient, scalars) =>
      optimizer.update(parameters, slots, clipByGlobalNorm(gradient, clipNorm), scalars),
  };
}

function unclipped({ name, momentum, weightDecay }: UpdateRule): Optimizer {
  switch (name) {
    case "sgd":
      return sgd(momentum);
    case "rmsprop":
      return rmsProp(momentum);
    case "adam":
      return adam;
    case "adamw":
      return adamW(weightDecay);
  }
}
