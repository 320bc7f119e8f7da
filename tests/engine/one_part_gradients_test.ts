import { type Tensor, tf } from "../../engine/tf.ts";
import { assertClose } from "../models/close_to.ts";
import { testOnEachEngine } from "../models/each_engine.ts";

const operations: Record<string, (x: Tensor) => Tensor[]> = {
  "unstack of one": (x) => tf.unstack(x, 1),
  "split in one": (x) => tf.split(x, 1, 1),
};

for (const [name, parts] of Object.entries(operations)) {
  for (const length of [1, 2]) {
    testOnEachEngine(`the gradient of ${name}, with an axis of ${length}`, async (compile) => {
      const loss = (x: Tensor) =>
        tf.addN(parts(x).map((part, index) => tf.sum(tf.mul(tf.square(part), index + 1))));
      const gradient = compile("gradient", ([x]) => [tf.grad(loss)(x)]);
      const value = compile("value", ([x]) => [loss(x)]);
      const shape = [3, length, 2];
      const values = Float32Array.from({ length: 6 * length }, (_, i) => (i - 2.5) / 4);
      const call = async (run: typeof value, at: Float32Array) => {
        const x = tf.tensor(at, shape);
        const [result] = await run([x]);
        const found = (result.dataSync() as Float32Array).slice();
        tf.dispose([x, result]);
        return found;
      };
      const found = await call(gradient, values);
      const step = 1 / 128;
      const numeric: number[] = [];
      for (const [i, middle] of values.entries()) {
        const [above] = await call(value, values.with(i, middle + step));
        const [below] = await call(value, values.with(i, middle - step));
        numeric.push((above - below) / (2 * step));
      }
      assertClose(found, numeric, "gradient", { relative: 1e-3, floor: 1e-3 });
      gradient.dispose();
      value.dispose();
    });
  }
}
