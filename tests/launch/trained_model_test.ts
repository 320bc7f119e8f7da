import assert from "node:assert/strict";
import { saveCheckpoint } from "../../coordinator/checkpoint_folder.ts";
import type { JsonValue } from "../../coordinator/checkpoint_manifest.ts";
import { diskFileSystem } from "../../coordinator/file_system.ts";
import { defaultRun } from "../../launch/run_flags.ts";
import { openTrained } from "../../launch/trained_model.ts";
import { buildModel, findModel } from "../../models/build_model.ts";
import { readModuleSource } from "../../models/module_source.ts";
import { namedParameters } from "../../models/parameter_arrays.ts";

const root = new URL("../../", import.meta.url).pathname;
const example = `${root}examples/residual_convolution.ts`;
const warn = (sentence: string) => assert.fail(sentence);

/** A checkpoint as somebody hands it over, with a module that tells when it is run. */
async function withCheckpoint(
  body: (given: {
    folder: string;
    module: string;
    /** The module's hash. */
    sha256: string;
    hasRun(): boolean;
    save(change: Record<string, unknown>): Promise<void>;
  }) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    const module = `${folder}/mine.ts`;
    const mark = `${folder}/has-run`;
    const source = (await Deno.readTextFile(example)).replace("../mod.ts", `${root}mod.ts`);
    await Deno.writeTextFile(module, `Deno.writeTextFileSync("${mark}", "");\n${source}`);
    const { sha256 } = await readModuleSource(module);
    const model = { ...defaultRun.model, name: module };
    const frame = { frameShape: [16, 16, 1] } as const;
    const built = buildModel({ ...model, name: example }, frame, 3, await findModel(example));
    const count = built.parameters.reduce(
      (sum, { shape }) => sum + shape.reduce((size, side) => size * side, 1),
      0,
    );
    const dataset = {
      ...defaultRun.dataset,
      ...{ name: "bouncing-balls", sequenceFrames: 5, sequenceFramesMin: 5, options: { rows: 16 } },
    };
    await body({
      folder,
      module,
      sha256,
      hasRun() {
        try {
          Deno.removeSync(mark);
          return true;
        } catch {
          return false;
        }
      },
      async save(change) {
        await Deno.mkdir(`${folder}/checkpoints`, { recursive: true });
        const configuration = { ...defaultRun, windowFrames: 3, dataset, model, ...change };
        await saveCheckpoint(diskFileSystem, `${folder}/checkpoints`, {
          ...{ step: 1, epoch: 0, planStep: 1, metrics: {}, createdAt: "2026-01-02T03:04:05.000Z" },
          configuration: configuration as unknown as JsonValue,
          parameters: namedParameters(built, new Float32Array(count).fill(0.5)),
          ...{ optimizer: [], states: [] },
        }, { warn });
      },
    });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("a checkpoint has no code run: its module is named by the user, and is the run's", () =>
  withCheckpoint(async ({ folder, module, sha256, hasRun, save }) => {
    const open = (model?: string) => openTrained({ run: folder, engine: "wasm", model });
    const model = { ...defaultRun.model, name: module };
    const unnamed =
      /^Cannot open .*: its model is the module .*mine\.ts, .*, add --model .*mine\.ts$/;
    // Whoever hands over the folder may have written the right hash beside the module.
    for (const source of [undefined, sha256, "0".repeat(64)]) {
      await save({ model: source === undefined ? model : { ...model, source } });
      await assert.rejects(open(), { name: "UsageError", message: unnamed });
    }
    await assert.rejects(open(module), {
      name: "ModelError",
      message:
        `Cannot use --model ${module}: its source is not the one of the run, SHA-256 000000000000 ` +
        `then and ${sha256.slice(0, 12)} now; restore the file, or name with --model where it is`,
    });
    assert.equal(hasRun(), false);
    await save({ model: { ...model, source: sha256 } });
    const trained = await open(module);
    assert.equal(trained.model.name, "residual-convolution");
    trained.close();
    assert.equal(hasRun(), true);
    // The same source elsewhere is the run's all the same.
    await Deno.copyFile(module, `${folder}/moved.ts`);
    (await open(`${folder}/moved.ts`)).close();
    assert.equal(hasRun(), true);
  }));

Deno.test("of a checkpoint without a hash, the module that the user names is taken", () =>
  withCheckpoint(async ({ folder, module, hasRun, save }) => {
    await save({});
    const { error } = console;
    const told: string[] = [];
    console.error = (line: string) => told.push(line);
    try {
      (await openTrained({ run: folder, engine: "wasm", model: module })).close();
    } finally {
      console.error = error;
    }
    assert.equal(hasRun(), true);
    assert.match(
      told.join("\n"),
      /^Warning: .*step-000001 records no SHA-256 that .*mine\.ts could/m,
    );
  }));

Deno.test("openTrained follows no link out of the run's folder, to read nor to write", () =>
  withCheckpoint(async ({ folder, save }) => {
    await save({ model: defaultRun.model });
    const outside = await Deno.realPath(await Deno.makeTempDir());
    try {
      for (const place of ["predictions", "checkpoints/step-000009"]) {
        await Deno.symlink(outside, `${folder}/${place}`);
        for (const run of [folder, `${folder}/`, `${folder}/checkpoints/step-000001`]) {
          await assert.rejects(openTrained({ run, engine: "wasm" }), {
            name: "UsageError",
            message: `Cannot use run folder ${folder}: ${place} in it is a link to ${outside}, ` +
              "out of the folder; remove it, or put the file itself there",
          });
        }
        await Deno.remove(`${folder}/${place}`);
      }
    } finally {
      await Deno.remove(outside);
    }
  }));

Deno.test("a checkpoint whose configuration cannot be used is refused by path and field", () =>
  withCheckpoint(async ({ folder, save }) => {
    await save({ model: defaultRun.model, lanes: "12" });
    await assert.rejects(openTrained({ run: folder, engine: "wasm" }), {
      name: "ConfigurationError",
      message:
        /^Cannot open .*step-000001: it holds an unusable configuration\.lanes: expected an int/,
    });
  }));
