import assert from "node:assert/strict";
import {
  type Journal,
  type JournalDisk,
  type JournalEntry,
  openJournal,
} from "../../coordinator/journal.ts";
import { random } from "../../net/random.ts";

/** A file in memory, of which a crash may lose what was not synced. */
class MemoryDisk implements JournalDisk {
  bytes: number[] = [];
  synced = 0;
  /** Most that one write takes. */
  writeBytesMax = Infinity;

  read(): Uint8Array | undefined {
    return this.bytes.length === 0 ? undefined : Uint8Array.from(this.bytes);
  }

  open(_path: string, bytes: number) {
    this.bytes.length = bytes;
    return {
      writeSync: (data: Uint8Array) => {
        const part = data.subarray(0, this.writeBytesMax);
        this.bytes.push(...part);
        return part.length;
      },
      syncSync: () => void (this.synced = this.bytes.length),
      close() {},
    };
  }

  /** Keeps what was synced, and any part of what was written after it. */
  crash(keep: number): void {
    this.bytes.length = this.synced + Math.floor(keep * (this.bytes.length - this.synced + 1));
    this.synced = this.bytes.length;
  }
}

function entry(generation: number): JournalEntry {
  return { generation, members: ["wörker-0", "w1"], step: 10 * generation, restarts: 3 };
}

function next(journal: Journal): number {
  const generation = journal.generation + 1;
  journal.append(entry(generation));
  assert.equal(journal.generation, generation);
  return generation;
}

