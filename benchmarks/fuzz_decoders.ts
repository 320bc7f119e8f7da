/**
 * Every reader of bytes from elsewhere, on well-formed samples that were broken: bits flipped, cut,
 * spliced, lengths raised. A reader either accepts or throws its own kind of error; anything else is
 * a fault, and so is one that takes long or keeps memory.
 */
import { createHash } from "node:crypto";
import { createChunkCodec } from "../collective/chunk_message.ts";
import { createCreditCodec } from "../collective/credit_message.ts";
import { CheckpointError, decodeManifest } from "../coordinator/checkpoint_manifest.ts";
import {
  decodeSafetensors,
  encodeSafetensors,
  SafetensorsError,
} from "../coordinator/safetensors.ts";
import { DatasetError } from "../datasets/dataset.ts";
import { parseFmiComposite } from "../datasets/fmi_composite.ts";
import { parseIdxImages } from "../datasets/idx.ts";
import { openNpy } from "../datasets/npy.ts";
import { readConnection } from "../launch/connection_file.ts";
import { UsageError } from "../launch/flags.ts";
import { defaultRun } from "../launch/run_flags.ts";
import type { Clock } from "../net/clock.ts";
import { decode, type Encodable, encode } from "../net/codec.ts";
import { ConfigurationError, readRunConfiguration } from "../net/configuration_schema.ts";
import * as messages from "../net/messages.ts";
import type { Random } from "../net/random.ts";
import { type Schema, SchemaError } from "../net/schema.ts";

type Bytes = Uint8Array<ArrayBuffer>;

export interface Decoder {
  readonly name: string;
  readonly samples: readonly Bytes[];
  /** Returns or throws; a promise where it must read a file. */
  readonly decode: (bytes: Bytes) => unknown;
  /** What it may throw. */
  readonly refusal: new (message: string) => Error;
  /** Of all inputs; files are slower than messages. */
  readonly share: number;
}

export interface DecoderReport {
  readonly decoder: string;
  readonly inputs: number;
  readonly accepted: number;
  readonly refused: number;
  /** Errors of another kind than the decoder's own. */
  readonly crashes: number;
  readonly slowestMs: number;
  /** The first crash, in words. */
  readonly example?: string;
}

const generation = 3;
const at = { step: 7, epoch: 1, planStep: 2 };
const array = { name: "layer0/kernel", shape: [3, 3, 1, 8] };

/** One well-formed message for each verb of a worker. */
export const verbSamples: Readonly<
  Record<messages.WorkerVerb, readonly [Schema<unknown>, Encodable]>
> = {
  join: [messages.joinSchema, { protocol: messages.protocolVersion, where: "here" }],
  ready: [messages.readySchema, {
    engine: "tensorflow",
    engineVersion: "2",
    device: "CPU",
    precision: "float32",
    parameterCount: 227,
    fingerprint: "ab".repeat(32),
    dataset: "digits",
    frameShape: [64, 64, 1],
    parameters: [array, array],
    states: [array],
    slots: ["adam/m", "adam/v"],
    window: { frames: 20, predictions: 10 },
  }],
  begin: [messages.beginSchema, { generation, where: "here" }],
  write: [messages.writeSchema, {
    generation,
    vector: "lane/3",
    totalBytes: 4096,
    offset: 1024,
    data: new Uint8Array(64),
  }],
  read: [messages.readSchema, { generation, vector: "parameters", offset: 0, bytes: 4096 }],
  snapshot: [messages.snapshotSchema, { generation, save: true, ...at }],
  rollback: [messages.rollbackSchema, { generation, step: 7, fault: "NaN" }],
  progress: [messages.progressSchema, {
    generation,
    ...at,
    planSteps: 9,
    loss: 0.5,
    epochLoss: 0.6,
    learningRate: 0.01,
    frames: 120,
    fault: "",
    seconds: 0.25,
    paddedShare: 0,
  }],
  validation: [messages.validationSchema, {
    generation,
    step: 7,
    epoch: 1,
    shards: [
      { shard: 0, lossSum: 0.5, persistenceSum: 0.75, weightSum: 12 },
      { shard: 1, lossSum: 0.25, correctSum: 3, weightSum: 12 },
    ],
  }],
  pictures: [messages.pictureSchema, {
    generation,
    step: 7,
    height: 64,
    width: 64,
    channels: 1,
    isLast: false,
    samples: [{ label: "test/0", frames: 20, firstPredicted: 10 }],
  }],
  finished: [messages.finishedSchema, {
    generation,
    reason: "done",
    step: 7,
    parametersSha256: "cd".repeat(32),
    failure: "",
  }],
  heartbeat: [messages.heartbeatSchema, { generation, where: "here", attempt: 1, heardMs: 12345 }],
  leave: [messages.leaveSchema, {}],
  validating: [messages.validatingSchema, { generation, done: 3, total: 9 }],
  stalled: [messages.stalledSchema, { generation, missing: ["w0", "w1"] }],
  accuse: [messages.accuseSchema, { generation, accused: "w1" }],
};

