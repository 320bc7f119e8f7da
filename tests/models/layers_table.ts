/** The table of layers as a document, with the number of Keras' numbers that each entry is compared with. */
import { activationNames } from "../../models/keras/activations.ts";
import { layerSupport } from "../../models/keras/layer_support.ts";
import { classesIn, fixture } from "./keras_layers.ts";

export function layersTable(): string {
  const { cases, libraries } = fixture;
  const of = (kind: string, column?: "state" | "mask") =>
    cases.filter(({ columns, topology }) =>
      classesIn(topology.model_config).some((each) => each.kind === kind) &&
      (column === undefined || columns.includes(column))
    ).length;
  // The word of older files for what is now Functional.
  const kinds = Object.entries(layerSupport).filter(([kind]) => kind !== "Model");
  const rows = kinds.map(([kind, { state, mask }]) => {
    const count = of(kind);
    const carried = state === "carried" ? `carried (${of(kind, "state")})` : "-";
    const masked = mask === "none"
      ? "-"
      : mask === "refused"
      ? mask
      : `${mask} (${of(kind, "mask")})`;
    return `| ${kind} | ${count} | ${count} | ${carried} | ${masked} |`;
  });
  const refusals = kinds.flatMap(([kind, { refuses }]) => refuses ? [`- ${kind}: ${refuses}`] : []);
  const carrying = kinds.filter(([, { state }]) => state === "carried").length;
  const masking = kinds.filter(([, { mask }]) => mask !== "none" && mask !== "refused").length;
  return [
    "# Layers of a saved network",
    "",
    "`--model model.json` takes a network of these layers of Keras, as `tensorflowjs_converter` or",
    "TensorFlow.js saves it. Each class is compared with what Keras computes, on both engines: answers",
    "within 1e-5, gradients within 1e-4 of their norm. The number in a cell is that of the cases in which",
    "the class stands. What is not here, and a setting that is not read, is refused by the layer's name",
    "before the first step.",
    "",
    `${kinds.length} classes, ${cases.length} cases of ${
      libraries.join(" and ")
    }: ${cases.length} ` +
    `of answers, ${cases.length} of gradients,`,
    `${cases.filter(({ columns }) => columns.includes("state")).length} of states ` +
    `(${carrying} classes), ${cases.filter(({ columns }) => columns.includes("mask")).length} of ` +
    `masks (${masking} classes).`,
    "",
    "| class | answers | gradient | state | mask |",
    "| --- | --- | --- | --- | --- |",
    ...rows,
    "",
    "Refused, of these classes:",
    "",
    ...refusals,
    "",
    `Activations: ${activationNames.join(", ")}.`,
    "",
    'A mask: "used" computes otherwise where a step is masked, "passed on" gives it to the next layer,',
    '"dropped" computes without it, as Keras does. The loss counts every step, masked or not.',
    "",
  ].join("\n");
}