Deno.test("openJournal on disk goes on where the last one ended", async () => {
  const folder = await Deno.makeTempDir();
  const path = `${folder}/journal.jsonl`;
  try {
    const first = openJournal(path);
    assert.equal(first.generation, 0);
    first.append(entry(1));
    first.append(entry(2));
    first.close();
    await Deno.writeTextFile(path, '{"generation":3,"mem', { append: true });
    const second = openJournal(path);
    assert.ok(second.generation >= 2);
    const generation = next(second);
    second.close();
    const lines = (await Deno.readTextFile(path)).split("\n");
    assert.deepEqual(lines.map((line) => line && JSON.parse(line)), [
      entry(1),
      entry(2),
      entry(generation),
      "",
    ]);
    assert.equal(openAndClose(path), generation);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("openJournal takes what was written down before the first generation", () => {
  const disk = new MemoryDisk();
  const first = openJournal("j", disk);
  first.append({ generation: 0, members: [], step: 0, restarts: 1, dropped: "it lied" });
  first.close();
  const second = openJournal("j", disk);
  assert.deepEqual([second.generation, second.members, second.restarts], [0, [], 1]);
  assert.equal(next(second), 1);
  second.close();
  assert.equal(openJournal("j", disk).generation, 1);
});

function openAndClose(path: string): number {
  const journal = openJournal(path);
  journal.close();
  return journal.generation;
}

Deno.test("openJournal never gives a number twice, wherever a line is torn", () => {
  for (let seed = 0; seed < 200; seed++) {
    const draw = random("journal", seed);
    const disk = new MemoryDisk();
    disk.writeBytesMax = 1 + draw.integer(30);
    const given = new Set<number>();
    for (let life = 0; life < 5; life++) {
      const journal = openJournal("journal", disk);
      for (let count = draw.integer(4); count > 0; count--) {
        const generation = next(journal);
        assert.ok(!given.has(generation), `seed ${seed}: ${generation} twice`);
        given.add(generation);
      }
      // The machine goes down while a line is written, of which any part may be there.
      const line = new TextEncoder().encode(JSON.stringify(entry(journal.generation + 1)) + "\n");
      disk.bytes.push(...line.map((byte) => draw.uniform() < 0.05 ? 0 : byte));
      disk.crash(draw.uniform());
    }
  }
});

Deno.test("a journal's entry is on disk when append returns", () => {
  const disk = new MemoryDisk();
  const journal = openJournal("journal", disk);
  journal.append(entry(1));
  disk.crash(0);
  assert.equal(openJournal("journal", disk).generation, 1);
});

Deno.test("openJournal knows who took part last and how often workers were lost", () => {
  const disk = new MemoryDisk();
  const read = () => {
    const { generation, members, restarts } = openJournal("journal", disk);
    return { generation, members, restarts };
  };
  assert.deepEqual(read(), { generation: 0, members: [], restarts: 0 });
  const journal = openJournal("journal", disk);
  journal.append({ ...entry(1), restarts: 0 });
  journal.append({ generation: 2, members: ["w1"], step: 7, restarts: 1 });
  assert.deepEqual([journal.members, journal.restarts], [["w1"], 1]);
  assert.deepEqual(read(), { generation: 2, members: ["w1"], restarts: 1 });
  disk.bytes.push(...new TextEncoder().encode('{"generation":3,"members":["w0"'));
  assert.deepEqual(read(), { generation: 3, members: ["w1"], restarts: 1 });
  // Written by a version that did not count.
  disk.bytes = [...new TextEncoder().encode('{"generation":5,"members":["w0"],"step":1}\n')];
  assert.deepEqual(read(), { generation: 5, members: ["w0"], restarts: 0 });
});

Deno.test("openJournal knows what became known between two generations", () => {
  const disk = new MemoryDisk();
  const journal = openJournal("journal", disk);
  const read = () => {
    const { generation, restarts, skippedSteps } = openJournal("journal", disk);
    assert.deepEqual([journal.restarts, journal.skippedSteps], [restarts, skippedSteps]);
    return { generation, restarts, skippedSteps };
  };
  const write = (generation: number, step: number, restarts: number, skipped?: number) =>
    journal.append({ generation, members: ["w0"], step, restarts, skipped });
  write(1, 0, 0);
  for (const step of [12, 25, 29, 29]) write(1, 0, 0, step);
  assert.deepEqual(read(), { generation: 1, restarts: 0, skippedSteps: [12, 25, 29] });
  // It went back to step 25, where too few were left, and comes to step 29 once more.
  write(2, 25, 1);
  write(2, 25, 2);
  assert.deepEqual(read(), { generation: 2, restarts: 2, skippedSteps: [12, 25] });
  write(2, 25, 2, 29);
  assert.deepEqual(read(), { generation: 2, restarts: 2, skippedSteps: [12, 25, 29] });
  disk.bytes.push(...new TextEncoder().encode('{"generation":2,"members":["w0"'));
  assert.deepEqual(openJournal("journal", disk).skippedSteps, [12, 25, 29]);
});

Deno.test("openJournal does not guess where an earlier line is damaged", () => {
  for (const damaged of ["garbage", "2", '{"generation":', "\u0000\u0000", ""]) {
    const disk = new MemoryDisk();
    const lines = [JSON.stringify(entry(1)), damaged, JSON.stringify(entry(3)), ""];
    disk.bytes = [...new TextEncoder().encode(lines.join("\n"))];
    assert.throws(() => openJournal("runs/a/journal.jsonl", disk), {
      message: "Cannot go on from runs/a/journal.jsonl: line 2 is damaged; move the file away " +
        "once no worker of this run is left",
    });
  }
});

Deno.test("openJournal refuses numbers that no coordinator writes, and names line and field", () => {
  const impossible: readonly [line: string, why: string][] = [
    ['{"generation":"2"}', "generation: expected an integer"],
    ['{"members":[]}', "generation: expected an integer"],
    ['{"generation":1e308}', "generation: expected an integer"],
    ['{"generation":1e15}', "generation: expected an integer from 1 to 1099511627776"],
    ['{"generation":-1}', "generation: expected an integer from 1"],
    ['{"generation":2,"step":-1}', "step: expected an integer from 0"],
    ['{"generation":2,"step":1e12,"restarts":2.5}', "restarts: expected an integer"],
    ['{"generation":2,"restarts":1e300}', "restarts: expected an integer"],
    ['{"generation":2,"skipped":-3}', "skipped: expected an integer from 0"],
    ['{"generation":2,"step":null}', "step: expected an integer"],
    ['{"generation":2,"members":["w0","w1","w0"]}', 'members: "w0" stands twice'],
    ['{"generation":2,"members":[7]}', "members\\[0\\]: expected a string"],
    ['{"generation":2,"members":"w0"}', "members: expected a list"],
  ];
  for (const [line, why] of impossible) {
    // In the middle and at the end: a line that is whole was not torn.
    for (const rest of [[JSON.stringify(entry(3)), ""], [""]]) {
      const disk = new MemoryDisk();
      const lines = [JSON.stringify(entry(1)), line, ...rest];
      disk.bytes = [...new TextEncoder().encode(lines.join("\n"))];
      const before = [...disk.bytes];
      assert.throws(() => openJournal("runs/a/journal.jsonl", disk), (error: Error) => {
        const start =
          "^Cannot go on from runs/a/journal\\.jsonl: line 2 is no line of a coordinator: ";
        assert.match(error.message, new RegExp(start + why));
        assert.match(error.message, /; move the file away once no worker of this run is left$/);
        return true;
      });
      assert.deepEqual(disk.bytes, before, "a refused journal is left as it was");
    }
  }
  const disk = new MemoryDisk();
  const lines = [entry(1), entry(4), entry(3)].map((each) => JSON.stringify(each) + "\n");
  disk.bytes = [...new TextEncoder().encode(lines.join(""))];
  assert.throws(() => openJournal("j", disk), /line 3 is no line .*: generation: .* from 4 to/);
});
