import assert from "node:assert/strict";
import { basename, dirname } from "node:path";
import { findTensorFlow } from "../../launch/find_tensorflow.ts";

const found = await findTensorFlow((name) => Deno.env.get(name)).catch(() => undefined);

Deno.test({
  name: "findTensorFlow runs Python only where the cache has no library that can be used",
  ignore: found === undefined || Deno.build.os === "windows",
  async fn() {
    const folder = await Deno.makeTempDir();
    const [mark, python] = [`${folder}/ran`, `${folder}/python3`];
    const cached = `${folder}/tensorflow/2.21.0/tensorflow`;
    const variables: Record<string, string> = { LOCKSTEP_CACHE: folder, PATH: folder };
    const look = () => findTensorFlow((name) => variables[name]);
    const hasRun = () => Deno.stat(mark).then(() => true, () => false);
    try {
      await Deno.writeTextFile(python, `#!/bin/sh\n: > "${mark}"\n`, { mode: 0o755 });
      await Deno.mkdir(dirname(cached), { recursive: true });
      // The whole of it: a library looks for the others of its package beside itself.
      await Deno.symlink(dirname(found!.path), cached);
      assert.equal((await look())?.path, `${cached}/${basename(found!.path)}`);
      assert.equal(await hasRun(), false);
      await Deno.remove(cached);
      assert.equal(await look(), undefined);
      assert.equal(await hasRun(), true);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});
