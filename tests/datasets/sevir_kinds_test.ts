/** SEVIR's files and catalogues of many kinds, against NumPy's values of the same files. */
import assert from "node:assert/strict";
import { DatasetError, type Split } from "../../datasets/dataset.ts";
import { readSevirCatalogue } from "../../datasets/sevir_catalogue.ts";
import { openSevir, type SevirOptions } from "../../datasets/sevir.ts";
import expected from "../fixtures/datasets/sevir_kinds/expected.json" with { type: "json" };
import { withFolder } from "./temporary_folder.ts";

interface Expected {
  readonly layout: "NHWT" | "NTHW" | null;
  readonly refused?: string;
  readonly frames?: number;
  /** Values of the second event; null is missing. */
  readonly values?: readonly (number | null)[];
}

const fixture = (name: string) =>
  Deno.readFileSync(new URL(`../fixtures/datasets/sevir_kinds/${name}`, import.meta.url));
const names = ["S700000", "S700001", "S700002", "S700003", "S700004", "S700005"];
const splits: readonly Split[] = ["train", "validation", "test"];

type Files = Parameters<typeof withFolder>[0];

async function withSevir(
  files: Files,
  test: (
    open: (options?: Partial<SevirOptions>) => ReturnType<typeof openSevir>,
    folder: string,
  ) => Promise<void>,
): Promise<void> {
  await withFolder(files, async (folder) => {
    const base = { path: folder, frameSize: [6, 6] } as const;
    await test((options) => openSevir({ ...base, ...options }), folder);
  });
}

const idsOf = (dataset: Awaited<ReturnType<typeof openSevir>>) => {
  dataset.close();
  return splits.map((split) => dataset.catalogue(split, 0).map(({ id }) => id.slice(6)));
};

async function assertRefused(opening: Promise<unknown>, ...parts: string[]): Promise<void> {
  await assert.rejects(opening, (error: Error) => {
    assert.ok(error instanceof DatasetError, `${error}`);
    for (const part of parts) assert.ok(error.message.includes(part), error.message);
    assert.doesNotMatch(error.message, /\n|undefined/);
    return true;
  });
}

for (const [name, wanted] of Object.entries(expected as Record<string, Expected>)) {
  Deno.test(`openSevir() reads ${name} as NumPy does, or says why not`, async () => {
    await withSevir({ [name]: fixture(name) }, async (open) => {
      const layout = wanted.layout ?? undefined;
      const columns = name.includes("oblong") ? 5 : 6;
      const opening = open({ layout, frameSize: [6, columns] });
      if (wanted.refused !== undefined) return await assertRefused(opening, name, wanted.refused);
      const dataset = await opening;
      const frames = wanted.frames!;
      assert.equal(dataset.catalogue("train", 0)[1].frames, frames);
      const read = await dataset.read({
        ...{ split: "train", epoch: 0, sequence: 1, offset: 0, frames },
      });
      wanted.values!.forEach((value, i) => {
        const near = value === null ? Number.isNaN(read[i]) : Math.abs(read[i] - value) < 1e-6;
        assert.ok(near, `value ${i}: ${read[i]}, not ${value}`);
      });
      const last = await dataset.read({
        ...{ split: "train", epoch: 0, sequence: 1, offset: frames - 1, frames: 1 },
      });
      assert.deepEqual(last, read.slice(-last.length));
      dataset.close();
    });
  });
}

const vil = { "vil.h5": fixture("vil_u1.h5") };
const times = [
  ...["2018-05-01 12:00:00", "2018-12-31 23:59:59", "2019-01-01 00:00:00"],
  ...["2019-05-31 23:59:59", "2019-06-01 00:00:00", "2019-07-01 00:00:00"],
];
const published = [names.slice(0, 2), names.slice(2, 4), names.slice(4)];
const table = (
  header: string,
  line: (id: string, time: string, index: number) => string,
  end = "\n",
) => [header, ...names.map((id, i) => line(id, times[i], i))].map((each) => each + end).join("");
const plain = (id: string, time: string, _index?: number) => `${id},x.h5,vil,${time}`;
const header = "id,file_name,img_type,time_utc";

