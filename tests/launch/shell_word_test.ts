import assert from "node:assert/strict";
import { resumeHint } from "../../launch/resume_hint.ts";
import { shellWord } from "../../launch/shell_word.ts";

const names = [
  "plain",
  "my run",
  "a'b",
  "läuft, größer",
  "日本 語",
  "$(id)",
  "`x`",
  '"',
  "a;b",
  "*",
];

Deno.test("a shell reads each word back as the text it was", async () => {
  const script = `printf '%s\\n' ${[...names, "~", "\\", "!x", "#"].map(shellWord).join(" ")}`;
  const { stdout } = await new Deno.Command("sh", { args: ["-c", script] }).output();
  const words = new TextDecoder().decode(stdout).trimEnd().split("\n");
  assert.deepEqual(words, [...names, "~", "\\", "!x", "#"]);
  assert.equal(shellWord("runs/moving-mnist-001"), "runs/moving-mnist-001");
});

Deno.test("resumeHint() quotes the run's folder for the shell", async () => {
  const root = await Deno.makeTempDir();
  try {
    for (const name of names) {
      const out = `${root}/${name}`;
      const checkpoint = `${out}/checkpoints/step-000012`;
      await Deno.mkdir(checkpoint, { recursive: true });
      await Deno.writeTextFile(`${checkpoint}/manifest.json`, "{}");
      const hint = await resumeHint(out);
      assert.equal(hint, `; go on from step 12 with --resume --out ${shellWord(out)}`);
    }
  } finally {
    await Deno.remove(root, { recursive: true });
  }
});
