/**
 * SEVIR's vertically integrated liquid: storms of 4 hours, 49 frames of 5 minutes, 384 x 384 pixels
 * of 1 km. With its CATALOG.csv, events are split by their time as published (M. Veillette et al.
 * 2020): before 2019 to train, before June 2019 to validate, later ones to test.
 */
import { type Dataset, DatasetError, type SequenceEntry, type Split } from "./dataset.ts";
import { Decoder } from "./decoder.ts";
import { attempt } from "./files.ts";
import { requestedEntry } from "./requested_entry.ts";
import type { SevirFile } from "./sevir_file.ts";
import { splitRanges } from "./split_ranges.ts";

const validationFrom = Date.UTC(2019, 0, 1);
const testFrom = Date.UTC(2019, 5, 1);
/** Of a column in the catalogue. */
const columns = ["id", "file_name", "img_type", "time_utc"] as const;

export interface SevirOptions {
  /** Folder that holds files of `vil`, in folders of years or not, and perhaps CATALOG.csv. */
  readonly path: string;
  /** Rows and columns that frames are resized to; 384 as published. */
  readonly frameSize: readonly [rows: number, columns: number];
}

interface Event {
  readonly path: string;
  /** In its file. */
  readonly index: number;
  readonly id: string;
  readonly frames: number;
}

/** @throws {DatasetError} if there is no such file, or one is broken or differs from the others */
export async function openSevir({ path, frameSize }: SevirOptions): Promise<Dataset> {
  const { files, catalogue } = await listFolder(path);
  if (files.length === 0) {
    throw new DatasetError(
      `Cannot find SEVIR in "${path}": no file of "vil" there or in its folders, e.g. ` +
        `vil/2018/SEVIR_VIL_STORMEVENTS_2018_0101_0630.h5`,
    );
  }
  const decoder = new Decoder();
  try {
    const events: Event[] = [];
    let first: SevirFile | undefined;
    for (const file of files) {
      const survey = await decoder.decode("sevir", { path: file });
      first ??= survey;
      if (survey.frames !== first.frames) {
        throw new DatasetError(
          `Cannot use "${file}": its events have ${survey.frames} frames, but those of ` +
            `"${files[0]}" ${first.frames}`,
        );
      }
      survey.ids.forEach((id, index) =>
        events.push({ path: file, index, id, frames: survey.frames })
      );
    }
    const times = catalogue === undefined ? undefined : await readTimes(catalogue);
    const split = times === undefined ? byOrder(events, path) : byTime(events, times, catalogue!);
    return datasetOf({ path, frameSize, decoder, split, isByTime: times !== undefined });
  } catch (error) {
    decoder.close();
    throw error;
  }
}

type SplitEvents = Readonly<Record<Split, readonly Event[]>>;

function datasetOf({ path, frameSize: [rows, width], decoder, split, isByTime }: {
  readonly path: string;
  readonly frameSize: SevirOptions["frameSize"];
  readonly decoder: Decoder;
  readonly split: SplitEvents;
  readonly isByTime: boolean;
}): Dataset {
  const entriesOf = (part: Split): SequenceEntry[] =>
    split[part].map(({ id, frames }) => ({ id: `sevir/${id}`, frames }));
  const catalogue = {
    train: entriesOf("train"),
    validation: entriesOf("validation"),
    test: entriesOf("test"),
  };
  const { train, validation, test } = catalogue;
  return {
    name: "sevir",
    frameShape: [rows, width, 1],
    description:
      `SEVIR vertically integrated liquid from ${path}, ${rows}x${width}, 255 as missing, ` +
      "split by " +
      `${
        isByTime ? "the published dates" : "the order of its files"
      } into ${train.length} events ` +
      `for training, ${validation.length} for validation, ${test.length} for test`,
    unit: "VIL 255",
    eventScale: 255,
    // Whether any value is would take reading gigabytes.
    hasMissing: true,
    catalogue: (part) => catalogue[part],
    read(request) {
      requestedEntry(catalogue[request.split], request);
      const event = split[request.split][request.sequence];
      return decoder.decode("sevirFrames", {
        path: event.path,
        event: event.index,
        offset: request.offset,
        frames: request.frames,
        size: [rows, width],
      });
    },
    close: () => decoder.close(),
  };
}

async function listFolder(
  root: string,
): Promise<{ readonly files: string[]; readonly catalogue: string | undefined }> {
  const files: string[] = [];
  let catalogue: string | undefined;
  const visit = async (folder: string) => {
    await attempt(folder, async () => {
      for await (const { name, isDirectory } of Deno.readDir(folder)) {
        const path = `${folder}/${name}`;
        if (isDirectory) await visit(path);
        else if (/\.h5$/.test(name) && /vil/i.test(name)) files.push(path);
        else if (name === "CATALOG.csv") catalogue = path;
      }
    });
  };
  await visit(root);
  return { files: files.sort(), catalogue };
}

/** Milliseconds since 1970 of each event of `vil`. */
async function readTimes(path: string): Promise<ReadonlyMap<string, number>> {
  const text = await attempt(path, () => Deno.readTextFile(path));
  const [header, ...lines] = text.split(/\r?\n/).filter((line) => line !== "");
  const names = header?.split(",") ?? [];
  const places = columns.map((column) => names.indexOf(column));
  if (places.includes(-1)) {
    throw new DatasetError(
      `Cannot read "${path}": expected a table with the columns ${columns.join(", ")}, found ` +
        names.join(", "),
    );
  }
  const times = new Map<string, number>();
  lines.forEach((line, index) => {
    const fields = line.split(",");
    const [id, , type, time] = places.map((place) => fields[place]);
    if (type !== "vil") return;
    const milliseconds = Date.parse(`${time?.replace(" ", "T")}Z`);
    if (!id || Number.isNaN(milliseconds)) {
      throw new DatasetError(
        `Cannot read "${path}": line ${
          index + 2
        } has no id and time_utc, found "${id}" and "${time}"`,
      );
    }
    times.set(id, milliseconds);
  });
  return times;
}

function byTime(
  events: readonly Event[],
  times: ReadonlyMap<string, number>,
  catalogue: string,
): SplitEvents {
  const splitOf = (id: string): Split => {
    const time = times.get(id);
    if (time === undefined) {
      throw new DatasetError(`Cannot split by time: "${catalogue}" has no line of event "${id}"`);
    }
    return time < validationFrom ? "train" : time < testFrom ? "validation" : "test";
  };
  const parts = Object.groupBy(events, ({ id }) => splitOf(id));
  return {
    train: parts.train ?? [],
    validation: parts.validation ?? [],
    test: parts.test ?? [],
  };
}

function byOrder(events: readonly Event[], path: string): SplitEvents {
  const ranges = splitRanges(events.length, `the events of "${path}"`);
  return {
    train: events.slice(...ranges.train),
    validation: events.slice(...ranges.validation),
    test: events.slice(...ranges.test),
  };
}
