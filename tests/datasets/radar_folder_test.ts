/** Folders of radar files as people keep them: what belongs together is read, the rest is refused. */
import assert from "node:assert/strict";
import { DatasetError, type Split } from "../../datasets/dataset.ts";
import { openRecordedRadar, type RecordedRadarOptions } from "../../datasets/recorded_radar.ts";
import expected from "../fixtures/datasets/radar_contents/expected.json" with { type: "json" };
import { gzip, withFolder } from "./temporary_folder.ts";

type Files = Record<string, Uint8Array<ArrayBuffer> | string>;

const splits: readonly Split[] = ["train", "validation", "test"];
const fixture = (name: string) =>
  Deno.readFileSync(new URL(`../fixtures/datasets/radar_contents/${name}`, import.meta.url));

/** 4 x 2 pixels of a code, in FMI's layout. */
function fmi(
  code: number,
  comments: readonly string[] = ["param CorrectedReflectivity"],
): Uint8Array<ArrayBuffer> {
  const lines = comments.map((comment) => `# ${comment}\n`).join("");
  const header = new TextEncoder().encode(`P5\n${lines}4 2\n255\n`);
  return Uint8Array.from([...header, ...Array<number>(8).fill(code)]);
}

const valuesOf = (name: string) =>
  (expected as Record<string, readonly { values?: readonly (number | null)[] }[]>)[name][0].values!;
const valueOf = (code: number) => Math.fround((code / 2 - 32 + 10) / 70);

async function withRadar(
  files: Files,
  test: (
    open: (options?: Partial<RecordedRadarOptions>) => ReturnType<typeof openRecordedRadar>,
    folder: string,
  ) => Promise<void>,
): Promise<void> {
  await withFolder({}, async (folder) => {
    for (const [name, content] of Object.entries(files)) {
      const path = `${folder}/${name}`;
      await Deno.mkdir(path.slice(0, path.lastIndexOf("/")), { recursive: true });
      const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
      await Deno.writeFile(path, bytes);
    }
    await test(
      (options) =>
        openRecordedRadar({ path: folder, frameSize: 1, cacheBytesMax: 1e6, ...options }),
      folder,
    );
  });
}

/** The first pixel of each scan of the first tile's sequences. */
async function series(dataset: Awaited<ReturnType<typeof openRecordedRadar>>) {
  const entries = dataset.catalogue("train", 0);
  const values: number[][] = [];
  for (const [sequence, { id, frames }] of entries.entries()) {
    if (!id.endsWith("tile-0-0")) continue;
    values.push([
      ...await dataset.read({ split: "train", epoch: 0, sequence, offset: 0, frames }),
    ]);
  }
  dataset.close();
  return values;
}

async function assertRefused(opening: Promise<unknown>, ...parts: string[]): Promise<void> {
  await assert.rejects(opening, (error: Error) => {
    assert.ok(error instanceof DatasetError, `${error}`);
    for (const part of parts) assert.ok(error.message.includes(part), error.message);
    assert.doesNotMatch(error.message, /\n|\0|undefined/);
    return true;
  });
}

Deno.test("folders of years, months and days are walked in the order of time", async () => {
  const files: Files = {
    "2016/09/30/201609300000_a.pgm": fmi(104),
    "2016/09/29/201609292350_a.pgm.gz": await gzip(fmi(102)),
    "2016/09/29/201609292355_a.PGM": fmi(103),
    "2016/09/28.pgm/x.txt": "no composite",
    "2016/09/29/.201609292355_a.pgm": "left behind by a download",
    "2016/09/29/._201609292355_a.pgm": "left behind by macOS",
    "__MACOSX/2016/201609292355_a.pgm": "left behind by macOS",
    ".cache/201609292355_a.pgm": fmi(9),
  };
  await withRadar(files, async (open) => {
    assert.deepEqual(await series(await open()), [[102, 103, 104].map(valueOf)]);
  });
});

