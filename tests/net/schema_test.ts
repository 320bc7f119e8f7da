import assert from "node:assert/strict";
import * as schema from "../../net/schema.ts";

function refused(check: schema.Schema<unknown>, value: unknown, message: string): void {
  assert.throws(
    () => check.check(value, "message"),
    { name: "SchemaError", message: `Cannot accept ${message}` },
  );
}

Deno.test("a schema names the field, what was expected and what came", () => {
  const step = schema.integer({ min: 0, max: 10 });
  const join = schema.object({
    worker: schema.string({ lengthMax: 3 }),
    steps: schema.array(step, { lengthMax: 2 }),
    device: schema.optional(schema.object({ threads: step })),
  });
  const good = { worker: "w1", steps: [1, 2], device: { threads: 2 } };
  assert.deepEqual(join.check(good, "message"), good);
  assert.deepEqual(join.check({ worker: "", steps: [] }, "message"), { worker: "", steps: [] });
  refused(join, null, "message: expected an object, got null");
  refused(join, [], "message: expected an object, got a list of 0");
  refused(join, new Date(), "message: expected an object, got an object");
  refused(join, {}, "message.worker: expected a string, got undefined");
  refused(join, { ...good, worker: "w100" }, "message.worker: length 4 is above the limit of 3");
  refused(join, { ...good, extra: 1 }, 'message: unknown field "extra"');
  refused(
    join,
    { ...good, steps: [1, 11] },
    "message.steps[1]: expected an integer from 0 to 10, got 11",
  );
  refused(join, { ...good, steps: [1, 2, 3] }, "message.steps: length 3 is above the limit of 2");
  refused(
    join,
    { ...good, device: { threads: "2" } },
    'message.device.threads: expected an integer, got "2"',
  );
});

Deno.test("numbers are finite unless told, and integers whole and safe", () => {
  const finite = schema.number();
  assert.equal(finite.check(-0.5, "x"), -0.5);
  refused(finite, NaN, "message: expected a finite number, got NaN");
  refused(finite, Infinity, "message: expected a finite number, got Infinity");
  refused(finite, 1n, "message: expected a finite number, got 1");
  assert.ok(Number.isNaN(schema.number({ finite: false }).check(NaN, "x")));
  const amount = schema.number({ min: 0 });
  assert.equal(amount.check(0.5, "x"), 0.5);
  refused(amount, -0.5, "message: expected a finite number of at least 0, got -0.5");
  refused(amount, NaN, "message: expected a finite number of at least 0, got NaN");
  const whole = schema.integer({ min: -5, max: Infinity });
  refused(whole, 1.5, "message: expected an integer, got 1.5");
  refused(whole, 2 ** 53, "message: expected an integer, got 9007199254740992");
});

Deno.test("bytes and typed arrays have limits in elements", () => {
  const values = schema.float32Array({ lengthMax: 2 });
  assert.deepEqual(values.check(new Uint8Array(8), "x"), new Float32Array(2));
  refused(values, new Uint8Array(12), "message: length 12 is above the limit of 8");
  refused(values, new Uint8Array(6), "message: 6 bytes are not whole 4-byte words");
  refused(values, [1, 2], "message: expected bytes, got a list of 2");
  const some = schema.bytes({ lengthMin: 1, lengthMax: 2 });
  refused(some, new Uint8Array(0), "message: expected at least 1 bytes, got 0 bytes");
});

Deno.test("a union is told apart by its tag, a literal by its value", () => {
  const either = schema.union("kind", {
    join: schema.object({ kind: schema.literal("join"), worker: schema.string({ lengthMax: 9 }) }),
    leave: schema.object({ kind: schema.literal("leave"), why: schema.literal("done", null) }),
  });
  const value = either.check({ kind: "leave", why: null }, "message");
  assert.equal(value.kind === "leave" ? value.why : "wrong variant", null);
  refused(either, { kind: "toString" }, 'message.kind: expected join or leave, got "toString"');
  refused(either, { worker: "w" }, "message.kind: expected join or leave, got undefined");
  refused(
    either,
    { kind: "leave", why: "bored" },
    'message.why: expected "done" or null, got "bored"',
  );
});

Deno.test("tuples and records check each of their values", () => {
  const pair = schema.tuple(schema.boolean(), schema.integer({ min: 0, max: 1 }));
  assert.deepEqual(pair.check([true, 1], "message"), [true, 1]);
  refused(pair, [true], "message: expected a list of 2, got a list of 1");
  refused(pair, [1, 1], "message[0]: expected true or false, got 1");
  const scores = schema.record(schema.number(), { sizeMax: 2 });
  assert.deepEqual(scores.check({ mse: 0.1, csi: 1 }, "message"), { mse: 0.1, csi: 1 });
  refused(scores, { a: 1, b: 2, c: 3 }, "message: length 3 is above the limit of 2");
  refused(scores, { a: null }, "message.a: expected a finite number, got null");
});
