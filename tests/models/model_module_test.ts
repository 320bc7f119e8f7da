import assert from "node:assert/strict";
import { buildModel, findModel } from "../../models/build_model.ts";
import { readModuleSource } from "../../models/module_source.ts";
import { defaultRun } from "../../launch/run_flags.ts";

const root = new URL("../../", import.meta.url).pathname;

async function inFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function build(name: string, options = {}) {
  const configuration = { ...defaultRun.model, name, options };
  return buildModel(configuration, { frameShape: [4, 5, 1] }, 3, await findModel(name));
}

Deno.test("a module's default export builds a model, with the options that it declares", async () => {
  const example = `${root}examples/residual_convolution.ts`;
  const shapes = async (options = {}) =>
    (await build(example, options)).parameters.map(({ shape }) => shape.join());
  assert.deepEqual(await shapes(), ["3,3,1,8", "8", "3,3,8,1", "1"]);
  assert.deepEqual(await shapes({ features: 5 }), ["3,3,1,5", "5", "3,3,5,1", "1"]);
  await assert.rejects(build(example, { feature: 5 }), { name: "OptionError" });
  const { sourceSha256 } = await findModel(example);
  assert.match(sourceSha256!, /^[0-9a-f]{64}$/);
});

Deno.test("what is no model is told in a sentence", async () => {
  await inFolder(async (folder) => {
    const whole = `{
      name: "m", frameShape: [4, 5, 1], outputShape: [2], parameters: [{ name: "a", shape: [2] }],
      state: [], window: { frames: 3, advance: 3, predictions: 1, carriesState: false },
      initialize() {}, apply() {}, targets() {},
    }`;
    const cases: [source: string, told: RegExp][] = [
      ["export const model = 1;", /^Cannot use --model .*0\.ts: it has no default export that is/],
      ["export default () => 3;", /what it builds is number, not a model; see models\/model\.ts$/],
      ["export default () => ({});", /what it builds has no function initialize; /],
      ["export const options = 3; export default () => 1;", /"options" must be a list of \{ name/],
      ["export default (", /^Cannot load --model .*4\.ts: /],
      ["throw new Error('no GPU');", /^Cannot load --model .*5\.ts: no GPU$/],
      [`export default () => (${whole.replace("[2],", "[2.5],")});`, /no outputShape of whole/],
      [`export default () => (${whole.replace("[{", "[{ }, {")});`, /parameters without a name/],
      [`export default () => (${whole.replace("s: 1,", "s: 4,")});`, /no more predictions than/],
      [
        'import "./gone.ts";',
        /^Cannot read --model .*gone\.ts, which .*9\.ts imports: no such file$/,
      ],
      [
        `export default () => (${
          whole.replace("state", 'noise: [{ name: "c", shape: [1], distribution: "coin" }], state')
        });`,
        /noise "c" that is a coin without a function chance/,
      ],
      [
        "export default () => { throw new Error('oops'); };",
        /^Cannot build --model .*11\.ts: oops$/,
      ],
    ];
    for (const [index, [source, message]] of cases.entries()) {
      const path = `${folder}/${index}.ts`;
      await Deno.writeTextFile(path, source);
      await assert.rejects(build(path), { name: "ModelError", message });
    }
    await Deno.writeTextFile(`${folder}/whole.ts`, `export default () => (${whole});`);
    assert.equal((await build(`${folder}/whole.ts`)).name, "m");
    // Which says that another window may do.
    await Deno.writeTextFile(
      `${folder}/short.ts`,
      "export default () => { throw new RangeError('too short'); };",
    );
    await assert.rejects(build(`${folder}/short.ts`), {
      name: "RangeError",
      message: /^Cannot build --model .*short\.ts: too short$/,
    });
  });
});

Deno.test("findModel compares a module with the hash that a run recorded before any of it is run", async () => {
  await inFolder(async (folder) => {
    const path = `${folder}/mine.ts`;
    await Deno.writeTextFile(`${folder}/parts.ts`, "export const parts = 1;");
    const source = 'import "./parts.ts"; throw new Error("it was run");';
    await Deno.writeTextFile(path, source);
    const { sha256 } = await readModuleSource(path);
    await assert.rejects(findModel(path, sha256), { message: /it was run$/ });
    await Deno.writeTextFile(`${folder}/parts.ts`, "export const parts = 2;");
    await assert.rejects(findModel(path, sha256), {
      name: "ModelError",
      message:
        /^Cannot use --model .*mine\.ts: its source is not the one of the run, SHA-256 \w{12} /,
    });
  });
});

Deno.test("readModuleSource hashes a module with all that it imports by path", async () => {
  await inFolder(async (folder) => {
    const files: Record<string, string> = {
      "model.ts": `import { a } from "./parts/a.ts";\nexport * from './b.js';\n` +
        `import { tf } from "${root}mod.ts";\nconst late = () => import("./late.ts");`,
      "parts/a.ts": `import "../b.js"; import "npm:something";`,
      "b.js": "export const b = 1;",
      "late.ts": "export const late = 1;",
    };
    await Deno.mkdir(`${folder}/parts`);
    const write = async (changed: Record<string, string> = {}) => {
      for (const [name, source] of Object.entries({ ...files, ...changed })) {
        await Deno.writeTextFile(`${folder}/${name}`, source);
      }
      return await readModuleSource(`${folder}/model.ts`);
    };
    const before = await write();
    assert.deepEqual(
      before.files.map((file) => file.slice(folder.length + 1)).sort(),
      Object.keys(files).sort(),
    );
    assert.deepEqual(await write(), before);
    for (const name of Object.keys(files)) {
      const changed = await write({ [name]: `${files[name]} // changed` });
      assert.notEqual(changed.sha256, before.sha256, name);
    }
  });
});
