/**
 * README's commands, each as it is written there, in a copy of the project. A training is ended by
 * Ctrl-C after its first step; all else runs to its end.
 */
import assert from "node:assert/strict";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { delay, systemClock } from "../../net/clock.ts";
import { findNatsServer, natsServerMissing } from "../support/nats_server.ts";
import { npyBytes } from "../datasets/npy_bytes.ts";
import { pgm } from "../datasets/temporary_folder.ts";
import { encodePng } from "../../datasets/png.ts";
import { library } from "./command.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const readme = await Deno.readTextFile(`${root}README.md`);
const notCopied = [".git", "runs", "node_modules", "tests"];
const waitMsMax = 180_000;

/** Commands of README's shell blocks, without what a comment says of them. */
const commands = [...readme.matchAll(/^```sh\n(.*?)^```$/gms)]
  .flatMap(([, block]) => block.replaceAll(/ *\\\n +/g, " ").split("\n"))
  .map((line) => line.replace(/ +# .*$/, "").trim())
  .filter((line) => line !== "");

/** What stands for a file or folder of the reader's own, written where the command looks for it. */
const placeholders: Readonly<Record<string, (folder: string) => Promise<void>>> = {
  "--dataset radar --data FOLDER": writeRadar,
  "--dataset frames --data FOLDER": writePictures,
  "mnist_test_seq.npy": writeMovingMnist,
};

/** Run by other tests, or too long for one: why. */
const elsewhere: Readonly<Record<string, string>> = {
  "npx -y deno@2 task train": "the training of a cold start, which takes minutes",
  "npx -y deno@2 task test": "what runs this test",
};

async function writeRadar(folder: string): Promise<void> {
  const rain = (scan: number) => (row: number, column: number) =>
    Math.max(0, Math.round(120 * Math.sin((row + 2 * scan) / 17) * Math.cos((column - scan) / 13)));
  await Deno.mkdir(`${folder}/FOLDER`, { recursive: true });
  for (let scan = 0; scan < 24; scan++) {
    const minutes = String(5 * scan % 60).padStart(2, "0");
    const hour = String(12 + Math.floor(scan / 12));
    await Deno.writeFile(
      `${folder}/FOLDER/20160928${hour}${minutes}_fmi.radar.composite.lowest_FIN_SUOMI1.pgm`,
      pgm(320, 256, rain(scan)),
    );
  }
}

async function writePictures(folder: string): Promise<void> {
  await Deno.mkdir(`${folder}/FOLDER`, { recursive: true });
  for (let picture = 0; picture < 40; picture++) {
    const values = Uint8Array.from(
      { length: 64 * 64 },
      (_, pixel) => (pixel * (picture + 3)) % 256,
    );
    await Deno.writeFile(
      `${folder}/FOLDER/${picture}.png`,
      encodePng({ width: 64, height: 64, channels: 1, data: values }),
    );
  }
}

async function writeMovingMnist(folder: string): Promise<void> {
  const shape = [20, 12, 64, 64];
  const data = Uint8Array.from({ length: 20 * 12 * 64 * 64 }, (_, at) => at % 251);
  await Deno.writeFile(`${folder}/mnist_test_seq.npy`, npyBytes({ shape, data }));
}

/** README needs it for a certificate of one's own alone. */
const hasOpenssl = await new Deno.Command("openssl", { args: ["version"] }).output()
  .then(({ success }) => success, () => false);

interface Outcome {
  readonly code: number;
  readonly said: string;
}

/** @param until what it has to say before it is interrupted; to its end without */
async function runCommand(cwd: string, command: string, until?: RegExp): Promise<Outcome> {
  const env: Record<string, string> = {
    NO_COLOR: "1",
    NATS_SERVER: findNatsServer()!,
    PATH: `${dirname(Deno.execPath())}:${Deno.env.get("PATH")}`,
  };
  if (library !== undefined) env.TF_LIBRARY = library.path;
  const child = new Deno.Command("bash", {
    ...{ args: ["-c", command], cwd, env, stdin: "null", stdout: "piped", stderr: "piped" },
    // The terminal's Ctrl-C reaches all processes of a command.
    detached: true,
  }).spawn();
  const interrupt = () => Deno.kill(-child.pid, "SIGINT");
  const cancel = systemClock.after(waitMsMax, () => Deno.kill(-child.pid, "SIGKILL"));
  let [said, isInterrupted] = ["", false];
  const read = async (stream: ReadableStream<Uint8Array>) => {
    for await (const part of stream.pipeThrough(new TextDecoderStream())) {
      said += part;
      if (isInterrupted || until === undefined || !until.test(said)) continue;
      isInterrupted = true;
      interrupt();
    }
  };
  const [{ code }] = await Promise.all([child.status, read(child.stdout), read(child.stderr)]);
  cancel();
  return { code, said };
}

async function copyProject(to: string): Promise<void> {
  for await (const { name } of Deno.readDir(root)) {
    if (notCopied.includes(name)) continue;
    const copied = await new Deno.Command("cp", { args: ["-r", `${root}${name}`, to] }).output();
    assert.ok(copied.success, `copy of ${name}`);
  }
}

Deno.test({
  name: "README.md's commands do what README.md says, as they are written",
  ignore: natsServerMissing,
  async fn(t) {
    assert.ok(commands.length > 15, "README's shell blocks were not found");
    const folder = await Deno.makeTempDir({ prefix: "lockstep-readme-" });
    const step = (command: string, body: () => Promise<void>) => t.step(command, body);
    try {
      await copyProject(folder);
      // What `evaluate` and `predict` show first.
      const first = await runCommand(folder, "deno task train --steps 2");
      assert.equal(first.code, 0, first.said);
      for (const command of commands) {
        if (Object.hasOwn(elsewhere, command) || /task (coordinator|worker) /.test(command)) {
          continue;
        }
        await step(command, async () => {
          for (const [text, write] of Object.entries(placeholders)) {
            if (!command.includes(text)) continue;
            await Deno.remove(`${folder}/FOLDER`, { recursive: true }).catch(() => {});
            await write(folder);
          }
          if (command.startsWith("openssl ") && !hasOpenssl) return;
          await checkCommand(folder, command);
        });
      }
      await step("deno task coordinator, and a worker twice", () => checkByHand(folder));
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});

async function checkCommand(folder: string, command: string): Promise<void> {
  // What it goes on with is at its end.
  const isResumed = / --resume( |$)/.test(command);
  const isTraining = /deno (task train|run -A launch\/train\.ts) /.test(command) &&
    !command.includes("--steps") && !isResumed;
  const isDecoding = command.includes("--decode ");
  const before = await newestRun(folder);
  const named = command.replace("runs/NAME", before);
  if (isDecoding) await trainAutoencoder(folder);
  const until = isTraining ? /step \d+\/\d+ · loss/ : undefined;
  const { code, said } = await runCommand(folder, named, until);
  assert.equal(code, isTraining ? 130 : 0, said);
  assert.doesNotMatch(said, /^(Failed|Wrong usage|Uncaught)/m);
  // The next commands are about the first run, except where they go on with one.
  const after = await newestRun(folder);
  if ((isTraining || isDecoding) && after !== before) {
    await Deno.remove(`${folder}/${after}`, { recursive: true });
  }
}

async function trainAutoencoder(folder: string): Promise<void> {
  const flags = "--dataset mnist --model conv-autoencoder --sequences 200";
  const { code, said } = await runCommand(folder, `deno task train ${flags} --epochs 1`);
  assert.equal(code, 0, said);
}

async function newestRun(folder: string): Promise<string> {
  const runs = [];
  for await (const { name } of Deno.readDir(`${folder}/runs`)) {
    const { mtime } = await Deno.stat(`${folder}/runs/${name}`);
    runs.push({ name, at: mtime!.getTime() });
  }
  return `runs/${runs.sort((a, b) => b.at - a.at)[0].name}`;
}

async function checkByHand(folder: string): Promise<void> {
  const lines = commands.filter((line) => /task (coordinator|worker) /.test(line));
  assert.deepEqual(lines, [
    "deno task coordinator --workers 2",
    "deno task worker --connect runs/NAME/connection.json",
  ]);
  const [head, worker] = lines;
  const coordinator = runCommand(folder, head, /step \d+\/\d+ · loss/);
  const deadline = systemClock.nowMs() + waitMsMax;
  let connection: string | undefined;
  while (connection === undefined && systemClock.nowMs() < deadline) {
    await delay(systemClock, 200);
    for await (const { name } of Deno.readDir(`${folder}/runs`)) {
      const path = `runs/${name}/connection.json`;
      if (await Deno.stat(`${folder}/${path}`).catch(() => undefined)) connection = path;
    }
  }
  if (connection === undefined) assert.fail((await coordinator).said);
  const command = worker.replace("runs/NAME/connection.json", connection);
  const [one, two] = await Promise.all([runCommand(folder, command), runCommand(folder, command)]);
  const { code, said } = await coordinator;
  assert.equal(code, 130, said);
  for (const each of [one, two]) assert.equal(each.code, 0, each.said);
}
