/** TensorFlow's own definitions tell which inputs are lists. */
import assert from "node:assert/strict";
import { openTensorFlow } from "../../../engine/tensorflow/locate.ts";
import { OpDefinitions } from "../../../engine/tensorflow/op_definition.ts";
import { tensorFlow } from "./with_engine.ts";

Deno.test(
  "OpDefinitions.split finds the lists of an op",
  { ignore: tensorFlow === undefined },
  () => {
    const definitions = new OpDefinitions(openTensorFlow(tensorFlow!.path).library);
    assert.deepEqual(definitions.split("AddV2", [1, 2], []), [1, 2]);
    assert.deepEqual(definitions.split("ConcatV2", [1, 2, 3], []), [[1, 2], 3]);
    assert.deepEqual(definitions.split("Pack", [1], []), [[1]]);
    assert.deepEqual(definitions.split("Einsum", [1, 2], []), [[1, 2]]);
    assert.deepEqual(definitions.split("IdentityN", [1, 2, 3], []), [[1, 2, 3]]);
    assert.deepEqual(definitions.split("Print", [1, 2, 3], []), [1, [2, 3]]);
    // Two lists of one length: the attribute tells it.
    const lengths = [{ name: "N", type: 1, value: 2 }];
    assert.deepEqual(definitions.split("DynamicStitch", [1, 2, 3, 4], lengths), [[1, 2], [3, 4]]);
    assert.throws(
      () => definitions.split("AddV2", [1, 2, 3], []),
      /takes 2 inputs here, .* given 3/,
    );
    assert.throws(() => definitions.split("NoSuchOp", [], []), /Cannot find .* op "NoSuchOp"/);
  },
);
