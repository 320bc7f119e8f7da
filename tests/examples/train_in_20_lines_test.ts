import assert from "node:assert/strict";

const example = new URL("../../examples/train_in_20_lines.ts", import.meta.url).pathname;

Deno.test("examples/train_in_20_lines.ts trains in about 20 lines what beats repeating the last frame", async () => {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", example],
  }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
  const lines = new TextDecoder().decode(stdout).trim().split("\n");
  const { steps, validationLoss, persistenceLoss } = JSON.parse(lines.at(-1)!);
  assert.equal(lines.length, steps + 1, "a line for each step and one for the end");
  assert.ok(validationLoss < 0.7 * persistenceLoss, `${validationLoss} of ${persistenceLoss}`);
  const code = (await Deno.readTextFile(example)).split("\n").filter((line) =>
    line.trim() !== "" && !line.startsWith("/**")
  );
  assert.ok(code.length <= 27, `${code.length} lines`);
});