/** What the coordinator says. */
const coordinatorSamples: Readonly<Record<string, readonly [Schema<unknown>, Encodable]>> = {
  reply: [messages.replySchema, { ok: true, text: "{}", life: "first" }],
  "reply to read": [messages.readReplySchema, {
    ok: true,
    text: "",
    totalBytes: 4096,
    data: new Uint8Array(64),
  }],
  workers: [messages.coordinatorMessageSchema, {
    type: "start",
    generation,
    members: ["w0", "w1"],
    ...at,
    restore: true,
    skipUpTo: 0,
  }],
};

export const chunkBytesMax = 4096;

export function createDecoders(folder: string): Decoder[] {
  const chunks = createChunkCodec(chunkBytesMax);
  const chunk = new Uint8Array(chunks.bufferBytes);
  const credits = createCreditCodec(1000);
  const tensors = encodeSafetensors([
    { name: "a", shape: [2, 3], values: new Float32Array(6) },
    { name: "b/c", shape: [4], values: new Float32Array(4) },
  ]);
  const path = `${folder}/input`;
  const written = (bytes: Bytes) => Deno.writeFileSync(path, bytes, { mode: 0o600 });
  return [
    ...Object.entries({ ...verbSamples, ...coordinatorSamples }).map((
      [each, [schema, value]],
    ): Decoder => ({
      name: `message ${each}`,
      samples: [new Uint8Array(encode(value))],
      decode: (bytes) => decode(bytes, schema, { bytesMax: messages.messageBytesMax }),
      refusal: SchemaError,
      share: 0.08,
    })),
    {
      name: "gradient chunk",
      samples: [new Uint8Array(chunks.encode(chunk, [3, 1, 12, 7, 0, 2, new Uint8Array(64)]))],
      decode: chunks.decode,
      refusal: SchemaError,
      share: 0.06,
    },
    {
      name: "credit",
      samples: [
        new Uint8Array(encode([3, 1, 0, 12, 11, 7, new Uint8Array(8), 7, new Uint8Array(4)])),
      ],
      decode: credits.decode,
      refusal: SchemaError,
      share: 0.04,
    },
    {
      name: "safetensors",
      samples: [new Uint8Array(tensors)],
      decode: decodeSafetensors,
      refusal: SafetensorsError,
      share: 0.05,
    },
    {
      name: "IDX images",
      samples: [idxSample()],
      decode: (bytes) => parseIdxImages(bytes, "input"),
      refusal: DatasetError,
      share: 0.02,
    },
    {
      name: "PGM composite",
      samples: [textBytes(`P5\n# param DBZH\n4 3\n255\n${"x".repeat(12)}`)],
      decode: (bytes) => parseFmiComposite(bytes, "input"),
      refusal: DatasetError,
      share: 0.02,
    },
    {
      name: "manifest",
      samples: [sealed(manifestBody)],
      decode: decodeManifest,
      refusal: CheckpointError,
      share: 0.002,
    },
    {
      // Broken before its hash is taken: one that does not match is refused unread.
      name: "manifest's contents",
      samples: [manifestBody],
      decode: (bytes) => decodeManifest(sealed(bytes)),
      refusal: CheckpointError,
      share: 0.005,
    },
    {
      name: "run configuration",
      samples: [textBytes(JSON.stringify(defaultRun))],
      decode(bytes) {
        const text = new TextDecoder().decode(bytes);
        try {
          return readRunConfiguration(JSON.parse(text), "input");
        } catch (cause) {
          // Whoever reads the file tells of what is no JSON.
          if (cause instanceof SyntaxError) throw new ConfigurationError(cause.message, { cause });
          throw cause;
        }
      },
      refusal: ConfigurationError,
      share: 0.005,
    },
    {
      name: "NPY file",
      samples: [npySample()],
      async decode(bytes) {
        written(bytes);
        (await openNpy(path)).close();
      },
      refusal: DatasetError,
      share: 0.002,
    },
    {
      name: "connection file",
      samples: [
        textBytes(
          '{"url":"nats://127.0.0.1:4222","run":"a","credentials":{"user":"a","password":"b"}}',
        ),
      ],
      async decode(bytes) {
        written(bytes);
        await readConnection(path);
      },
      refusal: UsageError,
      share: 0.002,
    },
  ];
}

