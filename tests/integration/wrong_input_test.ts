import assert from "node:assert/strict";
import { npyBytes } from "../datasets/npy_bytes.ts";
import { natsServerMissing } from "../support/nats_server.ts";
import {
  assertNothingLeft,
  assertSentence,
  engine,
  inFolder,
  longRun,
  run,
  smallRun,
  start,
  trained,
} from "./command.ts";

const ignore = natsServerMissing;

Deno.test({
  name: "train tells wrong usage in one sentence, exit code 2, and leaves nothing behind",
  ignore,
  fn: inFolder(async (cwd) => {
    await Deno.writeTextFile(`${cwd}/broken.json`, "{");
    await Deno.writeTextFile(`${cwd}/typo.json`, '{"lane": 2}');
    const wrong: [string, RegExp, Record<string, string>?][] = [
      ["--step 3", /^Wrong usage: Unknown flag --step: did you mean --steps\?$/],
      ["3", /^Wrong usage: Unknown argument "3": /],
      ["--model lstm", /^Wrong usage: Unknown --model "lstm": choose one of convlstm, /],
      [
        "--dataset digits",
        /^Wrong usage: Unknown --dataset "digits": choose one of moving-mnist, /,
      ],
      [
        "--dataset-options ball=4",
        /^Wrong usage: Unknown option "ball" of --dataset moving-mnist: /,
      ],
      ["--model-options latent=4", /^Wrong usage: Unknown option "latent" of --model convlstm: /],
      ["--model none.ts", /^Wrong usage: Cannot read --model .*none\.ts: no such file$/],
      ["--engine gpu", /^Wrong usage: Unknown --engine "gpu": choose one of auto, /],
      ["--loss l2", /^Wrong usage: Unknown --loss "l2": choose one of mse, /],
      ["--workers 0", /^Wrong usage: --workers must be between 1 and \d+: found 0$/],
      ["--lanes 4 --workers 5", /^Wrong usage: Cannot share 4 shards among 5 workers: /],
      ["--lanes 6 --shards 4", /^Wrong usage: Cannot cut 6 lanes into 4 equal shards: /],
      ["--config none.json", /^Wrong usage: Cannot read --config none\.json: /],
      ["--config broken.json", /^Wrong usage: Cannot read --config broken\.json: .*JSON/],
      ["--config typo.json", /^Wrong usage: Unknown flag --lane: .* \(in typo\.json\)$/],
      ["--resume", /^Wrong usage: Cannot resume: there is no run in runs\/; /],
      [
        "--resume --out none",
        /^Wrong usage: Cannot resume none: .*; name a run's folder with --out$/,
      ],
      [
        "",
        /^Wrong usage: Cannot read CUDA_VISIBLE_DEVICES="first": "first" is neither /,
        { CUDA_VISIBLE_DEVICES: "first" },
      ],
    ];
    for (const [args, pattern, env] of wrong) {
      assertSentence(await run("train", args.split(" ").filter(Boolean), { cwd, env }), 2, pattern);
    }
    const left = [...Deno.readDirSync(cwd)].map(({ name }) => name).sort();
    assert.deepEqual(left, ["broken.json", "typo.json"]);
  }),
});

