/**
 * The architecture's rules, checked on what the files really import (`deno info --json`) and say:
 * who may import whom, one file for each third party, time and chance only as arguments.
 */
import assert from "node:assert/strict";
import manifest from "../deno.json" with { type: "json" };
import npmManifest from "../package.json" with { type: "json" };

const root = new URL("../", import.meta.url);

/** A folder imports from itself and from layers below its own. */
const layers = [
  ["tests"],
  ["benchmarks"],
  ["launch"],
  ["coordinator", "worker"],
  ["collective", "models", "datasets", "baselines", "metrics", "report"],
  ["engine", "net"],
] as const;
/** Imports within a layer. What a dataset is, in typed arrays, is known to all who use one. */
const withinLayer = [
  ["models", "datasets"],
  ["metrics", "datasets"],
  ["report", "datasets"],
];
const productFolders: readonly string[] = layers.flat().filter((folder) => folder !== "tests");

interface Import {
  readonly from: string;
  /** As written. */
  readonly specifier: string;
  /** A path in the project; undefined for packages and built-in modules. */
  readonly to: string | undefined;
}

const files = ["mod.ts", ...layers.flat()].flatMap(typeScriptFiles).sort();
const sources = new Map(files.map((file) => [file, Deno.readTextFileSync(new URL(file, root))]));
const products = files.filter((file) => !file.startsWith("tests/"));
const imports = await readImports();
const importsOf = Map.groupBy(imports, ({ from }) => from);

Deno.test("every file's imports are resolved", () => {
  assert.ok(products.length > 100, "the product's files were not found");
  for (const folder of productFolders) {
    assert.ok(importsOf.keys().some((file) => folderOf(file) === folder), `none in ${folder}/`);
  }
  // Found through `new Worker(new URL(...))`, which the module graph does not show.
  assert.ok(imports.some(({ to }) => to === "datasets/decode_worker.ts"));
});

Deno.test("imports go from upper layers to lower ones", () => {
  const layerOf = (folder: string) =>
    layers.findIndex((layer) => (layer as readonly string[]).includes(folder));
  const wrong = betweenFolders().filter(({ from, to }) => {
    const [above, below] = [layerOf(folderOf(from)), layerOf(folderOf(to))];
    if (above !== below) return above > below;
    return !withinLayer.some(([a, b]) => a === folderOf(from) && b === folderOf(to));
  });
  assert.deepEqual(wrong.map(inWords), []);
});

Deno.test("coordinator never reaches an engine, a model or a worker, however far", () => {
  assert.deepEqual(reached(["coordinator"], ["engine", "models", "worker"]), []);
});

Deno.test("worker never reaches the coordinator", () => {
  assert.deepEqual(reached(["worker"], ["coordinator"]), []);
});

Deno.test("collective, net, datasets, baselines, metrics and report never reach a tensor", () => {
  const typedArraysOnly = ["collective", "net", "datasets", "baselines", "metrics", "report"];
  assert.deepEqual(reached(typedArraysOnly, ["engine", "models"]), []);
});

Deno.test("no file reaches itself through its imports", () => {
  // A dynamic import counts: a cycle is one whenever it is loaded.
  const finished = new Set<string>();
  const cycles: string[] = [];
  const visit = (file: string, path: readonly string[]) => {
    if (path.includes(file)) {
      cycles.push([...path.slice(path.indexOf(file)), file].join(" -> "));
    } else if (!finished.has(file)) {
      for (const { to } of importsOf.get(file) ?? []) if (to) visit(to, [...path, file]);
      finished.add(file);
    }
  };
  for (const file of files) visit(file, []);
  assert.deepEqual(cycles, []);
});

Deno.test("nothing inside imports mod.ts", () => {
  // It is for others: files import files, so that nothing is loaded that is not needed.
  const inside = imports.filter(({ from, to }) => to === "mod.ts" && products.includes(from));
  assert.deepEqual(inside.map(inWords), []);
});

Deno.test("exactly one file names each npm package", () => {
  const naming = new Map<string, Set<string>>();
  for (const { from, specifier } of imports) {
    const name = packageOf(specifier);
    if (name) naming.set(name, (naming.get(name) ?? new Set()).add(from));
  }
  // Here so that the lock holds msgpackr's optional part for every platform, not only for the one
  // on which it was written.
  const namedByNobody = ["msgpackr-extract"];
  const packages = new Set(Object.keys(manifest.imports).map((key) => key.replace(/\/$/, "")));
  const isTest = (file: string) => file.startsWith("tests/");
  for (const name of packages) {
    const all = [...naming.get(name) ?? []];
    const inProduct = all.filter((file) => !isTest(file));
    // Tests may name a product's package to check against; what only tests use has one file there.
    const counted = inProduct.length > 0 ? inProduct : all;
    const expected = namedByNobody.includes(name) ? 0 : 1;
    assert.equal(counted.length, expected, `${name} is named by ${all.join(", ") || "nobody"}`);
  }
  const unknown = [...naming.keys()].filter((name) => !packages.has(name));
  assert.deepEqual(unknown, [], "packages that deno.json does not list");
  const pinned = Object.values(manifest.imports).filter((target) => !/@\d+\.\d+\.\d+/.test(target));
  assert.deepEqual(pinned, [], "packages without an exact version");
});