for (
  const [what, catalogue] of [
    ["plain", table(header, plain)],
    ["a byte order mark", `\ufeff${table(header, plain)}`],
    ["carriage returns", table(header, plain, "\r\n")],
    ["empty lines", table(header, plain, "\n\n")],
    [
      "a comma in quotes before",
      table(`event_type,${header}`, (...a) => `"Wind, Hail",${plain(...a)}`),
    ],
    [
      "a line's end in quotes",
      table(`note,${header}`, (...a) => `"say ""hail""\nat noon",${plain(...a)}`),
    ],
    ["a quote within a field", table(`note,${header}`, (...a) => `5" hail,${plain(...a)}`)],
    ["every field in quotes", table(header, (id, time) => `"${id}","x.h5","vil","${time}"`)],
    ["spaces around", table("id , img_type, time_utc", (id, time) => `${id} , vil, ${time}`)],
    ["a time zone", table(header, (id, time) => plain(id, `${time}+00:00`))],
    ["T and Z", table(header, (id, time) => plain(id, `${time.replace(" ", "T")}Z`))],
    ["fractions of seconds", table(header, (id, time) => plain(id, `${time}.000000`))],
    [
      "another zone",
      table(header, (id, time) => {
        const ahead = new Date(Date.parse(`${time}Z`) + 90 * 60_000).toISOString();
        return plain(id, `${ahead.slice(0, 19)}+0130`);
      }),
    ],
    ["lines of other images", table(header, (id, time) => `${plain(id, time)}\n${id},x,vis,odd`)],
    ["lines twice", table(header, (id, time) => `${plain(id, time)}\n${plain(id, time)}`)],
    ["VIL in capitals", table(header, (id, time) => `${id},x.h5,VIL,${time}`)],
    [
      "places in files that settle names",
      table(
        `${header},file_index`,
        (id, time, index) =>
          `${id},vil/2018/vil.h5,vil,${time},${index}\n${id},elsewhere.h5,vil,2020-01-01,${index}`,
      ),
    ],
  ]
) {
  Deno.test(`readSevirCatalogue() reads one with ${what}`, async () => {
    await withFolder({ "CATALOG.csv": catalogue }, async (folder) => {
      const { timeOf } = await readSevirCatalogue(`${folder}/CATALOG.csv`);
      names.forEach((id, i) => {
        const milliseconds = Date.parse(`${times[i].replace(" ", "T")}Z`);
        assert.deepEqual(timeOf(id, "data/vil.h5", i), { milliseconds });
      });
      assert.deepEqual(timeOf("S7", "data/vil.h5", 6), { unknown: true });
    });
  });
}

Deno.test("openSevir() splits by the times of the catalogue", async () => {
  await withSevir({ ...vil, "CATALOG.csv": table(header, plain) }, async (open) => {
    assert.deepEqual(idsOf(await open()), published);
  });
});

for (
  const [what, catalogue, ...parts] of [
    ["no columns", "id,file_name\n", "columns id, img_type, time_utc", "found id, file_name"],
    ["nothing", "", "found none"],
    ["a date of words", `${header}\n${plain(names[0], "May 1 2018")}`, "line 2", "May 1 2018"],
    ["a date that is none", `${header}\n${plain(names[0], "2018-02-30 10:00:00")}`, "line 2"],
    ["no name", `${header}\n${plain("", times[0])}`, 'line 2 has no id and time_utc, found ""'],
    ["an open quote", `${header}\n"S700000,x`, "it is no CSV table"],
    ["no time at all", `${header}\n${plain("other", times[0])}`, "any of the 6 events", names[0]],
    [
      "two times of an event",
      `${table(header, plain)}${plain(names[2], times[5])}\n`,
      `when event "${names[2]}" was`,
      `${times[2]} in line 4 and ${times[5]} in line 8`,
    ],
  ]
) {
  Deno.test(`openSevir() refuses a catalogue with ${what}`, async () => {
    await withSevir({ ...vil, "CATALOG.csv": catalogue }, async (open) => {
      await assertRefused(open(), "CATALOG.csv", ...parts);
    });
  });
}

Deno.test("openSevir() leaves out events without a time, and says how many", async () => {
  const some = ["", "NaT", "nan"].map((time, i) => plain(names[3 + i], time));
  const catalogue = [...table(header, plain).split("\n").slice(0, 4), ...some].join("\n");
  await withSevir({ ...vil, "catalog.CSV": catalogue }, async (open) => {
    const dataset = await open();
    assert.match(dataset.description, /left out 3 events of which .* has no time, e\.g\. S700003/);
    assert.deepEqual(idsOf(dataset), [names.slice(0, 2), names.slice(2, 3), []]);
  });
});

Deno.test("openSevir() refuses two catalogues, by both names", async () => {
  await withSevir(
    { ...vil, "CATALOG.csv": table(header, plain), "Catalog.csv": table(header, plain) },
    async (open) => {
      await assertRefused(open(), "CATALOG.csv", "Catalog.csv", "keep one");
    },
  );
});

