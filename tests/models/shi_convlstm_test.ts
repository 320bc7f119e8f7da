import assert from "node:assert/strict";
import { shiConvLstm, type ShiConvLstmOptions } from "../../models/shi_convlstm.ts";
import { assertClose } from "./close_to.ts";
import { firstValues, parameterCount } from "./model_checks.ts";

type Network = Pick<
  ShiConvLstmOptions,
  "cell" | "filters" | "inputKernelSize" | "stateKernelSize"
>;

Deno.test("shiConvLstm has the parameters of the six published networks", () => {
  const convolutional = (inputKernelSize: number, stateKernelSize: number, filters: number[]) =>
    ({ cell: "convlstm", filters, inputKernelSize, stateKernelSize }) as const;
  // Shi et al. 2015, table 1.
  const networks: [Network, number][] = [
    [
      { cell: "fc-lstm", filters: [2048, 2048], inputKernelSize: 1, stateKernelSize: 1 },
      142_667_776,
    ],
    [convolutional(5, 5, [256]), 13_524_496],
    [convolutional(5, 5, [128, 128]), 10_042_896],
    [convolutional(5, 5, [128, 64, 64]), 7_585_296],
    [convolutional(9, 1, [128, 128]), 11_550_224],
    [convolutional(9, 1, [128, 64, 64]), 8_830_480],
  ];
  for (const [network, published] of networks) {
    const model = shiConvLstm({
      ...network,
      frameShape: [64, 64, 1],
      patch: 4,
      inputFrames: 10,
      outputFrames: 10,
    });
    assert.equal(parameterCount(model), published, JSON.stringify(network));
    assert.equal(model.loss, "bce");
  }
});

Deno.test("shiConvLstm draws pixels that begin at the mean it is told, with either cell", () => {
  for (const cell of ["convlstm", "fc-lstm"] as const) {
    const options = { cell, filters: [2], inputKernelSize: 3, stateKernelSize: 3, patch: 2 };
    const frames = { frameShape: [2, 2, 1], inputFrames: 1, outputFrames: 1 } as const;
    const begin = firstValues(shiConvLstm({ ...options, ...frames, outputMean: 0.1 }), "head/bias");
    assertClose(begin, new Array(4).fill(Math.log(0.1 / 0.9)), cell);
  }
});
