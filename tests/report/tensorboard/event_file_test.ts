import assert from "node:assert/strict";
import { EventFile } from "../../../report/tensorboard/event_file.ts";
import { histogramOf } from "../../../report/tensorboard/histogram.ts";
import { crc32c, encodeRecord } from "../../../report/tensorboard/tf_record.ts";
import expected from "../../fixtures/tensorboard/read_by_tensorboard.json" with { type: "json" };
import { writeSampleEvents } from "./write_sample.ts";

const here = new URL(".", import.meta.url).pathname;
const fixtures = new URL("../../fixtures/tensorboard/", import.meta.url).pathname;

async function withFolder(run: (folder: string) => Promise<void> | void): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await run(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Data of all whole records, each checked as a reader checks it; throws at one that is broken. */
function readRecords(bytes: Uint8Array): Uint8Array[] {
  const records: Uint8Array[] = [];
  for (let at = 0; at < bytes.length;) {
    const length = new DataView(bytes.buffer, bytes.byteOffset + at).getUint32(0, true);
    const data = bytes.subarray(at + 12, at + 12 + length);
    const record = bytes.subarray(at, at + 16 + length);
    assert.deepEqual(encodeRecord(data), record, `the record at ${at}`);
    records.push(data);
    at += record.length;
  }
  return records;
}

Deno.test("crc32c() equals the check value of Castagnoli's CRC", () => {
  assert.equal(crc32c(new TextEncoder().encode("123456789")), 0xe3069283);
  assert.equal(crc32c(new Uint8Array(32)), 0x8a9136aa);
});

Deno.test("events are written byte for byte as in the files that TensorBoard has read", async () => {
  await withFolder((folder) => {
    const paths = writeSampleEvents(folder);
    assert.equal(paths.length, 2);
    for (const path of paths) {
      const name = path.slice(folder.length + 1);
      assert.deepEqual(Deno.readFileSync(path), Deno.readFileSync(fixtures + name), name);
    }
  });
});

const python = Deno.env.get("TENSORBOARD_PYTHON") ?? "python3";
const hasTensorBoard = await new Deno.Command(python, {
  args: ["-c", "import tensorboard.backend.event_processing.event_accumulator"],
  stdout: "null",
  stderr: "null",
}).output().then(({ success }) => success, () => false);
if (!hasTensorBoard) {
  console.warn(
    `Skipped: ${python} has no tensorboard to read events with; name one that has with ` +
      "TENSORBOARD_PYTHON",
  );
}

Deno.test({
  name: "TensorBoard reads scalars, images, histograms and hyper-parameters, lost steps left out",
  ignore: !hasTensorBoard,
  async fn() {
    await withFolder(async (folder) => {
      writeSampleEvents(folder);
      const { success, stdout, stderr } = await new Deno.Command(python, {
        args: [`${here}read_events.py`, folder],
      }).output();
      assert.ok(success, new TextDecoder().decode(stderr));
      assert.deepEqual(JSON.parse(new TextDecoder().decode(stdout)), expected);
    });
  },
});

Deno.test("what TensorBoard has read is what was written", () => {
  // Step 3 was lost and came to 7, step 4 was done twice; float32 as the format has it.
  assert.deepEqual(expected.scalars["training/loss"], [[1, 1], [2, 0.5], [3, 7], [4, 9]]);
  assert.deepEqual(expected.images.predictions[0].slice(0, 3), [2, 6, 4]);
  assert.deepEqual(expected.histograms.kernel, [[2, 4, -1, 2, 1.5, 5.25, 4, 30]]);
  assert.deepEqual(expected.hparams, { "optimizer.name": "adam", lanes: 12, endless: false });
});

Deno.test("histogramOf() counts each finite value once, below its bin's edge", () => {
  const values = Float32Array.from({ length: 1000 }, (_, i) => Math.sin(i) ** 3);
  const { edges, counts, least, most } = histogramOf(values)!;
  assert.equal(counts.reduce((sum, count) => sum + count, 0), 1000);
  assert.equal(edges.at(-1), most);
  edges.forEach((edge, bin) => {
    const from = bin === 0 ? least : edges[bin - 1];
    const inside = values.filter((value) =>
      value >= from && (value < edge || bin === edges.length - 1)
    );
    assert.ok(Math.abs(inside.length - counts[bin]) <= 1, `bin ${bin}`);
  });
  const constant = histogramOf(Float32Array.of(3, 3, 3))!;
  assert.equal(constant.counts.reduce((sum, count) => sum + count, 0), 3);
  assert.ok(constant.edges[0] < 3 && constant.edges.at(-1)! > 3);
  assert.equal(histogramOf(Float32Array.of(NaN, Infinity)), undefined);
});

Deno.test("a file that cannot be written costs its events, and begins soundly once it can", async () => {
  await withFolder((parent) => {
    const folder = `${parent}/later`;
    let lost = 0;
    const events = new EventFile({
      folder,
      resumedStep: 0,
      timeOfDay: () => "2026-03-01T12:00:00Z",
      onLost: () => lost++,
    });
    for (let step = 1; step <= 40; step++) {
      events.summary(step, [{ tag: "loss", scalar: 1 }]);
      events.restart(step - 1);
    }
    assert.equal(lost, 81);
    Deno.mkdirSync(folder);
    events.summary(41, [{ tag: "loss", scalar: 2 }]);
    events.close();
    const records = readRecords(Deno.readFileSync(events.path));
    assert.match(new TextDecoder().decode(records[0]), /brain\.Event:2/);
    assert.ok(records.length > 2 && records.length < 25, `${records.length} records`);
    assert.match(new TextDecoder().decode(records.at(-1)), /loss/);
  });
});

Deno.test("a file has an end: pictures are left out first, then all", async () => {
  await withFolder((folder) => {
    const lost: string[] = [];
    const events = new EventFile({
      folder,
      resumedStep: 0,
      timeOfDay: () => "2026-03-01T12:00:00Z",
      onLost: (_, error) => lost.push((error as Error).message),
      limits: { largeBytesMax: 4000, bytesMax: 6000 },
    });
    const image = { height: 1, width: 1, png: new Uint8Array(1000) };
    for (let step = 1; step <= 200; step++) {
      events.summary(step, [{ tag: "picture", image }, { tag: "loss", scalar: 1 }]);
    }
    events.close();
    const bytes = Deno.readFileSync(events.path);
    const texts = readRecords(bytes).map((record) => new TextDecoder().decode(record));
    assert.equal(texts.filter((text) => text.includes("picture")).length, 4);
    assert.ok(texts.filter((text) => text.includes("loss")).length > 30);
    assert.ok(bytes.length >= 6000 && bytes.length < 6100, `${bytes.length} bytes`);
    assert.deepEqual([...new Set(lost)], [
      "it has 4000 bytes: no more pictures and histograms go there",
      "it has 6000 bytes, and is full",
    ]);
  });
});

Deno.test({
  name: "a full disk leaves whole records alone",
  // A limit on the size of files stands for the disk; only Unix shells have one.
  ignore: Deno.build.os === "windows",
  async fn() {
    await withFolder(async (folder) => {
      const script = "trap '' XFSZ; ulimit -f 64; exec \"$@\"";
      const args = [`${here}fill_disk.ts`, folder, "200"];
      const deno = [Deno.execPath(), "run", "-A", "--no-check", "--no-code-cache"];
      const { success, stdout, stderr } = await new Deno.Command("sh", {
        args: ["-c", script, "sh", ...deno, ...args],
      }).output();
      assert.ok(success, new TextDecoder().decode(stderr));
      const { lost, path } = JSON.parse(new TextDecoder().decode(stdout));
      assert.ok(lost > 0, "the limit was reached");
      const records = readRecords(Deno.readFileSync(path));
      assert.ok(records.length >= 30 && records.length < 200, `${records.length} records`);
    });
  },
});