Deno.test("links to folders are followed, each folder once", async () => {
  await withRadar({ "a/202001011200.pgm": fmi(101) }, async (open, folder) => {
    await withRadar({ "202001011205.pgm": fmi(102) }, async (_, other) => {
      await Deno.symlink(other, `${folder}/b`);
      await Deno.symlink(folder, `${folder}/a/loop`);
      assert.deepEqual(await series(await open()), [[101, 102].map(valueOf)]);
    });
  });
});

Deno.test("the time comes from the name, else from the file, else from the folders", async () => {
  const told = (minute: string) => ["param DBZH", `obstime 2020010112${minute}`];
  const files: Files = {
    // The name is believed where both say a time, and this is told.
    "202001011200.pgm": fmi(101, told("59")),
    "b.pgm": fmi(102, told("05")),
    "20200101/20200101/c.pgm": fmi(103, told("10")),
    "2020/01/01/1215.pgm": fmi(104, ["param DBZH"]),
    "202001011100_202001011220.pgm": fmi(105, told("20")),
  };
  await withRadar(files, async (open, folder) => {
    const dataset = await open();
    assert.match(
      dataset.description,
      /1 files say another time than their names, which are believed, e\.g\. ".*1200\.pgm" 2020-01-01T12:59/,
    );
    assert.deepEqual(await series(dataset), [[101, 102, 103, 104, 105].map(valueOf)]);
    await Deno.writeFile(`${folder}/e.pgm`, fmi(1, ["param DBZH"]));
    await assertRefused(open(), "e.pgm", "expected YYYYMMDDHHMM");
    await Deno.rename(`${folder}/e.pgm`, `${folder}/202001011100_202001011225.pgm`);
    await assertRefused(open(), "_202001011225.pgm", "its name holds 2 times");
  });
});

Deno.test("a time that a broken file would have to tell is left out with it", async () => {
  const files: Files = {
    "202001011200.pgm": fmi(101),
    "202001011205.pgm": fmi(102),
    "c.pgm": "P6",
  };
  await withRadar(files, async (open) => {
    await assertRefused(open(), "c.pgm", "magic number");
    const dataset = await open({ onBadFile: "skip" });
    assert.match(dataset.description, /left out 1 file .*c\.pgm/);
    assert.deepEqual(await series(dataset), [[101, 102].map(valueOf)]);
  });
});

Deno.test("files of one time that hold the same are one, under the plain name, and told", async () => {
  const files: Files = {
    "202001011200.pgm": fmi(101),
    "202001011205.pgm": fmi(102),
    "202001011205 (1).pgm": fmi(102),
    "202001011205.pgm.gz": await gzip(fmi(102)),
    "old/202001011210.pgm": fmi(103),
    "202001011210.pgm": fmi(103),
  };
  await withRadar(files, async (open) => {
    const dataset = await open();
    assert.match(
      dataset.description,
      /left out 3 files that repeat another, e\.g\. ".*05\.pgm\.gz" is ".*1205\.pgm" again/,
    );
    assert.match(dataset.description, / 3 scans every 5 min/);
    assert.deepEqual(await series(dataset), [[101, 102, 103].map(valueOf)]);
  });
});

Deno.test("files of one time that differ are refused by both names, or chosen by a pattern", async () => {
  const files: Files = {
    "202001011200_a.pgm": fmi(101),
    "202001011205_a.pgm": fmi(102),
    "202001011205_b.pgm": fmi(103),
    "more/202001011210_a.pgm": fmi(104),
  };
  await withRadar(files, async (open) => {
    await assertRefused(
      open(),
      '1205_a.pgm" and "',
      '1205_b.pgm" to take for 2020-01-01T12:05 UTC: of the second, 8 of 8 pixels are others',
      "files=PATTERN",
    );
    assert.deepEqual(await series(await open({ files: "*_a.pgm" })), [
      [101, 102, 104].map(valueOf),
    ]);
    assert.deepEqual(await series(await open({ files: "????????????_a.*" })), [
      [101, 102, 104].map(valueOf),
    ]);
    await assertRefused(open({ files: "more/*" }), "holds 1 composite");
    await assertRefused(open({ files: "[a]*" }), "none of its 0 of 4 files that fit files=[a]*");
  });
});

