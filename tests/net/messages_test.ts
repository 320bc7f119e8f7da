import assert from "node:assert/strict";
import { decode, type Encodable, encode } from "../../net/codec.ts";
import {
  beginSchema,
  coordinatorMessageSchema,
  finishedSchema,
  heartbeatSchema,
  joinSchema,
  leaveSchema,
  messageBytesMax,
  pictureSchema,
  progressSchema,
  readReplySchema,
  readSchema,
  readySchema,
  replySchema,
  rollbackSchema,
  runSubjects,
  senderAndVerb,
  snapshotSchema,
  validatingSchema,
  validationSchema,
  workerSubjects,
  writeSchema,
} from "../../net/messages.ts";
import type { Schema } from "../../net/schema.ts";
import { isPublishSubject, subjectMatches } from "../../net/subjects.ts";

type Fields = { readonly [name: string]: Encodable };

const bytes = new Uint8Array([1, 2, 3, 4]);
const spec = { name: "layer0/kernel", shape: [3, 3, 1, 64] };
const position = { step: 12, epoch: 1, planStep: 3 };

/** One sound message of each kind. */
const messages: readonly (readonly [name: string, schema: Schema<unknown>, message: Fields])[] = [
  ["reply", replySchema, { ok: true, text: "" }],
  ["readReply", readReplySchema, { ok: true, text: "", totalBytes: 4, data: bytes }],
  ["join", joinSchema, { protocol: 1, where: "process 7 on host" }],
  ["ready", readySchema, {
    engine: "tensorflow",
    engineVersion: "TensorFlow 2.21.0",
    device: "CPU",
    precision: "float32",
    parameterCount: 577,
    fingerprint: "f".repeat(64),
    dataset: "Moving digits",
    frameShape: [64, 64, 1],
    parameters: [spec],
    states: [spec],
    slots: ["adam/m", "adam/v"],
    window: { frames: 20, predictions: 10 },
  }],
  ["begin", beginSchema, { generation: 3, where: "process 7 on host" }],
  ["heartbeat", heartbeatSchema, { generation: 3, where: "process 7 on host", heardMs: 250 }],
  ["leave", leaveSchema, {}],
  ["progress", progressSchema, {
    generation: 3,
    ...position,
    planSteps: 80,
    epochLoss: 0.25,
    loss: 0.125,
    learningRate: 0.001,
    frames: 120,
    fault: "",
    seconds: 0.5,
    paddedShare: 0.25,
  }],
  ["validating", validatingSchema, { generation: 3, done: 1, total: 12 }],
  ["write", writeSchema, {
    generation: 3,
    vector: "lane/3",
    totalBytes: 4,
    offset: 0,
    data: bytes,
  }],
  ["read", readSchema, { generation: 3, vector: "lane/3", offset: 0, bytes: 1024 }],
  ["snapshot", snapshotSchema, { generation: 3, save: true, ...position }],
  ["rollback", rollbackSchema, { generation: 3, step: 12, fault: "its loss is NaN" }],
  ["validation", validationSchema, {
    generation: 3,
    step: 12,
    epoch: 1,
    shards: [{ shard: 0, lossSum: 0.5, persistenceSum: 1.5, weightSum: 4096 }],
  }],
  ["picture", pictureSchema, {
    generation: 3,
    step: 12,
    height: 64,
    width: 64,
    channels: 1,
    isLast: true,
    samples: [{ label: "test/000001", frames: 20, firstPredicted: 1 }],
    answers: { classes: ["background", "ball"] },
  }],
  ["finished", finishedSchema, {
    generation: 3,
    reason: "done",
    step: 12,
    parametersSha256: "a".repeat(64),
    failure: "",
  }],
  ["start", coordinatorMessageSchema, {
    type: "start",
    generation: 1,
    members: ["w0", "w1"],
    ...position,
    restore: true,
    skipUpTo: 0,
  }],
  ["rejoin", coordinatorMessageSchema, { type: "rejoin", worker: "w0", where: "process 7" }],
  ["stop", coordinatorMessageSchema, { type: "stop", life: "a1" }],
  ["end", coordinatorMessageSchema, { type: "end", reason: "a worker failed", life: "a1" }],
];

/** What may be left out. */
const leftOut = [
  "ready.window",
  "picture.answers",
  "readReply.totalBytes",
  "readReply.data",
  "rejoin.where",
  "stop.life",
  "end.life",
];

