import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";

const script = fileURLToPath(new URL("./simulate.ts", import.meta.url));

Deno.test("simulate refuses what it cannot run in one sentence, exit code 2", async () => {
  const wrong: [string, RegExp][] = [
    ["--seeds 0", /^Wrong usage: --seeds must be between 1 and \d+: found 0\n$/],
    ["--seeds abc", /^Wrong usage: --seeds must be a whole number: found "abc"\n$/],
    ["--threads 0", /^Wrong usage: --threads must be between 1 and \d+: found 0\n$/],
    ["--defect typo", /^Wrong usage: Unknown --defect "typo": none of the \d+ descriptions .*\n$/],
    ["--defects --seed", /^Wrong usage: --seed needs a value: SEED\n$/],
  ];
  for (const [args, pattern] of wrong) {
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-check", script, ...args.split(" ")],
      env: { NO_COLOR: "1" },
    }).output();
    const text = new TextDecoder();
    assert.match(text.decode(stderr), pattern, args);
    assert.equal(text.decode(stdout), "", args);
    assert.equal(code, 2, args);
  }
});
