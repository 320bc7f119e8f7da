/**
 * Runs tfjs-core's own tests on the engine `tensorflow`, without those that tfjs-node ignores. Ends
 * with 1 if a test fails that `known_failures.ts` does not explain, or if one that it explains passes.
 */
import jasmineCore from "jasmine-core";
import { fileURLToPath, pathToFileURL } from "node:url";
import { openEngine } from "../../../engine/open_engine.ts";
import { locateTensorFlow } from "../../../engine/tensorflow/locate.ts";
import { bundleSuite } from "./bundle_suite.ts";
import { KNOWN_FAILURES } from "./known_failures.ts";

/** A test of TensorFlow.js takes milliseconds; its asynchronous ones wait for nothing but the CPU. */
const TEST_TIMEOUT_MS = 60_000;

interface SpecResult {
  readonly fullName: string;
  readonly status: string;
  readonly failedExpectations: readonly { readonly message: string }[];
}

/** The parts of Jasmine that are used; it comes without types. */
interface Jasmine {
  DEFAULT_TIMEOUT_INTERVAL: number;
  getEnv(): {
    configure(options: {
      random?: boolean;
      forbidDuplicateNames?: boolean;
      specFilter?(spec: { getFullName(): string }): boolean;
    }): void;
    addReporter(reporter: { specDone(result: SpecResult): void }): void;
    execute(): Promise<unknown>;
  };
}

/** The names, or parts of names, of tests that tfjs-node leaves out, read from its own test runner. */
function ignoredByTfjsNode(): readonly string[] {
  const path = fileURLToPath(import.meta.resolve("@tensorflow/tfjs-node-gpu/dist/run_tests.js"));
  const source = Deno.readTextFileSync(path);
  const list = /var IGNORE_LIST = (\[[^]*?\n\]);/.exec(source)?.[1];
  if (list === undefined) throw new Error(`Cannot find tfjs-node's IGNORE_LIST in "${path}"`);
  const names: unknown = new Function(`return ${list}`)();
  return names as string[];
}

async function runSpecs(): Promise<SpecResult[]> {
  const jasmine: Jasmine = jasmineCore.boot();
  jasmine.DEFAULT_TIMEOUT_INTERVAL = TEST_TIMEOUT_MS;
  const env = jasmine.getEnv();
  env.configure({ random: false, forbidDuplicateNames: false }); // tfjs-core has two "div" suites
  const bundle = await Deno.makeTempFile({ prefix: "lockstep-tfjs-core-", suffix: ".mjs" });
  try {
    await bundleSuite(bundle);
    await import(pathToFileURL(bundle).href);
  } finally {
    await Deno.remove(bundle);
  }
  const ignored = ignoredByTfjsNode();
  const results: SpecResult[] = [];
  env.configure({
    specFilter: (spec) => !ignored.some((part) => spec.getFullName().includes(part)),
  });
  env.addReporter({ specDone: (result) => void results.push(result) });
  await env.execute();
  return results;
}

/** Prints the counts and the failures, and returns the exit code. */
function report(results: readonly SpecResult[]): number {
  const withStatus = (status: string) => results.filter((result) => result.status === status);
  const [passed, failed] = [withStatus("passed"), withStatus("failed")];
  const skipped = results.length - passed.length - failed.length;
  const unexplained = failed.filter(({ fullName }) => !KNOWN_FAILURES.has(fullName));
  const stale = passed.filter(({ fullName }) => KNOWN_FAILURES.has(fullName));
  for (const { fullName, failedExpectations } of failed) {
    const reason = KNOWN_FAILURES.get(fullName) ?? failedExpectations[0]?.message ?? "";
    const kind = KNOWN_FAILURES.has(fullName) ? "known" : "FAILED";
    console.log(`${kind}: ${fullName}\n  ${reason.slice(0, 300)}`);
  }
  for (const { fullName } of stale) {
    console.log(`STALE: ${fullName}\n  It passes now: remove it from known_failures.ts`);
  }
  console.log(`${passed.length} passed, ${failed.length} failed, ${skipped} skipped`);
  if (passed.length === 0) console.log("FAILED: no test ran");
  return unexplained.length + stale.length > 0 || passed.length === 0 ? 1 : 0;
}

if (import.meta.main) {
  if (await locateTensorFlow() === undefined) {
    console.log("0 passed, 0 failed, 0 skipped: no libtensorflow found");
    Deno.exit(0);
  }
  const engine = await openEngine("tensorflow", { threads: 2, precision: "float32" });
  console.log(`tfjs-core's tests on ${engine.version}, ${engine.device}`);
  const exitCode = report(await runSpecs());
  engine.dispose();
  Deno.exit(exitCode);
}