function roundTrip<T>(schema: Schema<T>, message: Encodable): T {
  return decode(encode(message), schema, { bytesMax: messageBytesMax });
}

for (const [name, schema, message] of messages) {
  Deno.test(`message "${name}" arrives as it was sent, whole or not at all`, () => {
    assert.deepEqual(roundTrip(schema, message), message);
    for (const field of Object.keys(message)) {
      const { [field]: _, ...rest } = message;
      const without = () => roundTrip(schema, rest);
      if (leftOut.includes(`${name}.${field}`)) assert.deepEqual(without(), rest);
      else assert.throws(without, { name: "SchemaError" }, `without ${field}`);
      // No field takes a value of another kind: a text for a number, anything else for a text.
      for (const wrong of [null, typeof message[field] === "number" ? "12" : 12, { a: 1 }]) {
        const altered = { ...message, [field]: wrong };
        assert.throws(() => roundTrip(schema, altered), { name: "SchemaError" }, field);
      }
    }
    const extra = () => roundTrip(schema, { ...message, added: 1 });
    assert.throws(extra, { name: "SchemaError", message: /unknown field "added"/ });
  });
}

Deno.test("messages have limits: values beyond them are refused", () => {
  const beyond: [Schema<unknown>, Fields][] = [
    [coordinatorMessageSchema, { type: "rejoin", worker: "w".repeat(65) }],
    [heartbeatSchema, { generation: 2 ** 53, where: "" }],
    [snapshotSchema, { generation: 1, save: true, ...position, step: -1 }],
    [snapshotSchema, { generation: 1, save: true, ...position, step: 1.5 }],
    [finishedSchema, { ...messages.find(([name]) => name === "finished")![2], reason: "other" }],
    [coordinatorMessageSchema, { type: "other" }],
    [readySchema, {
      ...messages.find(([name]) => name === "ready")![2],
      window: { frames: 0, predictions: 0 },
    }],
    [joinSchema, { protocol: 1, where: "x".repeat(257) }],
    [coordinatorMessageSchema, { type: "end", reason: "x".repeat(4097) }],
    [readSchema, { generation: 1, vector: "a", offset: 0, bytes: (1 << 23) + 1 }],
    [readSchema, { generation: 1, vector: "a", offset: 0, bytes: 0 }],
    [readSchema, { generation: 1, vector: "a", offset: 2 ** 41, bytes: 1 }],
    [coordinatorMessageSchema, {
      type: "start",
      generation: 1,
      members: new Array(1025).fill("w"),
      ...position,
      restore: false,
      skipUpTo: 0,
    }],
  ];
  for (const [schema, message] of beyond) {
    assert.throws(() => roundTrip(schema, message), { name: "SchemaError" });
  }
  // The longest part of a vector still is a message.
  const data = new Uint8Array(1 << 23);
  const part = {
    generation: 2 ** 53 - 1,
    vector: "v".repeat(256),
    totalBytes: 2 ** 40,
    offset: 2 ** 40,
    data,
  };
  assert.ok(encode(part).length <= messageBytesMax);
});

Deno.test("runSubjects are valid, distinct and apart from those of other runs", () => {
  const all = (run: string) => [
    ...Object.values(runSubjects(run)),
    ...["w0", "w1"].flatMap((worker) => Object.values(workerSubjects(run, worker))),
  ];
  const subjects = all("a1b2");
  assert.equal(new Set(subjects).size, subjects.length);
  for (const subject of subjects) {
    assert.ok(isPublishSubject(subject), subject);
    assert.ok(subjectMatches("lockstep.a1b2.>", subject), subject);
  }
  assert.ok(all("a1b").every((subject) => !subjects.includes(subject)));
});

Deno.test("senderAndVerb() reads a subject, and knows no sender whose name none could have", () => {
  const subjects = workerSubjects("a1b2", "host-12-ab3");
  for (const [verb, subject] of Object.entries(subjects)) {
    assert.deepEqual(senderAndVerb(subject), { worker: "host-12-ab3", verb });
  }
  for (const name of ["a*", "a b", "\x1b[2J", "w\n", "é", "a/b", "x".repeat(65)]) {
    assert.equal(senderAndVerb(`lockstep.a1b2.from.${name}.join`).worker, undefined, name);
  }
});