Deno.test("HDF5 composites are known by all endings that archives give them", async () => {
  const names = [
    ...["202001011200.h5", "a_202001011205.HDF", "OPERA@20200101T1210@0@DBZH.h5"],
    ...["composite_hx_20200101_1215-hd5", "rad_20200101-1220.hd5", "202001011225.hdf5"],
    "202001011230.h5.gz",
  ];
  const bytes = fixture("odim_u2.h5");
  const contents = await Promise.all(
    names.map((name) => name.endsWith(".gz") ? gzip(bytes) : bytes),
  );
  const files = Object.fromEntries(names.map((name, i) => [name, contents[i]]));
  await withRadar(files, async (open) => {
    const dataset = await open();
    assert.match(
      dataset.description,
      / 7 scans every 5 min from 2020-01-01T12:00 to 2020-01-01T12:30/,
    );
    dataset.close();
  });
});

Deno.test("composites of one time make no sequence, however many", async () => {
  await withRadar(
    { "a/202001011200.pgm": fmi(101), "202001011200.pgm": fmi(101) },
    async (open) => {
      await assertRefused(open(), "its 2 composites are of 1 time, at least 2 are needed");
    },
  );
  await withRadar({ "a/202001011200.pgm": "P5", "202001011200.pgm": "P5" }, async (open) => {
    await assertRefused(open({ onBadFile: "skip" }), "its 2 composites are of 0 times");
  });
});

Deno.test("an HDF5 file of no known layout is told from KNMI's and ODIM's", async () => {
  const vil = new URL("../fixtures/datasets/sevir_kinds/vil_u1.h5", import.meta.url);
  const bytes = Deno.readFileSync(vil);
  await withRadar({ "202001011200.h5": bytes, "202001011205.h5": bytes }, async (open) => {
    await assertRefused(open(), "laid out neither as ODIM", "found id, vil");
  });
});

Deno.test("a broken file of a time that has a sound one is left out where asked to", async () => {
  const files: Files = {
    "202001011200.pgm": fmi(101),
    "202001011205.pgm": fmi(102),
    "202001011205.pgm.gz": (await gzip(fmi(102))).slice(0, 20),
  };
  await withRadar(files, async (open) => {
    await assertRefused(open(), "1205.pgm.gz", "truncated or broken");
    assert.deepEqual(await series(await open({ onBadFile: "skip" })), [[101, 102].map(valueOf)]);
  });
});

for (
  const [what, other, ...parts] of [
    [
      "product",
      fmi(9, ["producttype PPI", "param CorrectedReflectivity"]),
      "it holds CorrectedReflectivity (PPI) of FMI, but",
    ],
    ["quantity", fmi(9, ["param DBZH"]), "it holds DBZH of FMI, but"],
    [
      "area",
      fmi(9, ["param CorrectedReflectivity", "bottomleft 18.6 57.9", "topright 35 70"]),
      "its corners lie at 18.6, 57.9, 35, 70, but those of",
    ],
  ] as const
) {
  Deno.test(`a file of another ${what} is refused by both names`, async () => {
    const first = fmi(8, ["param CorrectedReflectivity", "bottomleft 20 60", "topright 30 65"]);
    const files = { "202001011200.pgm": first, "202001011205.pgm": other };
    await withRadar(files, async (open) => {
      const names = ["202001011200.pgm", "202001011205.pgm"];
      await assertRefused(open(), ...names, ...parts, "put them into folders of their own");
    });
    // The same at one time.
    await withRadar({ ...files, "202001011200_b.pgm": other }, async (open) => {
      await assertRefused(open(), "202001011200.pgm", "202001011200_b.pgm", ...parts);
    });
  });
}

