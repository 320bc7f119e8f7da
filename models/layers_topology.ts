/**
 * The description of a network of layers, as its file has it, made ready for lanes: lanes are the
 * batch and states are kept outside, so what the file says of both is taken out. Layers lie within
 * layers, so all of it is walked.
 */

export interface LanesTopology {
  /** For TensorFlow.js to load. */
  readonly topology: object;
  /** The network's own layers that carry their states. */
  readonly stateful: readonly string[];
  /** Layers within these that carry theirs, by their path: "decoder/memory". */
  readonly statefulWithin: readonly string[];
  /** What layers that are trained would add to the loss or to the update, which are the run's. */
  readonly terms: readonly { readonly layer: string; readonly term: string }[];
}

/** What holds layers within a layer. */
const layerFields = [
  "config",
  "layers",
  "layer",
  "backward_layer",
  "backwardLayer",
  "cell",
  "cells",
];

/** @param saved `modelTopology` of a `model.json` */
export function topologyForLanes(saved: object): LanesTopology {
  const stateful: string[] = [];
  const statefulWithin: string[] = [];
  const terms: { layer: string; term: string }[] = [];

  /**
   * @param path names of the layers around it, the network's own first
   * @param isFrozen a layer around it is not trained: TensorFlow.js forgets that of what is within
   */
  const walk = (part: unknown, path: readonly string[], isFrozen: boolean): unknown => {
    if (Array.isArray(part)) return part.map((each) => walk(each, path, isFrozen));
    if (typeof part !== "object" || part === null) return part;
    const fields = { ...part } as Record<string, unknown>;
    const kind = fields.class_name ?? fields.className;
    if (kind === undefined) return fieldsWalked(fields, path, isFrozen);
    // Old files have a Sequential's layers in place of its configuration.
    const config = isObject(fields.config) ? { ...fields.config } : undefined;
    const inside = [...path, `${config?.name ?? kind}`];
    if (config === undefined) return fieldsWalked(fields, inside, isFrozen);
    if (isFrozen) config.trainable = false;
    if (config.stateful === true) {
      if (inside.length === 2) stateful.push(inside[1]);
      else statefulWithin.push(inside.slice(1).join("/"));
      config.stateful = false;
    }
    if (config.trainable !== false) {
      const term = Object.keys(config).find((name) =>
        /(regularizer|constraint)$/i.test(name) && (config[name] ?? null) !== null
      );
      if (term) terms.push({ layer: inside.slice(1).join("/"), term });
    }
    fields.config = withoutBatch(config);
    return fieldsWalked(fields, inside, config.trainable === false);
  };
  const fieldsWalked = (
    fields: Record<string, unknown>,
    path: readonly string[],
    isFrozen: boolean,
  ) =>
    Object.fromEntries(
      Object.entries(fields).map(([name, value]) => [
        name,
        // Initializers and the like are described as layers are, but are none.
        walk(value, path, isFrozen && layerFields.includes(name)),
      ]),
    );

  return { topology: walk(saved, [], false) as object, stateful, statefulWithin, terms };
}

/**
 * The window of frames that a network is saved for.
 * @returns undefined where it reads single frames, or time of any length
 */
export function fixedWindow(saved: unknown): number | undefined {
  const [, ...each] = firstInputShape(saved) ?? [];
  // [time, ...frame] with a frame whole or as one row of numbers.
  const hasTime = each.length === 4 || each.length === 2;
  return hasTime && typeof each[0] === "number" ? each[0] : undefined;
}

/** The first in the file: what a network reads comes before what is within it. */
function firstInputShape(part: unknown): readonly unknown[] | undefined {
  if (typeof part !== "object" || part === null) return undefined;
  for (const [name, value] of Object.entries(part)) {
    if (batchShapes.includes(name) && Array.isArray(value)) return value;
    const found = firstInputShape(value);
    if (found) return found;
  }
  return undefined;
}

const batchShapes = ["batch_input_shape", "batchInputShape"];

function withoutBatch(config: Record<string, unknown>): Record<string, unknown> {
  const changed = { ...config };
  for (const name of batchShapes) {
    if (Array.isArray(changed[name])) changed[name] = [null, ...changed[name].slice(1)];
  }
  return changed;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