Deno.test("the lock holds no installer, and package.json replaces them by a package without code", () => {
  const lock = JSON.parse(Deno.readTextFileSync(new URL("deno.lock", root)));
  const locked = Object.keys(lock.npm).map((key) => /^(@?[^@]+)@/.exec(key)![1]);
  assert.ok(locked.length > 40 && locked.length <= 110, `${locked.length} locked packages`);
  const installers = /^(?:@mapbox\/node-pre-gyp|tar|rimraf|glob|node-fetch|npmlog|yargs|adm-zip)$/;
  assert.deepEqual(locked.filter((name) => installers.test(name)), []);
  // Types alone: no file of it can be run.
  const replacements = Object.values(npmManifest.overrides).flatMap((packages) =>
    Object.values(packages)
  );
  assert.deepEqual([...new Set(replacements)], ["npm:@types/long@4.0.2"]);
});

Deno.test("files come from npm and the project alone", () => {
  const elsewhere = imports.filter(({ specifier }) =>
    /^(?:https?|jsr|data|file|npm):/.test(specifier) || specifier.startsWith("/")
  );
  assert.deepEqual(elsewhere.map(inWords), []);
});

/** What reads the clock, sets a timer or draws, and the files that may. */
const ambient: readonly { pattern: RegExp; allowed: readonly string[] }[] = [
  {
    pattern: /\bDate\.now\b|\bnew Date\(\s*\)|\bperformance\.now\b/,
    allowed: ["net/clock.ts"],
  },
  { pattern: /\b(?:setTimeout|setInterval)\b/, allowed: ["net/clock.ts"] },
  { pattern: /\bMath\.random\b/, allowed: [] },
  { pattern: /\b(?:randomUUID|getRandomValues|randomBytes)\b/, allowed: ["net/random.ts"] },
  {
    // Both end a child process of set-up that hangs; nothing else waits for it.
    pattern: /\bAbortSignal\.timeout\b/,
    allowed: ["engine/tensorflow/locate.ts", "launch/find_tensorflow.ts"],
  },
];

Deno.test("only net/clock.ts reads the clock and only net/random.ts draws", () => {
  for (const { pattern, allowed } of ambient) {
    const found = products.filter((file) => pattern.test(codeOf(file)));
    const wrong = found.filter((file) => !allowed.includes(file));
    assert.deepEqual(wrong, [], `files with ${pattern}`);
    assert.deepEqual(allowed.filter((file) => !found.includes(file)), [], "allowed for nothing");
  }
});

/** Where a check is switched off in product code. */
const switchedOff: Readonly<Record<string, string>> = {
  "engine/wasm/wasm_engine.ts":
    "its compiled function is async as the interface asks, and has nothing to wait for",
};

Deno.test("types and lint are switched off nowhere but where a reason is given", () => {
  const pattern = /\bas any\b|:\s*any\b|<any>|@ts-(?:ignore|expect-error|nocheck)|deno-lint-ignore/;
  const found = products.filter((file) => pattern.test(sources.get(file)!));
  assert.deepEqual(found, Object.keys(switchedOff));
});

Deno.test("files are named for an idea, in snake_case", () => {
  const names = files.map((file) => file.slice(file.lastIndexOf("/") + 1, -".ts".length));
  const whole = /^(?:utils?|common|helpers?|misc|types|index|lib|src|core)$/;
  const ending = /_(?:utils?|common|helpers?|misc|manager|factory|impl)$/;
  assert.deepEqual(names.filter((name) => !/^[a-z][a-z0-9_]*$/.test(name)), []);
  const folders = files.flatMap((file) => file.split("/").slice(0, -1));
  const wrong = [...names, ...folders].filter((name) => whole.test(name) || ending.test(name));
  assert.deepEqual(wrong, []);
});

