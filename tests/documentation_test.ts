/** README.md says what the commands really take: every flag with its default, every benchmark. */
import assert from "node:assert/strict";
import type { Flag } from "../launch/flags.ts";
import { commandFlags } from "../launch/run_options.ts";

const readme = await Deno.readTextFile(new URL("../README.md", import.meta.url));

Deno.test("README.md has each flag of train with its help and its default, and no other", () => {
  const rows = new Map(
    [...readme.matchAll(/^\| `--([a-z-]+)[^`]*` +\| (.*?) +\| (.*?) +\|$/gm)].map((
      [, name, help, fallback],
    ) => [name, { help, fallback: fallback.trim() }]),
  );
  for (const [name, flag] of Object.entries<Flag>(commandFlags)) {
    assert.deepEqual(rows.get(name), { help: flag.help, fallback: flag.defaultText ?? "" }, name);
  }
  assert.deepEqual([...rows.keys()].sort(), Object.keys(commandFlags).sort());
});

Deno.test("README.md names every benchmark", async () => {
  const bench = await Deno.readTextFile(new URL("../benchmarks/bench.ts", import.meta.url));
  const names = [...bench.matchAll(/^ +"?([a-z-]+)"?: \(\) => import/gm)].map(([, name]) => name);
  assert.ok(names.length >= 5);
  for (const name of names) assert.ok(readme.includes(`\`${name}\``), name);
});

Deno.test("README.md, ARCHITECTURE.md and CHANGELOG.md link to files that exist", async () => {
  for (const page of ["README.md", "ARCHITECTURE.md", "CHANGELOG.md"]) {
    const text = await Deno.readTextFile(new URL(`../${page}`, import.meta.url));
    for (const [, target] of text.matchAll(/\]\(([^)#:]+)\)/g)) {
      const found = await Deno.stat(new URL(`../${target}`, import.meta.url)).catch(() =>
        undefined
      );
      assert.ok(found, `${page} links to ${target}`);
    }
  }
});

Deno.test("README.md's program of the library trains, predicts and scores", async () => {
  const section = readme.slice(readme.indexOf("## As a library"));
  const [, program] = section.match(/```ts\n([\s\S]*?)```/)!;
  const folder = await Deno.makeTempDir();
  try {
    const library = new URL("../mod.ts", import.meta.url).href;
    const path = `${folder}/program.ts`;
    await Deno.writeTextFile(path, program.replaceAll("./mod.ts", library));
    const config = new URL("../deno.json", import.meta.url).pathname;
    const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--check", "--config", config, path],
      cwd: folder,
      env: { NO_COLOR: "1" },
    }).output();
    assert.ok(success, new TextDecoder().decode(stderr));
    const lines = new TextDecoder().decode(stdout).trim().split("\n");
    assert.match(lines.at(-1)!, /^0\.\d+ 0\.\d+ -?0\.\d+$/);
    assert.ok((await Deno.stat(`${folder}/bars.safetensors`)).size > 0);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
