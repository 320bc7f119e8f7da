import assert from "node:assert/strict";
import { seq2seqConvLstm } from "../../models/seq2seq_convlstm.ts";
import { assertClose } from "./close_to.ts";
import { firstValues, parameterCount } from "./model_checks.ts";

Deno.test("seq2seqConvLstm has the published program's parameters", () => {
  const model = seq2seqConvLstm({
    frameShape: [64, 64, 1],
    filters: 64,
    kernelSize: 3,
    inputFrames: 10,
    outputFrames: 10,
    decoderInput: "own",
  });
  const cell = (channels: number) => 9 * (channels + 64) * 256 + 256;
  assert.equal(parameterCount(model), cell(1) + 3 * cell(64) + 9 * 64 + 1);
});

Deno.test("seq2seqConvLstm draws pixels that begin at the mean it is told", () => {
  const model = seq2seqConvLstm({
    frameShape: [4, 4, 2],
    filters: 2,
    kernelSize: 3,
    inputFrames: 2,
    outputFrames: 2,
    decoderInput: "own",
    outputMean: 0.1,
  });
  const logit = Math.log(0.1 / 0.9);
  assertClose(firstValues(model, "head/bias"), [logit, logit], "bias");
});
