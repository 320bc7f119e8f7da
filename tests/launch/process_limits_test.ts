import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { limitProblem, limitsOf, ownLimits } from "../../launch/process_limits.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));

Deno.test("limitsOf reads the soft limits of /proc/self/limits", () => {
  const text = `Limit                     Soft Limit           Hard Limit           Units
Max cpu time              unlimited            unlimited            seconds
Max file size             20480                unlimited            bytes
Max open files            1024                 524288               files
`;
  assert.deepEqual(limitsOf(text), { openFiles: 1024, fileBytes: 20480 });
  const unlimited = { openFiles: Infinity, fileBytes: Infinity };
  assert.deepEqual(limitsOf("Max file size             unlimited  unlimited  bytes\n"), unlimited);
  assert.deepEqual(limitsOf(""), unlimited);
});

Deno.test("limitProblem names the limit, what is needed and how to raise it", () => {
  const ample = { openFiles: 1024, fileBytes: Infinity };
  assert.equal(limitProblem(1, ample), undefined);
  assert.equal(limitProblem(1, ownLimits()), undefined);
  assert.equal(limitProblem(2, { ...ample, openFiles: 144 }), undefined);
  assert.equal(
    limitProblem(2, { ...ample, openFiles: 143 }),
    "Cannot run with 143 open files (ulimit -n): 2 workers need 144; raise it with ulimit -n 4096",
  );
  assert.equal(
    limitProblem(1, { ...ample, fileBytes: 20480 }),
    "Cannot run with files of at most 20480 bytes (ulimit -f): logs and checkpoints are longer, " +
      "67108864 bytes at least; raise it with ulimit -f unlimited",
  );
});

Deno.test({
  name: "every command ends with one sentence where ulimit leaves too little",
  ignore: Deno.build.os !== "linux",
  async fn() {
    const cwd = await Deno.makeTempDir({ prefix: "lockstep-limits-" });
    try {
      const commands = {
        "start_train.ts": "--workers 2 --out run",
        "worker.ts": "--nats nats://127.0.0.1:1 --run r",
        "coordinator_by_hand.ts": "--workers 2 --out run",
        "evaluate.ts": "",
        "predict.ts": "",
      };
      const limits = [["-n 64", /64 open files \(ulimit -n\)/], ["-f 20", /20480 bytes/]] as const;
      for (const [script, args] of Object.entries(commands)) {
        for (const [limit, pattern] of limits) {
          const command = `ulimit ${limit}; exec "$0" run -A --no-check --config "$1/deno.json" ` +
            `"$1/launch/${script}" ${args}`;
          const { code, stderr } = await new Deno.Command("bash", {
            args: ["-c", command, Deno.execPath(), root],
            cwd,
            env: { NO_COLOR: "1" },
          }).output();
          const said = new TextDecoder().decode(stderr).trim();
          assert.equal(code, 2, said);
          assert.match(said, /^Wrong usage: Cannot run with .*; raise it with ulimit [^\n]*$/);
          assert.match(said, pattern);
        }
      }
      assert.deepEqual([...Deno.readDirSync(cwd)], []);
    } finally {
      await Deno.remove(cwd, { recursive: true });
    }
  },
});

Deno.test({
  name: "surviveFileLimit has a write that is too long fail, and ends no process",
  ignore: Deno.build.os !== "linux",
  async fn() {
    const folder = await Deno.makeTempDir({ prefix: "lockstep-limits-" });
    const script = `${folder}/write.ts`;
    try {
      // The runtime writes to its own caches while it begins: the limit comes after that.
      await Deno.writeTextFile(
        script,
        `import { surviveFileLimit } from ${JSON.stringify(`${root}launch/process_limits.ts`)};
        surviveFileLimit();
        const limit = ["--fsize=102400", "--pid", String(Deno.pid)];
        await new Deno.Command("prlimit", { args: limit }).output();
        try {
          Deno.writeFileSync(${JSON.stringify(`${folder}/long`)}, new Uint8Array(1 << 20));
        } catch (error) {
          console.log(error.message);
        }
        Deno.exit(7);`,
      );
      const { code, stdout } = await new Deno.Command(Deno.execPath(), {
        args: ["run", "-A", "--no-check", script],
        env: { NO_COLOR: "1" },
      }).output();
      assert.equal(code, 7);
      assert.match(new TextDecoder().decode(stdout), /File too large/);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});
