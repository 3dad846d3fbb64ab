/** ONNX models with weights in files beside them, under whatever names exporters give these. */
import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { writeOnnx } from '../../../../../worker/compute/onnx/write.js';
import { mapFields } from '../../../../../worker/compute/onnx/patch.js';
import {
  graphProto,
  modelProto,
  stringStringEntryProto,
  tensorProto,
} from '../../../../../worker/compute/onnx/proto.js';
import { textIn } from '../../../../../worker/compute/onnx/reader.js';
import { onnxFormat } from '../../../../../worker/compute/teachers/formats/onnx.js';
import type { Teacher } from '../../../../../worker/compute/teachers/formats/teacher.js';
import { temporaryFolder } from '../../../fakes.js';
import { noTensorFlow, reference, referenceFolder } from '../fixtures.js';

/** The reference teacher with its weights under another name. */
async function opened(location: string): Promise<Teacher> {
  const folder = temporaryFolder();
  const path = join(folder, 'tiny.onnx');
  const model = mapFields(readFileSync(join(referenceFolder, 'external.onnx')), modelProto.graph, (graph) =>
    mapFields(graph, graphProto.initializer, (tensor) =>
      mapFields(tensor, tensorProto.externalData, (entry) =>
        textIn(entry, stringStringEntryProto.key) === 'location' ? entryOf('location', location) : entry,
      ),
    ),
  );
  writeFileSync(path, model);
  mkdirSync(dirname(join(folder, location)), { recursive: true });
  copyFileSync(join(referenceFolder, 'external.bin'), join(folder, location));
  const paths = await onnxFormat.findFiles({ teacher: 't', model: path, path, isFolder: false });
  if (paths === null) throw new Error('no ONNX model');
  return onnxFormat.open({ name: 't', format: 'onnx', paths }, noTensorFlow);
}

function entryOf(key: string, value: string): Uint8Array {
  return new BinaryWriter()
    .tag(stringStringEntryProto.key, WireType.LengthDelimited)
    .string(key)
    .tag(stringStringEntryProto.value, WireType.LengthDelimited)
    .string(value)
    .finish();
}

afterEach(() => {
  vi.unstubAllEnvs();
});

describe('an ONNX teacher with a map by class', () => {
  it('is refused with the way to convert it otherwise', async () => {
    const path = join(temporaryFolder(), 'tree.onnx');
    const classes = { classlabels_int64s: [0, 1] };
    writeFileSync(
      path,
      writeOnnx({
        operatorSets: new Map([
          ['', 17],
          ['ai.onnx.ml', 1],
        ]),
        graph: {
          inputs: [{ name: 'x', type: 'float32', shape: ['n', 2] }],
          outputs: [{ name: 'output_probability' }],
          constants: [],
          nodes: [
            { op: 'ZipMap', domain: 'ai.onnx.ml', inputs: ['x'], outputs: ['output_probability'], attributes: classes },
          ],
        },
      }),
    );
    const paths = new Map([['tree.onnx', path]]);
    await expect(onnxFormat.open({ name: 't', format: 'onnx', paths }, noTensorFlow)).rejects.toMatchObject({
      exitCode: 65,
      message:
        'teacher t: its output "output_probability" is no tensor (scikit-learn\'s converters write a map by class); numbers were wanted: convert it with options={id(model): {"zipmap": False}}',
    });
  });
});

describe('an ONNX teacher whose weights lie in a file beside it', () => {
  it.each(['m.data', './m.data', 'w/m 1.data'])('is opened where it calls the file %s', async (name) => {
    const scratch = temporaryFolder();
    vi.stubEnv('TMPDIR', scratch);
    const teacher = await opened(name);
    expect(readdirSync(scratch).filter((one) => one.startsWith('stillhouse-onnx-'))).toEqual([]);
    const { inputs, rows, shape, logits } = reference;
    const [height = 1, width = 1, channels = 1] = shape;
    const turned = Float32Array.from({ length: inputs.length }, (_, i) => {
      const row = Math.floor(i / (height * width * channels));
      const [c, p] = [Math.floor(i / (height * width)) % channels, i % (height * width)];
      return inputs[(row * height * width + p) * channels + c] ?? NaN;
    });
    const { output } = await teacher.forward([{ values: turned, shape: [rows, channels, height, width] }]);
    output.forEach((value, i) => expect(value).toBeCloseTo(logits[i] ?? NaN, 4));
    await teacher.dispose();
  });

  it('is refused where that file would lie outside of its folder', async () => {
    await expect(opened('../m.data')).rejects.toMatchObject({
      exitCode: 65,
      message: expect.stringContaining('it keeps weights in ../m.data; a file of its own folder was wanted') as string,
    });
  });
});