Deno.test({
  name: "train tells of data that it cannot use once, and leaves no folder behind",
  ignore,
  fn: inFolder(async (cwd) => {
    await Deno.mkdir(`${cwd}/empty`);
    await Deno.writeFile(`${cwd}/junk.npy`, new Uint8Array(1000).fill(7));
    await Deno.mkdir(`${cwd}/rain`);
    await Deno.writeFile(`${cwd}/rain/202208010000_fmi.pgm.gz`, new Uint8Array([31, 139, 8, 0]));
    const holed = new Float32Array(10 * 6 * 8 * 8).fill(NaN);
    const dtype = "<f4";
    await Deno.writeFile(
      `${cwd}/nan.npy`,
      npyBytes({ shape: [10, 6, 8, 8], data: new Uint8Array(holed.buffer), dtype }),
    );
    const broken: [string, RegExp][] = [
      ["--dataset npy --data nan.npy --window 5", /: Cannot .*NaN[^;]*(; (?!go on)[^;]*)?$/],
      ["--loss cross-entropy", /: Cannot use the loss cross-entropy for answers of shape \[/],
      ["--data none.npy", /: Cannot read ".*none\.npy": no such file/],
      ["--data empty", /: Cannot find digits in ".*empty": /],
      ["--data junk.npy", /: Cannot read ".*junk\.npy": /],
      ["--dataset radar --data empty", /: Cannot find radar composites in ".*empty": /],
      ["--dataset radar --data rain", /: Cannot .*rain/],
    ];
    for (const [args, pattern] of broken) {
      const all = ["--engine", engine, "--filters", "2", "--workers", "2", ...args.split(" ")];
      assertSentence(await run("train", all, { cwd }), 1, pattern);
    }
    assert.deepEqual([...Deno.readDirSync(`${cwd}/runs`)], []);
  }),
});

Deno.test({
  name: "train refuses a folder that it cannot write, that holds a run, or in which one is trained",
  ignore,
  fn: inFolder(async (cwd) => {
    const args = [...smallRun, "--steps", "2", "--workers", "1", "--out"];
    await Deno.writeTextFile(`${cwd}/file`, "");
    assertSentence(
      await run("train", [...args, "file"], { cwd }),
      1,
      /^Failed: Cannot write run folder file: /,
    );
    const trainer = start("train", [...longRun, "--workers", "1", "--out", "run"], { cwd });
    await trainer.until(/step \d+\/50000/);
    assertSentence(
      await run("train", [...args, "run"], { cwd }),
      1,
      /^Failed: Cannot use run folder run: another process trains in it; /,
    );
    trainer.kill("SIGTERM");
    const { code, stderr } = await trainer.ended;
    assert.equal(code, 130, stderr);
    await assertNothingLeft(trainer);
    assertSentence(
      await run("train", [...args, "run"], { cwd }),
      1,
      /^Failed: Cannot start a new run in run: it holds checkpoints up to step \d+; add --resume /,
    );
  }),
});

Deno.test({
  name: "train --resume names what differs, falls back from a damaged checkpoint, and tells of it",
  ignore,
  fn: inFolder(async (cwd) => {
    const args = ["--workers", "1", "--out", "run"];
    const first = [...smallRun, "--steps", "4", "--checkpoint-steps", "2", ...args];
    await trained(first, { cwd });
    assertSentence(
      await run("train", ["--resume", "--seed", "9", "--lanes", "8", ...args], { cwd }),
      1,
      /^Failed: Cannot resume run under another configuration: .*lanes was 4 and is now 8.*seed was 1 and is now 9/,
    );
    const flip = async (step: string) => {
      const path = `${cwd}/run/checkpoints/${step}/parameters.safetensors`;
      const bytes = await Deno.readFile(path);
      bytes[bytes.length - 1] ^= 1;
      await Deno.writeFile(path, bytes);
    };
    await flip("step-000004");
    const resumed = await run("train", ["--resume", "--steps", "6", "--json", ...args], { cwd });
    assert.equal(resumed.code, 0, resumed.stderr);
    assert.match(
      resumed.stderr,
      /Warning: Cannot read run\/checkpoints\/step-000004\/parameters\.safetensors: its SHA-256 .*; falling back to the checkpoint of step 2\n/,
    );
    const whole = [...smallRun, "--steps", "6", "--workers", "2", "--out", "whole"];
    const { parametersSha256 } = await trained(whole, { cwd });
    assert.equal(JSON.parse(resumed.stdout).parametersSha256, parametersSha256);
    for (const { name } of Deno.readDirSync(`${cwd}/run/checkpoints`)) await flip(name);
    assertSentence(
      await run("train", ["--resume", "--steps", "8", ...args], { cwd }),
      1,
      /^Failed: Cannot resume from run\/checkpoints: none of its \d checkpoints is intact /,
    );
  }),
});

Deno.test({
  name: "a disk that is full for a checkpoint costs no earlier one, and a resume goes on",
  ignore: ignore || !await canMount(),
  fn: inFolder(async (cwd) => {
    await Deno.mkdir(`${cwd}/disk`);
    const mounted = new Deno.Command("mount", {
      args: ["-t", "tmpfs", "-o", "size=1m", "tmpfs", `${cwd}/disk`],
    });
    assert.ok((await mounted.output()).success);
    try {
      // Four checkpoints are kept at a time, of about 300 KB each.
      const args = [...smallRun, "--filters", "8", "--checkpoint-steps", "1", "--epochs", "3"];
      const ended = await run("train", [...args, "--workers", "2", "--out", "disk/run"], { cwd });
      assertSentence(
        ended,
        1,
        /^Failed: Cannot write checkpoint disk\/run\/checkpoints\/step-\d+ \(\d+ bytes\): .*; earlier checkpoints are intact: .*; go on from step \d+ with --resume --out disk\/run$/,
      );
      await assertIntact(cwd);
    } finally {
      await new Deno.Command("umount", { args: [`${cwd}/disk`] }).output();
    }
  }),
});

/** Resumes from a copy where there is room. */
async function assertIntact(cwd: string): Promise<void> {
  const copied = new Deno.Command("cp", { args: ["-r", `${cwd}/disk/run`, `${cwd}/copy`] });
  assert.ok((await copied.output()).success);
  const { steps } = await trained(["--resume", "--steps", "20", "--out", "copy"], { cwd });
  assert.equal(steps, 20);
}

async function canMount(): Promise<boolean> {
  const folder = await Deno.makeTempDir();
  try {
    const args = ["-t", "tmpfs", "-o", "size=64k", "tmpfs", folder];
    const { success } = await new Deno.Command("mount", { args, stderr: "null" }).output();
    if (success) await new Deno.Command("umount", { args: [folder] }).output();
    else console.warn("Test of a full disk skipped: mount is not permitted here");
    return success;
  } catch {
    return false;
  } finally {
    await Deno.remove(folder);
  }
}
