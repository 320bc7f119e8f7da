/** A run knows its data: on every host, after a resume, and when it is evaluated. */
import assert from "node:assert/strict";
import { random } from "../../net/random.ts";
import { npyBytes } from "../datasets/npy_bytes.ts";
import { natsServerMissing } from "../support/nats_server.ts";
import { assertSentence, engine, inFolder, run, start } from "./command.ts";

const ignore = natsServerMissing;
const small = [
  ...["--engine", engine, "--dataset", "npy", "--filters", "2", "--lanes", "4", "--window", "5"],
  ...["--workers", "1"],
];

async function writeData(path: string, seed: number): Promise<void> {
  const stream = random(seed, "pixels");
  const data = Uint8Array.from({ length: 20 * 11 * 16 * 16 }, () => 256 * stream.uniform());
  await Deno.writeFile(path, npyBytes({ shape: [20, 11, 16, 16], data }));
}

Deno.test({
  name: "a run is found to have other data when it is resumed or evaluated, and may move with them",
  ignore,
  fn: inFolder(async (cwd) => {
    await writeData(`${cwd}/d.npy`, 1);
    const trained = await run("train", [
      ...small,
      "--data",
      "d.npy",
      "--steps",
      "4",
      "--out",
      "run",
    ], {
      cwd,
    });
    assert.equal(trained.code, 0, trained.stderr);
    const elsewhere = `${cwd}/elsewhere`;
    await Deno.mkdir(elsewhere);
    // A file of the same name and size in another folder, which a relative path would have found.
    await writeData(`${elsewhere}/d.npy`, 2);
    const resumed = ["--resume", "--out", "../run"];
    const away = await run("train", [...resumed, "--steps", "6"], { cwd: elsewhere });
    assert.equal(away.code, 0, away.stderr);
    const identity = String.raw`1 file of \d[\d,]* bytes, SHA-256 [0-9a-f]{64}`;
    const differs = `its data were ${identity}, and are now ${identity}`;
    await Deno.rename(`${cwd}/d.npy`, `${cwd}/moved.npy`);
    await Deno.rename(`${elsewhere}/d.npy`, `${cwd}/d.npy`);
    assertSentence(
      await run("train", [...resumed, "--steps", "8"], { cwd: elsewhere }),
      1,
      new RegExp(
        String.raw`^Failed: Cannot resume \.\./run: ${differs}; put the data back, or start`,
      ),
    );
    assertSentence(
      await run("evaluate", ["--run", "run"], { cwd }),
      2,
      new RegExp(
        `^Wrong usage: Cannot use run/checkpoints/step-000006 with .*/d\\.npy: ${differs}; `,
      ),
    );
    const others = await run("evaluate", ["--run", "run", "--data", "d.npy"], { cwd });
    assert.equal(others.code, 0, others.stderr);
    const moved = ["--data", "../moved.npy", "--steps", "8"];
    const after = await run("train", [...resumed, ...moved], { cwd: elsewhere });
    assert.equal(after.code, 0, after.stderr);
  }),
});

Deno.test({
  name: "workers with other bytes than each other are refused before the first step",
  ignore,
  fn: inFolder(async (cwd) => {
    for (const [seed, folder] of ["a", "b"].entries()) {
      await Deno.mkdir(`${cwd}/${folder}`);
      await writeData(`${cwd}/${folder}/d.npy`, seed);
    }
    const args = [...small, "--data", "a/d.npy", "--steps", "4", "--workers", "2"];
    const coordinator = start("coordinator", [...args, "--out", "run", "--port", "0"], { cwd });
    await coordinator.until(/deno task worker --connect/);
    const workers = ["a", "b"].map((folder) =>
      start(
        "worker",
        ["--connect", "../run/connection.json", "--name", folder, "--data", "d.npy"],
        {
          cwd: `${cwd}/${folder}`,
        },
      )
    );
    assertSentence(
      await coordinator.ended,
      1,
      /Cannot start: worker "[ab]" \(process \d+ on .*\) has data of 1 file of .* SHA-256 [0-9a-f]{64}, worker "[ab]" \(process .*\) has 1 file of .*; equal weights on every worker need them equal$/,
    );
    for (const worker of workers) assert.equal((await worker.ended).code, 1);
    await assert.rejects(Deno.stat(`${cwd}/run/metrics.jsonl`), Deno.errors.NotFound);
  }),
});