Deno.test("every file of the product opens with a comment that says its idea", () => {
  const silent = products.filter((file) => !/^\/\*\*[\s\S]{30,}?\*\//.test(sources.get(file)!));
  assert.deepEqual(silent, []);
});

Deno.test("no file names a place on one machine", () => {
  const place = /(?:^|[^\w.])\/(?:home|Users|root|work|mnt|tmp|private)\/[\w.]/;
  const wrong = files.flatMap((file) =>
    sources.get(file)!.split("\n").flatMap((line, index) =>
      place.test(line) && !line.includes("const place =") ? [`${file}:${index + 1}: ${line}`] : []
    )
  );
  assert.deepEqual(wrong, []);
});

/** Pairs of files of two folders. */
function betweenFolders(): { from: string; to: string; specifier: string }[] {
  return imports.flatMap(({ from, to, specifier }) =>
    to !== undefined && to.includes("/") && from.includes("/") && folderOf(from) !== folderOf(to)
      ? [{ from, to, specifier }]
      : []
  );
}

/** Chains of imports from folders to folders that they must not reach. */
function reached(from: readonly string[], forbidden: readonly string[]): string[] {
  const chains: string[] = [];
  const seen = new Set<string>();
  const queue = products.filter((file) => from.includes(folderOf(file))).map((file) => [file]);
  assert.ok(queue.length > 0, `no files in ${from}`);
  for (const chain of queue) {
    const last = chain[chain.length - 1];
    if (seen.has(last)) continue;
    seen.add(last);
    if (forbidden.includes(folderOf(last))) chains.push(chain.join(" -> "));
    else for (const { to } of importsOf.get(last) ?? []) if (to) queue.push([...chain, to]);
  }
  return chains;
}

async function readImports(): Promise<Import[]> {
  interface Dependency {
    readonly specifier: string;
    readonly code?: { readonly specifier?: string; readonly error?: string };
    readonly type?: { readonly specifier?: string; readonly error?: string };
  }
  interface Graph {
    readonly modules: {
      readonly specifier: string;
      readonly error?: string;
      readonly dependencies?: Dependency[];
    }[];
  }
  // One graph for all files: a module in a temporary place that imports each of them.
  const entry = await Deno.makeTempFile({ suffix: ".ts" });
  let graph: Graph;
  try {
    await Deno.writeTextFile(
      entry,
      files.map((file) => `import ${JSON.stringify(new URL(file, root).href)};\n`).join(""),
    );
    const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["info", "--json", "--config", new URL("deno.json", root).pathname, entry],
      cwd: root.pathname,
      env: { NO_COLOR: "1" },
    }).output();
    assert.ok(success, new TextDecoder().decode(stderr));
    graph = JSON.parse(new TextDecoder().decode(stdout));
  } finally {
    await Deno.remove(entry);
  }
  const inProject = (specifier: string | undefined) =>
    specifier?.startsWith(root.href) ? specifier.slice(root.href.length) : undefined;
  const found: Import[] = [];
  for (const { specifier, error, dependencies } of graph.modules) {
    const from = inProject(specifier);
    if (from === undefined) continue;
    assert.equal(error, undefined, `${from}: ${error}`);
    for (const { specifier, code, type } of dependencies ?? []) {
      const target = code ?? type;
      assert.equal(target?.error, undefined, `${from}: ${target?.error}`);
      found.push({ from, specifier, to: inProject(target?.specifier) });
    }
  }
  const missing = files.filter((file) =>
    !found.some(({ from, to }) => from === file || to === file)
  );
  const alone = missing.filter((file) => /^import\b|^export .* from\b/m.test(codeOf(file)));
  assert.deepEqual(alone, [], "files whose imports deno info does not give");
  return [...found, ...files.flatMap(importsByUrl)];
}

/** Modules that a file loads into a Worker or a process, by URL. */
function importsByUrl(from: string): Import[] {
  const urls = codeOf(from).matchAll(/new URL\(\s*"([^"]+\.ts)",\s*import\.meta\.url\s*\)/g);
  return [...urls].flatMap(([, specifier]) => {
    const to = new URL(specifier, new URL(from, root)).href.slice(root.href.length);
    return files.includes(to) && to !== from ? [{ from, specifier: `./${specifier}`, to }] : [];
  });
}

function typeScriptFiles(path: string): string[] {
  const url = new URL(path, root);
  try {
    if (Deno.statSync(url).isFile) return [path];
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
  return [...Deno.readDirSync(url)].flatMap((entry) =>
    entry.isDirectory || entry.name.endsWith(".ts") ? typeScriptFiles(`${path}/${entry.name}`) : []
  );
}

/** A file without its comments; texts stay. */
function codeOf(file: string): string {
  const pattern =
    /("(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`)|\/\/.*|\/\*[\s\S]*?\*\//g;
  return sources.get(file)!.replace(pattern, (_, text: string | undefined) => text ?? "");
}

/** "@scope/name" or "name" of a bare specifier. */
function packageOf(specifier: string): string | undefined {
  if (/^[./]|^[a-z]+:/.test(specifier)) return undefined;
  return specifier.split("/").slice(0, specifier.startsWith("@") ? 2 : 1).join("/");
}

function folderOf(file: string): string {
  return file.split("/")[0];
}

function inWords({ from, specifier }: { from: string; specifier: string }): string {
  return `${from} imports ${specifier}`;
}
