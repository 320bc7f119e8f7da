/**
 * Asks the engine where libtensorflow is, in a process of its own: to know its version the library
 * has to be loaded, and the launcher should neither keep 850 MB mapped for that, nor show the
 * library's greetings, nor end with it if a broken one crashes.
 */
import { type Environment, locateTensorFlow } from "../engine/tensorflow/locate.ts";

export interface FoundTensorFlow {
  readonly path: string;
  readonly version: string;
}

interface Answer {
  readonly found?: FoundTensorFlow;
  readonly error?: string;
}

/** Loading takes half a second; from a cold network disk much longer. */
const LOAD_TIMEOUT_MS = 120_000;

/**
 * The libtensorflow that the engine would use, or undefined.
 * @throws {Error} if `TF_LIBRARY` names a file that cannot be used, or the library crashes
 */
export async function findTensorFlow(
  environment: Environment,
): Promise<FoundTensorFlow | undefined> {
  const names = ["TF_LIBRARY", "LOCKSTEP_CACHE", "XDG_CACHE_HOME", "PATH"];
  const { code, signal, stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", import.meta.url],
    env: Object.fromEntries(names.map((name) => [name, environment(name) ?? ""])),
    stdin: "null",
    stdout: "piped",
    stderr: "null",
    signal: AbortSignal.timeout(LOAD_TIMEOUT_MS),
  }).output();
  let answer: Answer;
  try {
    answer = JSON.parse(new TextDecoder().decode(stdout));
  } catch {
    const end = signal ?? `exit code ${code}`;
    throw new Error(`Cannot load libtensorflow: the process that tried ended with ${end}`);
  }
  if (answer.error !== undefined) throw new Error(answer.error);
  return answer.found;
}

if (import.meta.main) {
  let answer: Answer;
  try {
    answer = { found: await locateTensorFlow() };
  } catch (error) {
    answer = { error: (error as Error).message };
  }
  await Deno.stdout.write(new TextEncoder().encode(JSON.stringify(answer)));
  // At once: the library is not made to be unloaded, which an ordinary end would do.
  Deno.exit(0);
}
