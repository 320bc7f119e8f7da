import assert from "node:assert/strict";
import { MetricsLog, readMetrics } from "../../report/metrics_log.ts";

async function withFolder(test: (path: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await test(`${folder}/metrics.jsonl`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("MetricsLog drops the lines after the step that a run resumes from", () =>
  withFolder(async (path) => {
    const first = await MetricsLog.open(path, 0);
    for (let step = 1; step <= 5; step++) first.append({ step, loss: 1 / step, split: "train" });
    first.close();
    const second = await MetricsLog.open(path, 3);
    second.append({ step: 4, loss: NaN });
    second.close();
    assert.deepEqual(await readMetrics(path), [
      { step: 1, loss: 1, split: "train" },
      { step: 2, loss: 0.5, split: "train" },
      { step: 3, loss: 1 / 3, split: "train" },
      { step: 4, loss: null },
    ]);
  }));

Deno.test("MetricsLog starts anew at step 0 and appends where no file was", () =>
  withFolder(async (path) => {
    await Deno.writeTextFile(path, '{"step":9}\n');
    (await MetricsLog.open(path, 0)).close();
    assert.deepEqual(await readMetrics(path), []);
    await Deno.remove(path);
    (await MetricsLog.open(path, 7)).close();
    assert.deepEqual(await readMetrics(path), []);
  }));

Deno.test("MetricsLog leaves out a torn last line and goes on after it", () =>
  withFolder(async (path) => {
    await Deno.writeTextFile(path, '{"step":1,"loss":0.5}\n{"step":2,"lo');
    const log = await MetricsLog.open(path, 2);
    log.append({ step: 2, loss: 0.25 });
    log.close();
    assert.equal(
      await Deno.readTextFile(path),
      '{"step":1,"loss":0.5}\n{"step":2,"loss":0.25}\n',
    );
  }));

Deno.test("readMetrics() names the line that is not a metrics line", () =>
  withFolder(async (path) => {
    await Deno.writeTextFile(path, '{"step":1}\n{"loss":2}\n{"step":3}\n');
    await assert.rejects(
      readMetrics(path),
      (error: Error) =>
        error instanceof SyntaxError &&
        /line 2 of .*metrics\.jsonl.*\{"loss":2\}/.test(error.message),
    );
  }));

Deno.test("MetricsLog is without a line that a full disk takes half of, and goes on", () =>
  withFolder(async (path) => {
    let freeBytes = Infinity;
    let cutsLeft = Infinity;
    const log = await MetricsLog.open(path, 0, (path) => {
      const file = Deno.openSync(path, { append: true });
      return {
        writeSync(bytes) {
          const taken = Math.min(bytes.length, freeBytes);
          if (taken === 0) throw new Error("no space left on device");
          freeBytes -= taken;
          return file.writeSync(bytes.subarray(0, taken));
        },
        truncateSync(bytes) {
          if (cutsLeft-- <= 0) throw new Error("input/output error");
          file.truncateSync(bytes);
        },
        close: () => file.close(),
      };
    });
    log.append({ step: 1, loss: 0.5 });
    for (const cuts of [Infinity, 0]) {
      [freeBytes, cutsLeft] = [7, cuts];
      assert.throws(() => log.append({ step: 2, loss: 0.25 }), /no space|input\/output/);
    }
    assert.match(await Deno.readTextFile(path), /\{"step"$/);
    [freeBytes, cutsLeft] = [Infinity, Infinity];
    log.append({ step: 3, loss: 0.125 });
    log.close();
    assert.deepEqual(await readMetrics(path), [{ step: 1, loss: 0.5 }, { step: 3, loss: 0.125 }]);
  }));

Deno.test("MetricsLog drops lost steps from the end of a long log, wherever that begins", () =>
  withFolder(async (path) => {
    const log = await MetricsLog.open(path, 0);
    const lines: { step: number; text?: string }[] = [];
    const append = (line: { step: number; text?: string }) => {
      log.append(line);
      lines.push(line);
    };
    const text = "×".repeat(500);
    for (let step = 1; step <= 400; step++) append({ step, text });
    for (const back of [400, 399, 250, 247, 10, 0]) {
      log.dropAfter(back);
      const kept = lines.filter((line) => line.step <= back);
      lines.splice(0, lines.length, ...kept);
      assert.deepEqual(await readMetrics(path), lines);
      append({ step: back + 1, text });
      append({ step: back + 2, text });
      // Told of after later steps, as a checkpoint is.
      append({ step: back });
    }
    log.close();
    assert.deepEqual(await readMetrics(path), lines);
  }));