export async function fuzzDecoder(
  decoder: Decoder,
  inputs: number,
  random: Random,
  clock: Clock,
): Promise<DecoderReport> {
  const { name, samples, decode, refusal } = decoder;
  let [accepted, refused, crashes, slowestMs] = [0, 0, 0, 0];
  let example: string | undefined;
  for (let count = 0; count < inputs; count++) {
    const bytes = broken(samples[random.integer(samples.length)], random);
    const startMs = clock.nowMs();
    try {
      const result = decode(bytes);
      if (result instanceof Promise) await result;
      accepted++;
    } catch (error) {
      if (error instanceof refusal) {
        refused++;
      } else {
        crashes++;
        example ??= `${error} for ${bytes.slice(0, 64).toHex()}`;
      }
    }
    slowestMs = Math.max(slowestMs, clock.nowMs() - startMs);
  }
  return { decoder: name, inputs, accepted, refused, crashes, slowestMs, example };
}

/** Type bytes of msgpack that claim lengths, and bytes that are special to it. */
const specialBytes = [
  0xc1,
  0xc4,
  0xc6,
  0xc7,
  0xd4,
  0xd6,
  0xd9,
  0xdb,
  0xdc,
  0xdd,
  0xde,
  0xdf,
  0xff,
  0x9f,
  0x8f,
  0,
];

/** A sample after one to four changes. */
export function broken(sample: Bytes, random: Random): Bytes {
  let bytes: Bytes = sample.slice();
  for (let changes = 1 + random.integer(4); changes > 0; changes--) {
    const at = random.integer(bytes.length + 1);
    switch (random.integer(8)) {
      case 0: // a bit
        if (at < bytes.length) bytes[at] ^= 1 << random.integer(8);
        break;
      case 1: // a byte
        if (at < bytes.length) bytes[at] = random.integer(256);
        break;
      case 2:
        if (at < bytes.length) bytes[at] = specialBytes[random.integer(specialBytes.length)];
        break;
      case 3: // cut
        bytes = bytes.slice(0, at);
        break;
      case 4: // a run of one byte: lengths, nesting
        bytes.fill(
          specialBytes[random.integer(specialBytes.length)],
          at,
          at + 1 + random.integer(9),
        );
        break;
      case 5: { // a part twice
        const end = Math.min(bytes.length, at + random.integer(40));
        bytes = joined(bytes.subarray(0, end), bytes.subarray(at));
        break;
      }
      case 6: { // nested lists without end
        const nested = new Uint8Array(1 + random.integer(200)).fill(
          random.integer(2) ? 0x91 : 0xdd,
        );
        bytes = joined(bytes.subarray(0, at), nested);
        break;
      }
      default: // a big length
        if (at + 4 <= bytes.length) {
          new DataView(bytes.buffer).setUint32(at, 2 ** 32 - 1 - random.integer(16));
        }
    }
  }
  return bytes;
}

function joined(first: Uint8Array, second: Uint8Array): Bytes {
  const bytes = new Uint8Array(first.length + second.length);
  bytes.set(first);
  bytes.set(second, first.length);
  return bytes;
}

function textBytes(text: string): Bytes {
  return new TextEncoder().encode(text);
}

/** All of a manifest but the hash of itself. */
const manifestBody = textBytes(
  JSON.stringify(
    {
      format: "lockstep-checkpoint",
      formatVersion: 1,
      step: 7,
      epoch: 1,
      planStep: 2,
      createdAt: "2026-01-01T00:00:00.000Z",
      metrics: { validationLoss: 0.25, lossSum: 1.5e-3 },
      parametersSha256: "ef".repeat(32),
      configuration: { lanes: 8, model: "convlstm", filters: [16, 16], clipNorm: null },
      files: { "parameters.safetensors": { bytes: 4096, sha256: "01".repeat(32) } },
    },
    undefined,
    2,
  ).slice(0, -"\n}".length) + ",\n",
);

function sealed(body: Bytes): Bytes {
  const hash = createHash("sha256").update(body).digest("hex");
  return joined(body, textBytes(`  "manifestSha256": "${hash}"\n}\n`));
}

function idxSample(): Bytes {
  const bytes = new Uint8Array(16 + 2 * 3 * 4);
  const header = new DataView(bytes.buffer);
  [0x0803, 2, 3, 4].forEach((value, index) => header.setUint32(4 * index, value));
  return bytes;
}

function npySample(): Bytes {
  const header = "{'descr': '|u1', 'fortran_order': False, 'shape': (2, 3), }".padEnd(117) + "\n";
  const bytes = new Uint8Array(10 + header.length + 6);
  bytes.set([0x93, ...textBytes("NUMPY"), 1, 0, header.length, 0]);
  bytes.set(textBytes(header), 10);
  return bytes;
}
