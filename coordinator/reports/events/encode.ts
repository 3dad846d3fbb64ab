/**
 * TensorBoard's events as bytes: a TFRecord of one Event message each. Numbers of fields are those of TensorFlow's
 * event.proto, summary.proto and tensor.proto, and of TensorBoard's plugin_data.proto for hyperparameters. Pure.
 *
 *   record = length (uint64), masked CRC-32C of it, the message, masked CRC-32C of it; all little-endian
 */
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { maskedCrc32c } from '../../../shared/crc32c.js';

const eventProto = { wallTime: 1, step: 2, fileVersion: 3, summary: 5, sessionLog: 7 };
const sessionLogProto = { status: 1 };
const summaryProto = { value: 1 };
const valueProto = { tag: 1, simpleValue: 2, tensor: 8, metadata: 9 };
const metadataProto = { pluginData: 1, dataClass: 4 };
const pluginDataProto = { pluginName: 1, content: 2 };
const tensorProto = { type: 1, shape: 2, strings: 8 };
const shapeProto = { dimension: 2, size: 1 };
const hparamsProto = { sessionStart: 3 };
const sessionStartProto = { hparams: 1, startTime: 5 };
const mapEntryProto = { key: 1, value: 2 };
const wellKnownValueProto = { number: 2, string: 3, bool: 4 };
/** SessionLog.START, DATA_CLASS_TENSOR and DT_STRING. */
const [sessionStart, tensorClass, stringType] = [1, 2, 7];

/** A hyperparameter, as a column of TensorBoard's table shows it. */
export type HyperparameterValue = number | string | boolean;

/** When something happened, and after how many training steps. */
export interface EventTime {
  /** Milliseconds since 1970. */
  readonly atMs: number;
  readonly step: number;
}

/** What an event file begins with: its version, and that what a reader holds of the run from `step` on is void. */
export function firstEvents(time: EventTime): Uint8Array {
  const version = event(time, (writer) =>
    writer.tag(eventProto.fileVersion, WireType.LengthDelimited).string('brain.Event:2'),
  );
  const start = event(time, (writer) =>
    within(writer, eventProto.sessionLog, () =>
      writer.tag(sessionLogProto.status, WireType.Varint).int32(sessionStart),
    ),
  );
  return Buffer.concat([version, start]);
}

/** Numbers by their tags, as float32: one that is too large for it is infinite there. */
export function scalarsEvent(time: EventTime, scalars: Iterable<readonly [tag: string, value: number]>): Uint8Array {
  return event(time, (writer) =>
    within(writer, eventProto.summary, () => {
      for (const [tag, value] of scalars)
        within(writer, summaryProto.value, () => {
          text(writer, valueProto.tag, tag);
          writer.tag(valueProto.simpleValue, WireType.Bit32).float(Math.fround(value));
        });
    }),
  );
}

/** A text that TensorBoard shows as Markdown. */
export function textEvent(time: EventTime, tag: string, markdown: string): Uint8Array {
  return valueEvent(time, tag, (writer) => {
    within(writer, valueProto.metadata, () => {
      within(writer, metadataProto.pluginData, () => text(writer, pluginDataProto.pluginName, 'text'));
      writer.tag(metadataProto.dataClass, WireType.Varint).int32(tensorClass);
    });
    within(writer, valueProto.tensor, () => {
      writer.tag(tensorProto.type, WireType.Varint).int32(stringType);
      within(writer, tensorProto.shape, () =>
        within(writer, shapeProto.dimension, () => writer.tag(shapeProto.size, WireType.Varint).int64(1)),
      );
      text(writer, tensorProto.strings, markdown);
    });
  });
}

/** The run's row in TensorBoard's table of hyperparameters. */
export function hparamsEvent(time: EventTime, hparams: ReadonlyMap<string, HyperparameterValue>): Uint8Array {
  const content = new BinaryWriter();
  within(content, hparamsProto.sessionStart, () => {
    for (const [key, value] of hparams)
      within(content, sessionStartProto.hparams, () => {
        text(content, mapEntryProto.key, key);
        within(content, mapEntryProto.value, () => wellKnown(content, value));
      });
    content.tag(sessionStartProto.startTime, WireType.Bit64).double(time.atMs / 1000);
  });
  return valueEvent(time, '_hparams_/session_start_info', (writer) =>
    within(writer, valueProto.metadata, () =>
      within(writer, metadataProto.pluginData, () => {
        text(writer, pluginDataProto.pluginName, 'hparams');
        writer.tag(pluginDataProto.content, WireType.LengthDelimited).bytes(content.finish());
      }),
    ),
  );
}

function wellKnown(writer: BinaryWriter, value: HyperparameterValue): void {
  if (typeof value === 'number') writer.tag(wellKnownValueProto.number, WireType.Bit64).double(value);
  else if (typeof value === 'string') text(writer, wellKnownValueProto.string, value);
  else writer.tag(wellKnownValueProto.bool, WireType.Varint).bool(value);
}

function valueEvent(time: EventTime, tag: string, write: (writer: BinaryWriter) => void): Uint8Array {
  return event(time, (writer) =>
    within(writer, eventProto.summary, () =>
      within(writer, summaryProto.value, () => {
        text(writer, valueProto.tag, tag);
        write(writer);
      }),
    ),
  );
}

function event({ atMs, step }: EventTime, write: (writer: BinaryWriter) => void): Uint8Array {
  const writer = new BinaryWriter();
  writer.tag(eventProto.wallTime, WireType.Bit64).double(atMs / 1000);
  writer.tag(eventProto.step, WireType.Varint).int64(step);
  write(writer);
  return record(writer.finish());
}

function record(message: Uint8Array): Uint8Array {
  const bytes = Buffer.alloc(message.length + 16);
  bytes.writeBigUInt64LE(BigInt(message.length), 0);
  bytes.writeUInt32LE(maskedCrc32c(bytes.subarray(0, 8)), 8);
  bytes.set(message, 12);
  bytes.writeUInt32LE(maskedCrc32c(message), 12 + message.length);
  return bytes;
}

function within(writer: BinaryWriter, field: number, write: () => void): void {
  writer.tag(field, WireType.LengthDelimited).fork();
  write();
  writer.join();
}

function text(writer: BinaryWriter, field: number, value: string): void {
  writer.tag(field, WireType.LengthDelimited).string(value);
}
