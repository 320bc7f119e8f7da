import assert from "node:assert/strict";
import { type VideosBy, videosOfFolder } from "../../datasets/frame_names.ts";

const named = (pattern: string, first: number, last: number) =>
  Array.from({ length: last - first + 1 }, (_, i) => pattern.replace("#", `${first + i}`));
const videosOf = (files: readonly string[], by: VideosBy = "auto") =>
  videosOfFolder("folder", files, by).videos.map(({ name, files }) => [name, files.length]);

Deno.test("videosOfFolder() tells clips in one folder apart by the text around the number", () => {
  const clips = [...named("clip1_#.png", 1, 12), ...named("clip2_#.png", 1, 9)];
  assert.deepEqual(videosOf(clips), [["clip1", 12], ["clip2", 9]]);
  assert.deepEqual(videosOf(clips, "folder"), [[undefined, 21]]);
  const { videos, doubt } = videosOfFolder("folder", clips.toReversed(), "auto");
  assert.deepEqual(videos[0].files, named("clip1_#.png", 1, 12));
  assert.deepEqual(doubt, ["clip1_1.png", "clip2_1.png"]);
  const people = ["person01_boxing_d1_0001.png", "person01_boxing_d1_0002.png"];
  const other = people.map((name) => name.replace("d1", "d2"));
  assert.deepEqual(videosOf([...people, ...other]), [
    ["person01_boxing_d1", 2],
    ["person01_boxing_d2", 2],
  ]);
  // One that was cut short after its first frame.
  assert.deepEqual(videosOf([...clips, "clip3_1.png"]).at(-1), ["clip3", 1]);
  const stereo = ["1_left.png", "1_right.png", "2_left.png", "2_right.png"];
  assert.deepEqual(videosOf(stereo), [["left", 2], ["right", 2]]);
  const cameras = ["north", "south"].flatMap((place) => named(`20240101_${place}_#.png`, 1, 3));
  assert.deepEqual(videosOf(cameras), [["20240101_north", 3], ["20240101_south", 3]]);
  assert.deepEqual(videosOf(["shot1.001.png", "shot1.002.png", "shot2.001.png", "shot2.002.png"]), [
    ["shot1", 2],
    ["shot2", 2],
  ]);
});

Deno.test("videosOfFolder() takes names of numbers and dates, and those without, as one video", () => {
  const one = (files: readonly string[]) =>
    assert.deepEqual(videosOf(files), [[undefined, files.length]]);
  one(named("#.png", 1, 12));
  one(named("frame#.PNG", 1, 12));
  one(["IMG_1.png", "img_2.png", "IMG_3.png"]);
  one(["-2.png", "-1.png", "0.png", "1.png"]);
  one(["t_-2.png", "t_-1.png", "t_0.png", "t_1.png"]);
  one(["a.png", "b.png", "c.png"]);
  one(["frame.png", "frame1.png", "frame2.png"]);
  one(["1317009457.8.png", "1317009457.9.png", "1317009458.0.png", "1317009458.1.png"]);
  const days = ["rain_20240101_1200", "rain_20240101_1205", "rain_20240102_1200"]
    .map((stem) => `${stem}.png`);
  one(days);
  one(["2024-01-01T12-00.png", "2024-01-01T12-05.png", "2024-01-01T13-00.png"]);
  const doubtful = ["1_1.png", "1_2.png", "2_1.png", "2_2.png"];
  one(doubtful);
  // Said, since two videos could be meant.
  assert.deepEqual(videosOfFolder("folder", doubtful, "auto").doubt, ["1_1.png", "2_2.png"]);
  assert.deepEqual(videosOf(doubtful, "names"), [["1", 2], ["2", 2]]);
  assert.equal(videosOfFolder("folder", named("#.png", 1, 12), "auto").doubt, undefined);
});

Deno.test("videosOfFolder() tells a sign from a dash, and a fraction from a frame's number", () => {
  const ordered = (...files: string[]) => {
    const { videos, doubt } = videosOfFolder("folder", files.toReversed(), "auto");
    assert.deepEqual(videos.map((video) => video.files), [files]);
    return doubt;
  };
  // Said, since a dash may part a name.
  assert.deepEqual(ordered("t-10.png", "t-2.png", "t-1.png", "t0.png", "t1.png", "t2.png"), [
    "t-10.png",
    "t2.png",
  ]);
  ordered("T-2s.png", "t-1s.png", "t0s.png", "t+1s.png", "t+2s.png");
  ordered("lead -2.png", "lead -1.png", "lead +1.png", "lead +2.png");
  assert.deepEqual(videosOf(["t-2.png", "t-1.png", "t0.png", "t1.png"], "names").length, 2);
  assert.deepEqual(
    videosOfFolder("folder", ["t-1.png", "t0.png", "t-2.png"], "folder").videos[0].files,
    ["t-2.png", "t-1.png", "t0.png"],
  );
  assert.equal(ordered("frame-1.png", "frame-2.png", "frame-10.png"), undefined);
  const two = ["a-1.png", "a0.png", "b-2.png", "b-1.png", "b0.png"];
  assert.deepEqual(videosOf(two), [["a", 2], ["b", 3]]);
  assert.throws(
    () => videosOf(["t-1.png", "t1.png", "t+1.png"]),
    /"t\+?1.png" have the same number/,
  );
  const stamps = ["1403636579.08", "1403636579.76", "1403636579.8", "1403636580.0"];
  ordered(...stamps.map((stamp) => `frame_${stamp}.png`));
  ordered(...stamps.map((stamp) => `${stamp}.png`));
  const cameras = ["cam0", "cam1"].flatMap((camera) => stamps.map((at) => `${camera}_${at}.png`));
  assert.deepEqual(videosOf(cameras), [["cam0", 4], ["cam1", 4]]);
});

Deno.test("videosOfFolder() refuses files whose place or video cannot be told", () => {
  const refuses = (files: readonly string[], message: RegExp) =>
    assert.throws(() => videosOf(files), { name: "DatasetError", message });
  refuses(
    ["1.png", "2.png", "001.png"],
    /order .* of "folder": "001.png" and "1.png" have the same/,
  );
  refuses(["-1.png", "-01.png", "0.png"], /"-01.png" and "-1.png" have the same number/);
  refuses(["1.png", "1.PNG"], /have the same number; move one of them away/);
  refuses(["3.png", "4.png", "3 (1).png"], /"3 \(1\).png" seems to be a copy of "3.png"/);
  refuses(["a.png", "b.png", "a - Copy.png"], /"a - Copy.png" seems to be a copy of "a.png"/);
  refuses(
    [...named("clip#.png", 1, 4), "cover.png"],
    /"cover.png" stands alone beside 4 files such as "clip1.png"; .* videos=folder$/,
  );
});
