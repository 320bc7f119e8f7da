import assert from "node:assert/strict";
import { findInitialWeights } from "../../launch/initial_weights.ts";
import { refuseLinksOut } from "../../launch/links_out.ts";

/** A run's folder beside what is not to be touched. */
async function withRun(test: (run: string, outside: string) => Promise<void>): Promise<void> {
  const root = await Deno.realPath(await Deno.makeTempDir());
  try {
    await Deno.mkdir(`${root}/runs/a/checkpoints/step-000001`, { recursive: true });
    await Deno.writeTextFile(`${root}/runs/a/run.json`, "{}");
    await Deno.mkdir(`${root}/outside`);
    await Deno.writeTextFile(`${root}/outside/file`, "");
    await test(`${root}/runs/a`, `${root}/outside`);
  } finally {
    await Deno.remove(root, { recursive: true });
  }
}

Deno.test("refuseLinksOut names the link that leads out, at any depth, dangling or not", () =>
  withRun(async (run, outside) => {
    refuseLinksOut(run);
    const places = ["journal.jsonl", "predictions", "checkpoints/step-000002"];
    places.push("checkpoints/step-000001/parameters.safetensors");
    for (const place of places) {
      for (const target of [outside, `${outside}/file`, `${outside}/none`]) {
        await Deno.symlink(target, `${run}/${place}`);
        assert.throws(() => refuseLinksOut(run), {
          name: "UsageError",
          message: `Cannot use run folder ${run}: ${place} in it is a link to ${target}, out of ` +
            "the folder; remove it, or put the file itself there",
        });
        await Deno.remove(`${run}/${place}`);
      }
    }
    // Relative, by way of another link, and to a sibling whose name begins alike.
    await Deno.mkdir(`${run}-more`);
    for (const target of ["../../outside", "../a-more", ".."]) {
      await Deno.symlink(target, `${run}/link`);
      assert.throws(() => refuseLinksOut(run), /link in it is a link to/, target);
      await Deno.remove(`${run}/link`);
    }
  }));

Deno.test("refuseLinksOut takes links within the folder, and a folder that is one", () =>
  withRun(async (run) => {
    await Deno.symlink("step-000001", `${run}/checkpoints/step-000002`);
    await Deno.symlink(`${run}/run.json`, `${run}/copy.json`);
    await Deno.symlink("checkpoints/later", `${run}/none`);
    refuseLinksOut(run);
    await Deno.symlink(run, `${run}/../../here`);
    refuseLinksOut(`${run}/../../here`);
    refuseLinksOut(`${run}/missing`);
  }));

Deno.test("--init follows no link out of the run that it names", () =>
  withRun(async (run, outside) => {
    await Deno.symlink(outside, `${run}/checkpoints/step-000002`);
    await assert.rejects(findInitialWeights(run), {
      name: "UsageError",
      message: /checkpoints\/step-000002 in it is a link to /,
    });
  }));
