/**
 * SEVIR's vertically integrated liquid: storms of 4 hours, 49 frames of 5 minutes, 384 x 384 pixels
 * of 1 km. With its CATALOG.csv, events are split by their time as published (M. Veillette et al.
 * 2020): before 2019 to train, before June 2019 to validate, later ones to test.
 */
import {
  BrokenPart,
  type Dataset,
  DatasetError,
  type SequenceEntry,
  type Split,
} from "./dataset.ts";
import { Decoder } from "./decoder.ts";
import { filesBelow } from "./folder_walk.ts";
import { requestedEntry } from "./requested_entry.ts";
import { readSevirCatalogue } from "./sevir_catalogue.ts";
import { type SevirEvent, surveySevir } from "./sevir_events.ts";
import type { SevirLayout } from "./sevir_layout.ts";
import { splitRanges } from "./split_ranges.ts";

const validationFrom = Date.UTC(2019, 0, 1);
const testFrom = Date.UTC(2019, 5, 1);
/** So much is read in a few seconds. */
const checkedBytesMaxDefault = 1024 * 1024 * 1024;

export interface SevirOptions {
  /** Folder that holds files of `vil`, in folders of years or not, and perhaps CATALOG.csv. */
  readonly path: string;
  /** Rows and columns that frames are resized to; 384 as published. */
  readonly frameSize: readonly [rows: number, columns: number];
  /** Axes of `vil`. @default {as its shape tells} */
  readonly layout?: SevirLayout;
  /**
   * With "skip", files and events that cannot be used are left out, and an event that turns out to
   * be broken while it is read is missing.
   * @default {"stop"}
   */
  readonly onBadFile?: "stop" | "skip";
  /** Images of up to so many bytes unpacked are all read once at opening. @default {1 GiB} */
  readonly checkedBytesMax?: number;
}

/** @throws {DatasetError} if there is no such file, or one is broken or differs from the others */
export async function openSevir(options: SevirOptions): Promise<Dataset> {
  const { path, layout, onBadFile = "stop", checkedBytesMax = checkedBytesMaxDefault } = options;
  const { files, catalogue: cataloguePath, walkNotes } = await listFolder(path);
  const catalogue = cataloguePath === undefined
    ? undefined
    : await readSevirCatalogue(cataloguePath);
  const decoder = new Decoder();
  try {
    const { events, notes, isChecked } = await surveySevir(decoder, {
      ...{ files, layout, onBadFile, checkedBytesMax, catalogue },
      cataloguePath: cataloguePath ?? "",
    });
    const split = catalogue === undefined ? byOrder(events, path) : byTime(events);
    return datasetOf({
      ...{ options, decoder, split, isByTime: catalogue !== undefined },
      files: [...files, ...cataloguePath === undefined ? [] : [cataloguePath]],
      notes: [...walkNotes, ...notes],
      brokenIsMissing: onBadFile === "skip" && !isChecked,
    });
  } catch (error) {
    decoder.close();
    throw error;
  }
}

type SplitEvents = Readonly<Record<Split, readonly SevirEvent[]>>;

interface Opened {
  readonly options: SevirOptions;
  readonly decoder: Decoder;
  readonly split: SplitEvents;
  readonly isByTime: boolean;
  readonly files: readonly string[];
  readonly notes: readonly string[];
  /** Whether an event that cannot be decoded is missing, as nobody has read it before. */
  readonly brokenIsMissing: boolean;
}

function datasetOf(opened: Opened): Dataset {
  const { options, decoder, split, isByTime, files, notes, brokenIsMissing } = opened;
  const { path, frameSize: [rows, width] } = options;
  const entriesOf = (part: Split): SequenceEntry[] =>
    split[part].map(({ id, frames }) => ({ id: `sevir/${id}`, frames }));
  const catalogue = {
    train: entriesOf("train"),
    validation: entriesOf("validation"),
    test: entriesOf("test"),
  };
  const { train, validation, test } = catalogue;
  const layouts = new Set(Object.values(split).flat().map((event) => event.layout));
  return {
    name: "sevir",
    frameShape: [rows, width, 1],
    description: [
      `SEVIR vertically integrated liquid from ${path}, ${rows}x${width}, 255 as missing, `,
      `stored as ${[...layouts].sort().join(" and ")}, split by `,
      `${isByTime ? "the published dates" : "the order of its files"} into ${train.length} events `,
      `for training, ${validation.length} for validation, ${test.length} for test`,
      ...notes.map((note) => `; ${note}`),
    ].join(""),
    unit: "VIL 255",
    eventScale: 255,
    files,
    // Whether any value is would take reading gigabytes.
    hasMissing: true,
    catalogue: (part) => catalogue[part],
    async read(request) {
      requestedEntry(catalogue[request.split], request);
      const { path, index, layout } = split[request.split][request.sequence];
      const { offset, frames } = request;
      try {
        return await decoder.decode("sevirFrames", {
          ...{ path, event: index, layout, offset, frames, size: [rows, width] },
        });
      } catch (error) {
        // What the system refuses is no property of the event, and another worker may get it.
        if (!(brokenIsMissing && error instanceof BrokenPart)) throw error;
        return new Float32Array(frames * rows * width).fill(NaN);
      }
    },
    close: () => decoder.close(),
  };
}

interface SevirFolder {
  readonly files: readonly string[];
  readonly catalogue: string | undefined;
  readonly walkNotes: readonly string[];
}

async function listFolder(root: string): Promise<SevirFolder> {
  const { names, notes } = await filesBelow(root);
  const pathsOf = (pattern: RegExp) =>
    names.filter((name) => pattern.test(name)).map((name) => `${root}/${name}`);
  const files = pathsOf(/\.(h5|hdf5|hdf)$/i).filter((path) => /vil/i.test(path.slice(root.length)));
  const catalogues = pathsOf(/(^|\/)catalog\.csv$/i);
  if (files.length === 0) {
    throw new DatasetError(
      `Cannot find SEVIR in "${root}": no file of "vil" there or in its folders, e.g. ` +
        `vil/2018/SEVIR_VIL_STORMEVENTS_2018_0101_0630.h5`,
    );
  }
  if (catalogues.length > 1) {
    throw new DatasetError(
      `Cannot tell which catalogue of "${root}" to take: it holds "${catalogues[0]}" and ` +
        `"${catalogues[1]}"; keep one of them`,
    );
  }
  return { files, catalogue: catalogues[0], walkNotes: notes };
}

function byTime(events: readonly SevirEvent[]): SplitEvents {
  const parts = Object.groupBy(
    events,
    ({ time }): Split =>
      time! < validationFrom ? "train" : time! < testFrom ? "validation" : "test",
  );
  return {
    train: parts.train ?? [],
    validation: parts.validation ?? [],
    test: parts.test ?? [],
  };
}

function byOrder(events: readonly SevirEvent[], path: string): SplitEvents {
  const ranges = splitRanges(events.length, `the events of "${path}"`);
  return {
    train: events.slice(...ranges.train),
    validation: events.slice(...ranges.validation),
    test: events.slice(...ranges.test),
  };
}