Deno.test("openSevir() takes an event once that is there twice with the same pixels", async () => {
  await withSevir({ "vil.h5": fixture("vil_repeated.h5") }, async (open) => {
    const dataset = await open();
    assert.match(dataset.description, /left out 1 repeated event, e\.g\. S700002/);
    assert.deepEqual(idsOf(dataset).flat(), names.filter((name) => name !== "S700003"));
  });
  await withSevir({ ...vil, "vil copy.h5": vil["vil.h5"] }, async (open) => {
    assert.deepEqual(idsOf(await open()).flat(), names);
  });
});

Deno.test("openSevir() refuses an event that is there twice with other pixels or times", async () => {
  const ambiguous = { "vil.h5": fixture("vil_ambiguous.h5") };
  await withSevir(ambiguous, async (open) => {
    await assertRefused(
      open(),
      'event "S700002"',
      'number 2 of "',
      'number 3 of "',
      "other pixels",
    );
    const dataset = await open({ onBadFile: "skip" });
    assert.match(dataset.description, /left out 1 file or event that cannot be used, .*S700002/);
    assert.deepEqual(idsOf(dataset).flat(), ["S700000", "S700001", "S700004", "S700005"]);
  });
  // The same pixels at two places with two times.
  const catalogue = table(
    `${header},file_index`,
    (id, time, index) => `${index === 3 ? names[2] : id},vil.h5,vil,${time},${index}`,
  );
  const files = { "vil.h5": fixture("vil_repeated.h5"), "CATALOG.csv": catalogue };
  await withSevir(files, async (open) => {
    await assertRefused(open(), 'event "S700002"', "other times");
  });
});

Deno.test("openSevir() finds broken events and files before training, or leaves them out", async () => {
  const damaged = fixture("vil_damaged.h5");
  const files = { "vil_1.h5": damaged, "vil_2.h5": damaged.slice(0, damaged.length / 2) };
  await withSevir(files, async (open, folder) => {
    await assertRefused(open(), "vil_2.h5", "truncated");
    const dataset = await open({ onBadFile: "skip" });
    assert.match(dataset.description, /left out 2 files or events .*vil_2\.h5.*truncated/);
    assert.deepEqual(idsOf(dataset).flat(), names.filter((name) => name !== "S700002"));
    await Deno.remove(`${folder}/vil_2.h5`);
    await assertRefused(open(), "vil_1.h5", "filter returned failure");
    await Deno.rename(`${folder}/vil_1.h5`, `${folder}/data.h5`);
    await assertRefused(open({ onBadFile: "skip" }), 'no file of "vil"');
  });
  await withSevir({ "vil.h5": damaged.slice(0, 1000) }, async (open) => {
    await assertRefused(open({ onBadFile: "skip" }), "Cannot use any event of 1 files");
  });
});

Deno.test("an event that is found broken later stops, or is missing where asked to", async () => {
  await withSevir({ "vil.h5": fixture("vil_damaged.h5") }, async (open, folder) => {
    const request = { split: "train", epoch: 0, sequence: 2, offset: 1, frames: 2 } as const;
    const stops = await open({ checkedBytesMax: 0 });
    await assertRefused(stops.read(request), 'Cannot read event 2 of "', "filter returned failure");
    stops.close();
    const skips = await open({ checkedBytesMax: 0, onBadFile: "skip" });
    assert.match(skips.description, /an event that turns out to be broken counts as missing/);
    assert.ok(skips.hasMissing);
    const read = await skips.read(request);
    assert.equal(read.length, 2 * 36);
    assert.ok(read.every(Number.isNaN));
    assert.ok((await skips.read({ ...request, sequence: 1 })).every((value) => value >= 0));
    // Nor is a file missing data that the disk no longer gives, or that is another one now.
    await Deno.rename(`${folder}/vil.h5`, `${folder}/away`);
    await assertRefused(skips.read(request), "vil.h5", "no such file");
    await Deno.writeFile(`${folder}/vil.h5`, fixture("vil_damaged.h5").slice(0, 1000));
    await assertRefused(skips.read(request), "vil.h5");
    skips.close();
    // No fault of the file.
    await assertRefused(skips.read(request), "the dataset is closed");
  });
});

Deno.test("openSevir() passes over what archives and hidden folders leave behind", async () => {
  await withSevir(vil, async (open, folder) => {
    await Deno.mkdir(`${folder}/__MACOSX/vil`, { recursive: true });
    await Deno.writeTextFile(`${folder}/__MACOSX/vil/vil.h5`, "x");
    await Deno.writeTextFile(`${folder}/._vil.h5`, "x");
    await Deno.writeTextFile(`${folder}/.CATALOG.csv`, "x");
    assert.deepEqual(idsOf(await open()).flat(), names);
  });
});
