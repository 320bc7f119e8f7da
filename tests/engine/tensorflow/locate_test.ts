/** libtensorflow is found where the user or `setup` put it, and nothing unusable is taken. */
import assert from "node:assert/strict";
import { locateTensorFlow } from "../../../engine/tensorflow/locate.ts";
import { tensorFlow } from "./with_engine.ts";

function environment(variables: Record<string, string>): (name: string) => string | undefined {
  return (name) => variables[name];
}

Deno.test("locateTensorFlow names the file of TF_LIBRARY if it cannot be used", async () => {
  const env = environment({ TF_LIBRARY: "/no/such/libtensorflow_cc.so.2" });
  await assert.rejects(
    locateTensorFlow(env),
    /^EngineError: Cannot load .* "\/no\/such\/libtensorflow_cc/,
  );
});

Deno.test("locateTensorFlow takes the newest version of the cache", {
  ignore: tensorFlow === undefined,
}, async () => {
  const cache = await Deno.makeTempDir();
  try {
    for (const version of ["2.9.1", "2.21.0", "2.10.0"]) {
      const folder = `${cache}/tensorflow/${version}/tensorflow`;
      await Deno.mkdir(folder, { recursive: true });
      await Deno.symlink(tensorFlow!.path, `${folder}/libtensorflow_cc.so.2`);
    }
    // Unusable, so passed over although it is the newest.
    await Deno.mkdir(`${cache}/tensorflow/2.99.0/tensorflow`, { recursive: true });
    await Deno.writeTextFile(`${cache}/tensorflow/2.99.0/tensorflow/libtensorflow_cc.so.2`, "");
    const found = await locateTensorFlow(environment({ LOCKSTEP_CACHE: cache }));
    assert.deepEqual(found, {
      path: `${cache}/tensorflow/2.21.0/tensorflow/libtensorflow_cc.so.2`,
      version: tensorFlow!.version,
    });
  } finally {
    await Deno.remove(cache, { recursive: true });
  }
});