Deno.test("sums of other periods and files of other relations do not belong together", async () => {
  const odim = { "202001011200.h5": fixture("odim_u2.h5") };
  await withRadar({ ...odim, "202001011205.h5": fixture("odim_zr_root.h5") }, async (open) => {
    await assertRefused(open(), "its relation is Z = 316 R^1.5, but that of", "Z = 200 R^1.6");
  });
  const files = {
    "202001011200.h5": fixture("knmi_sum_5min.h5"),
    "202001011205.h5": fixture("knmi_sum_5min.h5"),
    "202001011210.h5": fixture("knmi_sum_hour.h5"),
  };
  await withRadar(files, async (open) => {
    await assertRefused(open(), "ACCUMULATION_[MM] in 60 min", "PRECIP_[MM] in 5 min");
  });
});

Deno.test("corners that differ by rounding are one grid", async () => {
  const at = (longitude: number) =>
    fmi(104, ["param DBZH", `bottomleft ${longitude} 60`, "topright 30 65"]);
  await withRadar({ "202001011200.pgm": at(20), "202001011205.pgm": at(20.004) }, async (open) => {
    assert.deepEqual(await series(await open()), [[104, 104].map(valueOf)]);
  });
});

Deno.test("each file's values are made with its own gain", async () => {
  const names = ["knmi_sum_5min.h5", "knmi_formula_0.h5", "knmi_formula_1.h5"];
  const files = Object.fromEntries(
    names.map((name, scan) => [`2024010112${10 + 5 * scan}.h5`, fixture(name)]),
  );
  await withRadar(files, async (open) => {
    const dataset = await open();
    for (const split of splits) {
      for (const [sequence, { id, frames }] of dataset.catalogue(split, 0).entries()) {
        const read = await dataset.read({ split, epoch: 0, sequence, offset: 0, frames });
        const [row, column] = id.slice(-3).split("-").map(Number);
        assert.equal(frames, 3);
        names.forEach((name, scan) => {
          const wanted = valuesOf(name)[row * 4 + column]!;
          assert.ok(Math.abs(read[scan] - wanted) < 1e-6, `${id} ${name}: ${read[scan]}`);
        });
      }
    }
    dataset.close();
  });
});

Deno.test("whole composites are read with their own gain, too", async () => {
  const names = ["knmi_sum_5min.h5", "knmi_formula_0.h5", "knmi_formula_1.h5", "knmi_sum_5min.h5"];
  const files = Object.fromEntries(
    names.map((name, scan) => [`2024010112${10 + 5 * scan}.h5`, fixture(name)]),
  );
  await withRadar(files, async (open) => {
    const dataset = await open({ split: "time", validationScans: 1, testScans: 1 });
    for (const [scan, name] of names.entries()) {
      const read = await dataset.composites!.read(scan);
      valuesOf(name).forEach((wanted, i) => {
        const near = wanted === null ? Number.isNaN(read[i]) : Math.abs(read[i] - wanted) < 1e-6;
        assert.ok(near, `${name} ${i}: ${read[i]}, not ${wanted}`);
      });
    }
    dataset.close();
  });
});

Deno.test("an archive is named, with what to do; scans without a neighbour are counted", async () => {
  for (const archive of ["20160928.tar", "2016.tar.gz", "a/radar.ZIP", "x.tgz"]) {
    await withRadar({ [archive]: "x" }, async (open) => {
      await assertRefused(open(), `"${archive}" is an archive: unpack it`);
    });
  }
  const files = Object.fromEntries(
    ["1200", "1205", "1210", "1230", "1300"].map((time) => [`20200101${time}.pgm`, fmi(100)]),
  );
  await withRadar(files, async (open) => {
    const dataset = await open();
    assert.match(dataset.description, /in no sequence are 2 scans without a neighbour in time/);
    dataset.close();
  });
});
