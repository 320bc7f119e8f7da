/** The course of a run as `training.png` in its folder, drawn from its `metrics.jsonl`. */
import { modelTitle, type RunConfiguration } from "../net/run_configuration.ts";
import { drawTraining } from "../report/picture_thread.ts";
import { diskFileSystem, replaceFile } from "./file_system.ts";

/**
 * @param folder the run's
 * @returns the picture's path; undefined before the first step, which leaves nothing to draw
 * @throws {Error} if it cannot be drawn or written
 */
export async function writeTrainingPicture(
  folder: string,
  { dataset, model }: Pick<RunConfiguration, "dataset" | "model">,
): Promise<string | undefined> {
  const title = `${dataset.name}, ${modelTitle(model.name)}`;
  const png = await drawTraining(title, `${folder}/metrics.jsonl`);
  if (png === undefined) return undefined;
  const path = `${folder}/training.png`;
  await replaceFile(diskFileSystem, path, png);
  return path;
}
