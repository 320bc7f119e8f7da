/**
 * TensorBoard's messages as protocol buffers: `Event` and `Summary` (tensorflow/core/util/event.proto
 * and framework/summary.proto) and the hyper-parameters plugin's (plugins/hparams/plugin_data.proto).
 *
 * Written field by field on the wire writer of @bufbuild/protobuf, the one file that names it. Its
 * typed messages need code generated from some twenty .proto files, graphs and tensors included, of
 * which a dozen fields are written here.
 */
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import type { Histogram } from "./histogram.ts";

export type Hyperparameter = number | string | boolean;

export interface EncodedImage {
  readonly height: number;
  readonly width: number;
  readonly png: Uint8Array;
}

/** One value of a summary. */
export type SummaryValue =
  | { readonly tag: string; readonly scalar: number }
  | { readonly tag: string; readonly image: EncodedImage }
  | { readonly tag: string; readonly histogram: Histogram };

export interface EventTime {
  /** Seconds since 1970. */
  readonly wallSeconds: number;
  readonly step: number;
}

/** A PNG says its size in its first chunk. */
export function encodedImage(png: Uint8Array): EncodedImage {
  const view = new DataView(png.buffer, png.byteOffset, png.length);
  return { width: view.getUint32(16), height: view.getUint32(20), png };
}

/** The first event of every file. */
export function encodeFileVersion(wallSeconds: number): Uint8Array {
  return event({ wallSeconds, step: 0 }, (writer) => text(writer, 3, "brain.Event:2"));
}

/** What follows begins anew at this step: a reader drops what it has of it and of later ones. */
export function encodeSessionStart(time: EventTime): Uint8Array {
  const start = 1;
  return event(time, (writer) => message(writer, 7, (log) => varint(log, 1, start)));
}

export function encodeSummary(time: EventTime, values: readonly SummaryValue[]): Uint8Array {
  return event(time, (writer) =>
    message(writer, 5, (summary) => {
      for (const value of values) message(summary, 1, (each) => summaryValue(each, value));
    }));
}

/** A run's hyper-parameters, by which TensorBoard compares runs. */
export function encodeHyperparameters(
  time: EventTime,
  group: string,
  values: Readonly<Record<string, Hyperparameter>>,
): Uint8Array {
  return hyperparameterEvent(time, "_hparams_/session_start_info", 3, (info) => {
    for (const [name, value] of Object.entries(values)) {
      message(info, 1, (entry) => {
        text(entry, 1, name);
        message(entry, 2, (variant) => {
          if (typeof value === "number") double(variant, 2, value);
          else if (typeof value === "string") text(variant, 3, value);
          else variant.tag(4, WireType.Varint).bool(value);
        });
      });
    }
    text(info, 4, group);
    double(info, 5, time.wallSeconds);
  });
}

function hyperparameterEvent(
  time: EventTime,
  tag: string,
  field: number,
  write: (info: BinaryWriter) => void,
): Uint8Array {
  const content = new BinaryWriter();
  message(content, field, write);
  const bytes = content.finish();
  const float32 = 1;
  return event(time, (writer) =>
    message(writer, 5, (summary) =>
      message(summary, 1, (value) => {
        text(value, 1, tag);
        // The plugin reads the metadata alone; a value is needed where there is none to read.
        message(value, 8, (tensor) => {
          varint(tensor, 1, float32);
          message(tensor, 2, () => {});
          message(tensor, 5, (values) => values.float(0));
        });
        message(value, 9, (metadata) =>
          message(metadata, 1, (plugin) => {
            text(plugin, 1, "hparams");
            plugin.tag(2, WireType.LengthDelimited).bytes(bytes);
          }));
      })));
}

function summaryValue(writer: BinaryWriter, value: SummaryValue): void {
  text(writer, 1, value.tag);
  if ("scalar" in value) {
    writer.tag(2, WireType.Bit32).float(value.scalar);
  } else if ("image" in value) {
    const { height, width, png } = value.image;
    const rgb = 3;
    message(writer, 4, (image) => {
      varint(image, 1, height);
      varint(image, 2, width);
      varint(image, 3, rgb);
      image.tag(4, WireType.LengthDelimited).bytes(png);
    });
  } else {
    const { least, most, count, sum, squares, edges, counts } = value.histogram;
    message(writer, 5, (histogram) => {
      [least, most, count, sum, squares].forEach((each, i) => double(histogram, i + 1, each));
      message(histogram, 6, (packed) => edges.forEach((edge) => packed.double(edge)));
      message(histogram, 7, (packed) => counts.forEach((each) => packed.double(each)));
    });
  }
}

function event({ wallSeconds, step }: EventTime, write: (writer: BinaryWriter) => void) {
  const writer = new BinaryWriter();
  double(writer, 1, wallSeconds);
  writer.tag(2, WireType.Varint).int64(step);
  write(writer);
  return writer.finish();
}

/** Also a packed repeated field, which is length-delimited as a message is. */
function message(writer: BinaryWriter, field: number, write: (inner: BinaryWriter) => void) {
  writer.tag(field, WireType.LengthDelimited).fork();
  write(writer);
  writer.join();
}

function text(writer: BinaryWriter, field: number, value: string): void {
  writer.tag(field, WireType.LengthDelimited).string(value);
}

function varint(writer: BinaryWriter, field: number, value: number): void {
  writer.tag(field, WireType.Varint).int32(value);
}

function double(writer: BinaryWriter, field: number, value: number): void {
  writer.tag(field, WireType.Bit64).double(value);
}
