/**
 * Which events of SEVIR's files are used: each once, whole, and with a time where the catalogue gives
 * times. Whatever is left out is told; what contradicts itself is refused, or left out where asked to.
 */
import { DatasetError, isBadFile } from "./dataset.ts";
import type { Decoder } from "./decoder.ts";
import type { SevirCatalogue } from "./sevir_catalogue.ts";
import type { SevirFile } from "./sevir_file.ts";
import type { SevirLayout } from "./sevir_layout.ts";

export interface SevirEvent {
  readonly path: string;
  /** In its file. */
  readonly index: number;
  readonly id: string;
  readonly frames: number;
  /** Size of the images as they are stored. */
  readonly size: readonly [rows: number, columns: number];
  readonly layout: SevirLayout;
  /** Milliseconds since 1970; undefined where there is no catalogue. */
  readonly time?: number;
}

export interface SevirSurvey {
  readonly events: readonly SevirEvent[];
  /** Whether every event was read once. */
  readonly isChecked: boolean;
  /** What was left out and why, for the description. */
  readonly notes: readonly string[];
}

export interface SevirSurveyOptions {
  readonly files: readonly string[];
  readonly layout: SevirLayout | undefined;
  readonly onBadFile: "stop" | "skip";
  readonly catalogue: SevirCatalogue | undefined;
  /** The catalogue's path, which errors name. */
  readonly cataloguePath: string;
  /** Images of up to so many bytes unpacked are all read once. */
  readonly checkedBytesMax: number;
}

/** @throws {DatasetError} at what is broken or contradicts itself, unless that is to be skipped */
export async function surveySevir(
  decoder: Decoder,
  options: SevirSurveyOptions,
): Promise<SevirSurvey> {
  const { onBadFile, files, catalogue, cataloguePath } = options;
  const failures: string[] = [];
  /** What a step makes; undefined where it fails and that is to be skipped. */
  const orSkip = async <T>(step: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await step();
    } catch (error) {
      if (onBadFile === "stop" || !isBadFile(error)) throw error;
      failures.push(error.message);
    }
  };
  const surveyed: { readonly path: string; readonly file: SevirFile }[] = [];
  for (const path of files) {
    const request = { path, layout: options.layout };
    const file = await orSkip(() => decoder.decode("sevir", request));
    if (file) surveyed.push({ path, file });
  }
  checkAlike(surveyed);
  const all = surveyed.flatMap(({ path, file }) =>
    file.ids.map((id, index): SevirEvent => ({
      ...{ path, index, id, frames: file.frames, layout: file.layout },
      size: [file.rows, file.columns],
    }))
  );
  const timed: SevirEvent[] = [];
  const untimed: SevirEvent[] = [];
  for (const event of all) {
    const { id, path, index } = event;
    const time = catalogue?.timeOf(id, path, index);
    if (time === undefined) timed.push(event);
    else if ("milliseconds" in time) timed.push({ ...event, time: time.milliseconds });
    else if ("unknown" in time) untimed.push(event);
    else {
      await orSkip(() =>
        Promise.reject(
          new DatasetError(
            `Cannot tell when event "${id}" was: "${cataloguePath}" says ${time.contradiction}; mend ` +
              "it, or leave such events out with --on-bad-file skip",
          ),
        )
      );
    }
  }
  if (timed.length === 0 && untimed.length > 0) {
    throw new DatasetError(
      `Cannot split by time: "${cataloguePath}" has no time_utc of any of the ${untimed.length} ` +
        `events, e.g. "${untimed[0].id}"`,
    );
  }
  const unique = await uniqueEvents(timed, decoder, orSkip);
  const bytes = surveyed.reduce((sum, { file }) => sum + file.events * file.eventBytes, 0);
  const isChecked = bytes <= options.checkedBytesMax;
  const whole: SevirEvent[] = [];
  for (const event of unique.events) {
    const { path, index, layout } = event;
    const checked = !isChecked ||
      await orSkip(() => decoder.decode("sevirCheck", { path, event: index, layout }));
    if (checked) whole.push(event);
  }
  if (whole.length === 0 && failures.length > 0) {
    throw new DatasetError(
      `Cannot use any event of ${files.length} files, the first because: ${failures[0]}`,
    );
  }
  const count = (number: number, one: string, more = `${one}s`) =>
    `${number} ${number === 1 ? one : more}`;
  const notes = [
    failures.length === 0
      ? ""
      : `left out ${
        count(failures.length, "file or event", "files or events")
      } that cannot be used, e.g.: ` +
        failures[0].slice(0, 300),
    untimed.length === 0
      ? ""
      : `left out ${count(untimed.length, "event")} of which ${cataloguePath} has no time, e.g. ` +
        untimed[0].id,
    unique.repeats.length === 0
      ? ""
      : `left out ${count(unique.repeats.length, "repeated event")}, e.g. ` +
        unique.repeats[0],
    onBadFile === "skip" && !isChecked
      ? "too much to be read now, so an event that turns out to be broken counts as missing"
      : "",
  ];
  return { events: whole, isChecked, notes: notes.filter((note) => note !== "") };
}

function checkAlike(
  surveyed: readonly { readonly path: string; readonly file: SevirFile }[],
): void {
  const [first] = surveyed;
  for (const { path, file } of surveyed) {
    if (file.frames !== first.file.frames) {
      throw new DatasetError(
        `Cannot use "${path}": its events have ${file.frames} frames, but those of ` +
          `"${first.path}" ${first.file.frames}; put them into folders of their own`,
      );
    }
  }
}

interface UniqueEvents {
  readonly events: readonly SevirEvent[];
  /** Names of those that hold the same as another one. */
  readonly repeats: readonly string[];
}

/** The first event of each name. Events of one name that hold different things are a failure. */
async function uniqueEvents(
  events: readonly SevirEvent[],
  decoder: Decoder,
  orSkip: <T>(step: () => Promise<T>) => Promise<T | undefined>,
): Promise<UniqueEvents> {
  const kept: SevirEvent[] = [];
  const repeats: string[] = [];
  for (const [id, [first, ...others]] of Map.groupBy(events, (event) => event.id)) {
    const same = await orSkip(async () => {
      for (const other of others) await checkSame(first, other, decoder);
      return true;
    });
    if (!same) continue;
    kept.push(first);
    repeats.push(...others.map(() => id));
  }
  return { events: kept, repeats };
}

async function checkSame(one: SevirEvent, two: SevirEvent, decoder: Decoder): Promise<void> {
  const places = [one, two].map(({ path, index }) => `number ${index} of "${path}"`);
  const wayOut = "keep one of them, or leave such events out with --on-bad-file skip";
  if (one.time !== two.time) {
    throw new DatasetError(
      `Cannot tell which event "${one.id}" is: ${places.join(" and ")} have that name and other ` +
        `times; ${wayOut}`,
    );
  }
  const [values, others] = await Promise.all(
    [one, two].map((event) =>
      decoder.decode("sevirFrames", {
        ...{ path: event.path, event: event.index, layout: event.layout, size: one.size },
        ...{ offset: 0, frames: event.frames },
      })
    ),
  );
  if (values.every((value, i) => Object.is(value, others[i]))) return;
  throw new DatasetError(
    `Cannot tell which event "${one.id}" is: ${places.join(" and ")} have that name and other ` +
      `pixels; ${wayOut}`,
  );
}
