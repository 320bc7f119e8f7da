/**
 * Which files of a folder are one video, by their names. Frames have numbers that count on; where the
 * text before the number differs, as in person01_0001.png and person02_0001.png, several videos lie in
 * one folder. Names of numbers or dates alone are one time line.
 */
import { DatasetError } from "./dataset.ts";
import { compareNames, sameNumbersKey } from "./name_order.ts";

export const videosChoices = ["auto", "folder", "names"] as const;
export type VideosBy = typeof videosChoices[number];

export interface NamedVideo {
  /** What its names have in common, without the number; undefined where it is the whole folder. */
  readonly name: string | undefined;
  /** In the order of their numbers. */
  readonly files: readonly string[];
}

interface FrameName {
  readonly file: string;
  /** The same, with signs and fractions written so that `compareNames` sees them. */
  readonly ordered: string;
  /** Before and after its last number, which is its place in time; undefined without a number. */
  readonly around: readonly [before: string, after: string] | undefined;
  readonly stem: string;
  /** Whether its text was told from a sign by those of other names. */
  readonly hasSign?: boolean;
}

const date = /(?:19|20)\d\d[-_.]?(?:0[1-9]|1[0-2])[-_.]?(?:0[1-9]|[12]\d|3[01])/;
/** Seconds of a time stamp with a fraction, as in frame_1403636579.76. Shots have fewer digits. */
const stampSeconds = /(?<!\d)\d{9,}\.$/;
/** So that .8 comes after .76; nanoseconds have 9. */
const fractionDigits = 12;
const separators = /^[-_.\s]+|[-_.\s]+$/g;

export interface FolderVideos {
  readonly videos: readonly NamedVideo[];
  /** Two names that show what else could be meant, where several texts are before the numbers. */
  readonly doubt?: readonly [string, string];
}

/**
 * @param folder names it in errors
 * @param files names of frames
 * @throws {DatasetError} where their order or their video cannot be told
 */
export function videosOfFolder(
  folder: string,
  files: readonly string[],
  by: VideosBy,
): FolderVideos {
  const parsed = files.map(parseName);
  const names = (by === "names" ? parsed : withSigns(parsed)).sort(inTime);
  const hasSigns = by === "auto" && names.some(({ hasSign }) => hasSign);
  const groups = by === "folder" ? [names] : groupsOf(names);
  const isOne = groups.length === 1 || (by === "auto" && isTimeLine(names, groups));
  const videos = isOne ? [names] : by === "auto" ? withoutStrays(groups, folder) : groups;
  for (const video of videos) requireOrder(video, folder);
  if (isOne) {
    const couldBeMore = hasSigns || (by === "auto" && groups.length > 1 &&
      groups.some(({ length }) => length > 1));
    return {
      videos: [{ name: undefined, files: names.map(({ file }) => file) }],
      ...(couldBeMore && { doubt: [names[0].file, names.at(-1)!.file] as const }),
    };
  }
  const called = videos.map(([first]) => nameOf(first));
  const isTold = new Set(called).size === called.length;
  return {
    videos: videos.map((video, index) => ({
      name: isTold ? called[index] : video[0].around?.join("#") ?? video[0].stem,
      files: video.map(({ file }) => file),
    })),
    ...(by === "auto" && { doubt: [videos[0][0].file, videos[1][0].file] as const }),
  };
}

