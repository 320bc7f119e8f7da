/** One cache for all who look, also where no variable names a home. */
import assert from "node:assert/strict";
import { homedir } from "node:os";
import { cacheFolder } from "../../../engine/tensorflow/locate.ts";

function cacheOf(variables: Record<string, string>): string {
  return cacheFolder((name) => variables[name]);
}

Deno.test("cacheFolder() takes LOCKSTEP_CACHE, then XDG_CACHE_HOME, then the home", () => {
  const all = { LOCKSTEP_CACHE: "/a", XDG_CACHE_HOME: "/b", HOME: "/c" };
  assert.equal(cacheOf(all), "/a");
  assert.equal(cacheOf({ ...all, LOCKSTEP_CACHE: "" }), "/b/lockstep");
  assert.equal(cacheOf({ HOME: "/c" }), "/c/.cache/lockstep");
  assert.equal(cacheOf({ HOME: "", USERPROFILE: "/d" }), "/d/.cache/lockstep");
});

Deno.test("cacheFolder() without a home is .lockstep-cache here, or the known home's cache", async () => {
  const before = Deno.cwd();
  const home = Deno.env.get("HOME");
  const folder = await Deno.realPath(await Deno.makeTempDir());
  try {
    Deno.chdir(folder);
    // What the system would say of this user, so that no real home decides the test.
    Deno.env.set("HOME", `${folder}/user`);
    assert.equal(homedir(), `${folder}/user`);
    assert.equal(cacheOf({}), `${folder}/.lockstep-cache`);
    await Deno.mkdir(`${folder}/user/.cache/lockstep`, { recursive: true });
    assert.equal(cacheOf({}), `${folder}/user/.cache/lockstep`);
    await Deno.mkdir(`${folder}/.lockstep-cache`);
    assert.equal(cacheOf({}), `${folder}/.lockstep-cache`);
  } finally {
    Deno.chdir(before);
    if (home === undefined) Deno.env.delete("HOME");
    else Deno.env.set("HOME", home);
    await Deno.remove(folder, { recursive: true });
  }
});
