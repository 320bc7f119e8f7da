import assert from "node:assert/strict";
import { exitCodes } from "../../launch/exit_codes.ts";
import { delay, systemClock } from "../../net/clock.ts";
import { decode, type Encodable, encode } from "../../net/codec.ts";
import {
  messageBytesMax,
  protocolVersion,
  replySchema,
  runSubjects,
  workerSubjects,
} from "../../net/messages.ts";
import { connectNats } from "../../net/nats_transport.ts";
import type { Transport } from "../../net/transport.ts";
import { natsServerMissing, startTestServer } from "../support/nats_server.ts";
import { tinyRun, undisturbedTinyRun } from "../support/tiny_run.ts";
import { type TinyCluster, tinyRunName, withTinyCluster } from "../support/tiny_cluster.ts";

const ignore = natsServerMissing;

async function ask(transport: Transport, subject: string, body: Uint8Array): Promise<string> {
  const answer = await transport.request(subject, body, { timeoutMs: 5000 });
  const { ok, text } = decode(answer, replySchema, { bytesMax: messageBytesMax });
  assert.equal(ok, false, text);
  return text;
}

/** A run of two workers that has begun, and its end, which nothing may change. */
async function withRun(
  changed: Partial<typeof tinyRun>,
  body: (cluster: TinyCluster) => Promise<void>,
): Promise<void> {
  const configuration = { ...tinyRun, epochs: null, workers: 2, ...changed };
  await withTinyCluster(configuration, async (cluster) => {
    for (const name of ["w0", "w1"]) cluster.startWorker(name, `process of ${name}`);
    await body(cluster);
    const end = await cluster.coordinator.ended;
    const undisturbed = await undisturbedTinyRun({ ...configuration, steps: end.step });
    assert.equal(end.parametersSha256, undisturbed.parametersSha256);
    assert.equal(end.restarts, 0);
  });
}

Deno.test({
  name: "a worker of another version is refused by both versions' numbers; the run goes on",
  ignore,
  fn: () =>
    withRun({ steps: 40 }, async ({ connect, told }) => {
      const stranger = await connect();
      const { join } = workerSubjects(tinyRunName, "stranger");
      const both = (version: string) =>
        `it speaks version ${version} of the protocol, the coordinator ${protocolVersion}; ` +
        "install the same Lockstep everywhere";
      const other = (protocol: number, more: Record<string, Encodable> = {}) =>
        ask(stranger, join, encode({ protocol, ...more }));
      const [older, newer] = [protocolVersion - 1, protocolVersion + 1];
      assert.equal(await other(older, { worker: "stranger", where: "here" }), both(`${older}`));
      assert.equal(await other(newer, { session: { nonce: [1, 2] } }), both(`${newer}`));
      assert.equal(await other(0), both("0"));
      // As they asked before 3, on a subject that has no name in it.
      const { joinBefore3 } = runSubjects(tinyRunName);
      assert.equal(
        await ask(stranger, joinBefore3, encode({ protocol: 2, worker: "w9", where: "here" })),
        both("2 or older"),
      );
      for (const protocol of ["3", null, -1, 1.5, [3], { version: 3 }]) {
        assert.match(await ask(stranger, join, encode({ protocol })), /^Cannot accept join\.proto/);
      }
      for (const bytes of [[], [0xc1], [0x81, 0xa8], [0xff, 0xff, 0xff], [0xdd, 255, 255, 0, 0]]) {
        assert.match(await ask(stranger, join, new Uint8Array(bytes)), /^Cannot /);
      }
      await stranger.close();
      assert.deepEqual(
        told.map((sentence) => sentence.split(":")[0]),
        ['Refused a message of "stranger" on join'],
      );
    }),
});

Deno.test({
  name: "a worker process that is refused says why in one sentence and exits with 1",
  ignore,
  async fn() {
    const server = await startTestServer();
    const other = await connectNats({ servers: server.url, name: "another version" });
    try {
      const text = "it speaks version 3 of the protocol, the coordinator 4; install the same";
      other.subscribe(
        `${runSubjects("other").from}.*.join`,
        (message) => message.respond(encode({ ok: false, text })),
      );
      await other.flush();
      const worker = new URL("../../launch/worker.ts", import.meta.url).pathname;
      const { code, stderr } = await new Deno.Command(Deno.execPath(), {
        args: ["run", "-A", worker, "--nats", server.url, "--run", "other", "--name", "w0"],
        stdout: "null",
      }).output();
      const said = new TextDecoder().decode(stderr);
      assert.equal(said, `Failed: The coordinator refused: ${text}\n`);
      assert.equal(code, exitCodes.failed);
    } finally {
      await other.close();
      await server.stop();
    }
  },
});

Deno.test({
  name: "of two workers of one name exactly one takes part, 20 times; the other says why",
  ignore,
  fn: () =>
    withRun({ steps: 4000, snapshotSteps: 2 }, async ({ startWorker, coordinator }) => {
      for (let round = 0; round < 20; round++) {
        const name = `twin-${round}`;
        const twins = ["here", "there"].map((where) => startWorker(name, `process 1 ${where}`));
        const fates = twins.map(({ ended }) => ended.then(() => "left", (error) => String(error)));
        const first = await Promise.race(fates);
        assert.match(
          first,
          new RegExp(
            `^RunEndedError: The coordinator refused: a worker named "${name}" has already ` +
              "joined from process 1 (here|there); give another --name$",
          ),
        );
        const other = twins[first.includes("from process 1 here") ? 0 : 1];
        await other.joined;
        other.leave();
        assert.deepEqual((await Promise.all(fates)).sort(), [first, "left"].sort());
      }
      coordinator.stop();
    }),
});

Deno.test({
  name: "who sends malformed messages is heard no more, and the run never notices",
  ignore,
  fn: () =>
    withRun({ steps: 60 }, async ({ connect, told, path }) => {
      const hostile = await connect();
      const subjects = Object.values(workerSubjects(tinyRunName, "mallory"));
      for (let sent = 0; sent < 2000; sent++) {
        hostile.publish(subjects[sent % subjects.length], new Uint8Array([0xc1, sent & 255]));
      }
      await hostile.flush();
      while (!told.some((sentence) => sentence.includes("heard any more"))) {
        await delay(systemClock, 5);
      }
      const { join } = workerSubjects(tinyRunName, "mallory");
      const asked = encode({ protocol: protocolVersion, where: "here" });
      assert.equal(await ask(hostile, join, asked), "it sent too many malformed messages");
      await hostile.close();
      assert.equal(told.length, 2, told.join("\n"));
      assert.match(told[0], /^Refused a message of "mallory" on join: /);
      assert.match(
        told[1],
        /^"mallory" is not heard any more: it sent too many malformed messages, the last on \w+: /,
      );
      const journal = (await Deno.readTextFile(`${path}/journal.jsonl`)).trimEnd().split("\n");
      const dropped = journal.map((line) => JSON.parse(line)).filter(({ dropped }) => dropped);
      assert.deepEqual(dropped.map((entry) => entry.dropped), [told[1]]);
    }),
});