function parseName(file: string): FrameName {
  const stem = file.replace(/\.\w+$/, "");
  const [, before, number, after] = /^(|.*\D)(\d+)(\D*)$/su.exec(stem) ?? [];
  if (before === undefined) return { file, ordered: file, stem, around: undefined };
  const isStamp = stampSeconds.test(before);
  const ordered = isStamp
    ? before + number.padEnd(fractionDigits, "0") + file.slice(before.length + number.length)
    : file;
  // The sign of a number, and seconds before their fraction, are none of the text around it.
  const text = before.replace(/(?<=^|[_=([-])[-+\u2212]$/, "").replace(/^\d+\.$/, "")
    .replace(stampSeconds, "");
  return { file, ordered, stem, around: [text, after] };
}

/** Takes t-1 for the time before t0: the text before its minus also heads numbers without a sign. */
function withSigns(names: readonly FrameName[]): FrameName[] {
  const keyOf = (text: string, after: string) => JSON.stringify([text, after]).toLowerCase();
  const texts = new Set(names.flatMap(({ around }) => around ? [keyOf(...around)] : []));
  const isSigned = (text: string, after: string) =>
    texts.has(keyOf(`${text}-`, after)) || texts.has(keyOf(`${text}\u2212`, after));
  const isHead = (text: string, after: string) =>
    isSigned(text, after) && (texts.has(keyOf(text, after)) || texts.has(keyOf(`${text}+`, after)));
  return names.map((name) => {
    if (!name.around || !name.stem.startsWith(name.around[0])) return name;
    const [before, after] = name.around;
    const text = before.replace(/[-+\u2212]$/, "");
    const ordered = `${text}=${name.file.slice(text.length)}`;
    if (text !== before && text !== "" && isHead(text, after)) {
      return { ...name, ordered, around: [text, after], hasSign: true };
    }
    return text === before && text !== "" && isHead(text, after) ? { ...name, ordered } : name;
  });
}

function inTime(one: FrameName, two: FrameName): number {
  return compareNames(one.ordered, two.ordered) || compareNames(one.file, two.file);
}

function groupsOf(names: readonly FrameName[]): FrameName[][] {
  const groups = Map.groupBy(
    names,
    ({ around, stem }) => JSON.stringify(around ?? stem).toLowerCase(),
  );
  // "frame.png" is the first of "frame1.png", "frame2.png", as cameras name a second one.
  for (const [key, [{ stem, around }]] of groups) {
    if (around !== undefined) continue;
    const home = groups.values().find(([first]) => first.around && nameOf(first) === stem);
    if (home === undefined) continue;
    home.unshift(...groups.get(key)!);
    groups.delete(key);
  }
  return [...groups.values()].map((group) => group.sort(inTime));
}

function nameOf({ around, stem }: FrameName): string {
  if (around === undefined) return stem;
  return around.map((text) => text.replace(separators, "")).filter((text) => text !== "").join("-");
}

/** Whether names count on from one text to the next, or differ in nothing but text. */
function isTimeLine(names: readonly FrameName[], groups: readonly FrameName[][]): boolean {
  return groups.every(({ length }) => length === 1) ||
    (names.every(({ stem }) => date.test(stem)) && haveOneText(names)) ||
    !names.some(({ around }) => around?.some((text) => /\p{L}/u.test(text)));
}

/** Whether names differ in their numbers alone. */
function haveOneText(names: readonly FrameName[]): boolean {
  return new Set(names.map(({ stem }) => stem.replace(/\d+/g, "#").toLowerCase())).size === 1;
}

/** A lone picture beside videos is one that was cut short, or no frame of any. */
function withoutStrays(groups: readonly FrameName[][], folder: string): readonly FrameName[][] {
  const patternOf = ([first]: readonly FrameName[]) =>
    JSON.stringify(first.around ?? first.stem).replace(/\d+/g, "#");
  const patterns = new Set(groups.filter(({ length }) => length > 1).map(patternOf));
  const stray = groups.find((group) => group.length === 1 && !patterns.has(patternOf(group)));
  if (stray === undefined) return groups;
  const other = groups.find(({ length }) => length > 1)!;
  throw new DatasetError(
    `Cannot tell the videos in "${folder}": "${stray[0].file}" stands alone beside ` +
      `${other.length} files such as "${other[0].file}"; move it away, or take all files of a ` +
      "folder as one video with --dataset-options videos=folder",
  );
}

function requireOrder(video: readonly FrameName[], folder: string): void {
  const known = new Map<string, FrameName>();
  for (const name of video) {
    const key = sameNumbersKey(name.ordered.replace(/\.\w+$/, ""));
    const twin = known.get(key);
    if (twin) {
      throw new DatasetError(
        `Cannot order the frames of "${folder}": "${twin.file}" and "${name.file}" have the same ` +
          "number; move one of them away",
      );
    }
    known.set(key, name);
  }
  for (const { file, stem } of video) {
    const original = known.get(
      sameNumbersKey(stem.replace(/(?: - Copy| copy)?(?: ?\(\d+\))?$/, "")),
    );
    if (original && original.file !== file) {
      throw new DatasetError(
        `Cannot order the frames of "${folder}": "${file}" seems to be a copy of ` +
          `"${original.file}"; move one of them away`,
      );
    }
  }
}
