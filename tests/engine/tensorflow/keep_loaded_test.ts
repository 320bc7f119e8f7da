import assert from "node:assert/strict";
import { locateTensorFlow } from "../../../engine/tensorflow/locate.ts";

Deno.test({
  name: "locateTensorFlow() leaves a process that ends by itself with exit code 0",
  ignore: await locateTensorFlow() === undefined,
  async fn() {
    const script = `
      import { locateTensorFlow } from "${new URL(
      "../../../engine/tensorflow/locate.ts",
      import.meta.url,
    )}";
      await locateTensorFlow();`;
    const path = await Deno.makeTempFile({ suffix: ".ts" });
    try {
      await Deno.writeTextFile(path, script);
      const config = new URL("../../../deno.json", import.meta.url).pathname;
      const { code, signal } = await new Deno.Command(Deno.execPath(), {
        args: ["run", "-A", "--config", config, path],
        stdout: "null",
        stderr: "null",
      }).output();
      assert.deepEqual({ code, signal }, { code: 0, signal: null });
    } finally {
      await Deno.remove(path);
    }
  },
});
