/**
 * What generated datasets share: how many sequences each split has, how long they are, and which
 * seed each one is drawn from. A sequence depends on (seed, dataset, split, epoch, index) alone,
 * so any process draws the same one without drawing those before it.
 */
import { type Random, random } from "../net/random.ts";
import {
  type Dataset,
  DatasetError,
  type ReadRequest,
  type SequenceEntry,
  type Split,
} from "./dataset.ts";
import { atOnce, inTurns, pieceItems, type Pieces } from "./pieces.ts";
import { requestedEntry } from "./requested_entry.ts";

export interface GeneratedOptions {
  /** Frames of the longest sequence. */
  readonly sequenceFrames: number;
  /** Frames of the shortest; each length from here to `sequenceFrames` is as likely. */
  readonly sequenceFramesMin: number;
  /** Training sequences for each epoch. */
  readonly sequences: number;
  readonly validationSequences: number;
  readonly testSequences: number;
  /** Whether each epoch trains on new sequences. Validation and test sequences never change. */
  readonly endless: boolean;
}

export interface SequenceGenerator {
  /** Of the dataset; a part of every seed. */
  readonly name: string;
  readonly seed: number;
  /** The span's frames of the sequence. */
  draw(sequence: DrawnSequence, span: Span): Float32Array;
  /** The span's answers, drawn from a stream of the same beginning. */
  drawTargets?(sequence: DrawnSequence, span: Span): Float32Array;
}

export interface DrawnSequence {
  /** Everything about the sequence is drawn from it. */
  readonly random: Random;
  /** Length of the whole sequence. */
  readonly frames: number;
  readonly split: Split;
  /** Place in its split's catalogue. */
  readonly index: number;
}

export interface Span {
  readonly offset: number;
  readonly frames: number;
}

/**
 * @throws {DatasetError} if a count or a length is not a positive whole number (validation and test
 *   may have none), or the shortest length is above the longest
 */
export function generatedSequences(
  generator: SequenceGenerator,
  options: GeneratedOptions,
): Pick<Dataset, "catalogue" | "catalogueInTurns" | "read" | "readTargets"> {
  const { name, seed } = generator;
  checkOptions(name, options);
  const counts = {
    train: options.sequences,
    validation: options.validationSequences,
    test: options.testSequences,
  };
  const drawnEpoch = (split: Split, epoch: number) =>
    split === "train" && options.endless ? epoch : 0;
  const randomOf = (split: Split, epoch: number, index: number, what: string) =>
    random(seed, name, split, drawnEpoch(split, epoch), index, what);
  const lengths = options.sequenceFrames - options.sequenceFramesMin + 1;

  // The trainer asks for the same few catalogues over and over: one of each split is enough.
  const kept = new Map<Split, { epoch: number; entries: readonly SequenceEntry[] }>();
  const make = function* (split: Split, epoch: number): Pieces<readonly SequenceEntry[]> {
    const known = kept.get(split);
    const drawn = drawnEpoch(split, epoch);
    if (known?.epoch === drawn) return known.entries;
    const prefix = split === "train" && options.endless ? `${split}/epoch-${drawn}` : split;
    const entries: SequenceEntry[] = [];
    for (let index = 0; index < counts[split]; index++) {
      if (index > 0 && index % pieceItems === 0) yield;
      entries.push({
        id: `${prefix}/${String(index).padStart(6, "0")}`,
        frames: options.sequenceFramesMin +
          (lengths > 1 ? randomOf(split, epoch, index, "frames").integer(lengths) : 0),
      });
    }
    kept.set(split, { epoch: drawn, entries });
    return entries;
  };
  const catalogue = (split: Split, epoch: number) => atOnce(make(split, epoch));
  const sequenceOf = (request: ReadRequest): DrawnSequence => {
    const { split, epoch, sequence: index } = request;
    const { frames } = requestedEntry(catalogue(split, epoch), request);
    return { random: randomOf(split, epoch, index, "content"), frames, split, index };
  };
  const { drawTargets } = generator;
  return {
    catalogue,
    catalogueInTurns: (split, epoch, pause) => inTurns(make(split, epoch), pause),
    read: (request) =>
      new Promise((resolve) => resolve(generator.draw(sequenceOf(request), request))),
    ...(drawTargets && {
      readTargets: (request: ReadRequest) =>
        new Promise<Float32Array>((resolve) => resolve(drawTargets(sequenceOf(request), request))),
    }),
  };
}

/** For descriptions: how many sequences there are and how long they are. */
export function describeGenerated(options: GeneratedOptions): string {
  const { sequenceFramesMin: least, sequenceFrames: most } = options;
  return `${options.sequences} training sequences${
    options.endless ? ", new in each epoch," : ""
  } ` +
    `of ${least === most ? most : `${least} to ${most}`} frames`;
}

function checkOptions(name: string, options: GeneratedOptions): void {
  const limits = {
    sequences: 1,
    validationSequences: 0,
    testSequences: 0,
    sequenceFramesMin: 1,
    sequenceFrames: options.sequenceFramesMin,
  };
  for (const [option, least] of Object.entries(limits)) {
    const value = options[option as keyof typeof limits];
    if (!Number.isSafeInteger(value) || value < least) {
      throw new DatasetError(
        `Cannot generate ${name}: ${option} must be a whole number of at least ${least}, ` +
          `found ${value}`,
      );
    }
  }
}
