/**
 * Which model file a checkpoint or `run.json` may have opened. A module is code. Neither its path nor
 * its hash in somebody's folder is a reason to run it, because whoever wrote the one wrote the other:
 * it takes the user's own `--model`. The recorded hash then tells whether it is the same source.
 */
import { resolve } from "node:path";
import { isModelFile, isModelModule, type ModelConfiguration } from "../net/run_configuration.ts";
import { UsageError } from "./flags.ts";
import { shellWord } from "./shell_word.ts";

/**
 * @param saved of the checkpoint or run
 * @param named what the user gives with `--model`
 * @param action for the sentence, e.g. "open runs/a"
 * @returns a built-in model's name or the absolute path of a file
 * @throws {UsageError} saying which flag to give or to leave out
 */
export function namedModel(
  saved: Pick<ModelConfiguration, "name">,
  named: string | undefined,
  action: string,
): string {
  if (named === undefined) {
    if (!isModelModule(saved.name)) return saved.name;
    throw new UsageError(
      `Cannot ${action}: its model is the module ${saved.name}, and what lies in a run's folder has ` +
        `no code run; if you trust that file, add --model ${shellWord(saved.name)}`,
    );
  }
  const name = isModelFile(named) ? resolve(named) : named;
  const isAlike = isModelFile(saved.name)
    ? isModelFile(name) && isModelModule(name) === isModelModule(saved.name)
    : name === saved.name;
  if (isAlike) return name;
  throw new UsageError(
    `Cannot ${action} with --model ${named}: its model is ${saved.name}; ` +
      (isModelModule(saved.name) ? "name that file" : "leave --model out"),
  );
}

/** The `--model` that an own run needs to go on, with a space before it; "" where it needs none. */
export function modelFlag({ name }: Pick<ModelConfiguration, "name">): string {
  return isModelModule(name) ? ` --model ${shellWord(name)}` : "";
}
