import assert from "node:assert/strict";
import type { Dataset } from "../../datasets/dataset.ts";
import { evaluationPictures } from "../../launch/evaluation_pictures.ts";
import type { SplitResult } from "../../worker/split_scores.ts";

Deno.test("evaluationPictures() calls a video that is the whole folder by the folder's name", () => {
  const drawn = (id: string, path: string | null) => {
    const frames = [1, 2, 3].map((error) => ({ frame: error, error, isAnomalous: false }));
    const scores = { timelines: () => [{ id, frames }], latentPlane: () => undefined };
    const dataset = { name: "Frames", frameShape: [8, 8, 1] } as unknown as Dataset;
    const [picture] = evaluationPictures("t", dataset, path, scores as never, {} as SplitResult);
    return picture.png;
  };
  assert.deepEqual(drawn(".", "/data/walk"), drawn("walk", null));
  assert.notDeepEqual(drawn(".", "/data/walk"), drawn(".", null));
});
