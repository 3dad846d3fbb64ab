import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { flavours, pins } from '../../../../worker/compute/backends/native/pins.js';
import { onnxruntimeVersion } from '../../../../worker/compute/backends/onnxruntime/pins.js';
import type { PinnedLibrary } from '../../../../worker/compute/backends/pinned-library.js';
import {
  cudaRequirements,
  parseCudaRequirements,
  unpackWheel,
} from '../../../../worker/tools/install/wheel-contents.js';
import { providerLibraries } from '../../../../worker/tools/install/provider.js';
import { checkWheel, getWheel, givenWheels } from '../../../../worker/tools/install/wheel.js';
import { zip } from './zip-file.js';

const quiet = { say: () => undefined, progress: () => undefined };
let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'stillhouse-wheel-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

function write(bytes: Buffer): string {
  const path = join(folder, 'a.whl');
  writeFileSync(path, bytes);
  return path;
}

const metadata = [
  'Name: tensorflow',
  'Requires-Dist: numpy>=1.26.0',
  'Requires-Dist: nvidia-cublas-cu12<13.0,>=12.5.3.2; extra == "and-cuda"',
  "Requires-Dist: nvidia-cudnn-cu12 (<10.0,>=9.3.0.75) ; extra == 'and-cuda'",
  'Requires-Dist: nvidia-other; extra == "other"',
].join('\n');

const wheelBytes = zip([
  { name: 'tensorflow/libtensorflow_cc.so.2', data: Buffer.from('cc') },
  { name: 'tensorflow/libtensorflow_framework.so.2', data: Buffer.from('framework') },
  { name: 'tensorflow/include/tensorflow/c/c_api.h', data: Buffer.from('header') },
  { name: 'tensorflow/include/unrelated/a.h', data: Buffer.from('no') },
  { name: 'tensorflow/python/keras.py', data: Buffer.from('no') },
  { name: 'tensorflow-2.21.0.dist-info/METADATA', data: Buffer.from(metadata) },
]);

describe('the wheel', () => {
  it('is taken when size and digest are pinned', async () => {
    const path = write(wheelBytes);
    const sha256 = createHash('sha256').update(wheelBytes).digest('hex');
    await checkWheel(
      path,
      [
        { file: 'other', sizeBytes: 1, sha256: '' },
        { file: 'a.whl', sizeBytes: wheelBytes.length, sha256 },
      ],
      quiet,
    );
  });

  it('is refused with another digest, another size, or none at all', async () => {
    const path = write(wheelBytes);
    const pin = { file: 'a.whl', sizeBytes: wheelBytes.length, sha256: 'ab'.repeat(32) };
    await expect(checkWheel(path, [pin], quiet)).rejects.toMatchObject({
      exitCode: 65,
      message: expect.stringContaining(`${'ab'.repeat(32)} was wanted`),
    });
    await expect(checkWheel(path, [{ ...pin, sizeBytes: 5 }], quiet)).rejects.toMatchObject({
      exitCode: 65,
      message: expect.stringContaining(`has ${wheelBytes.length} bytes`),
    });
    await expect(checkWheel(join(folder, 'none'), [pin], quiet)).rejects.toMatchObject({
      exitCode: 2,
      message: expect.stringContaining('no such file'),
    });
  });

  it('named by the user is never deleted or replaced when it is wrong', async () => {
    const path = write(wheelBytes);
    const given = new Map([[pins.cpu.library, path]]);
    await expect(getWheel(pins.cpu, { downloads: join(folder, 'downloads'), given }, quiet)).rejects.toMatchObject({
      exitCode: 65,
    });
    expect(readFileSync(path).equals(wheelBytes)).toBe(true);
  });

  it('on this disk is meant for the library that has one of its size', async () => {
    const path = write(wheelBytes);
    const library = (name: string, sizeBytes: number): PinnedLibrary => ({
      library: name,
      version: '1',
      wheels: [
        { file: `${name}-1.whl`, sizeBytes: 1, sha256: '' },
        { file: `${name}-2.whl`, sizeBytes, sha256: '' },
      ],
    });
    const [one, other] = [library('one', 5), library('other', wheelBytes.length)];
    expect(await givenWheels([path], [one, other])).toEqual(new Map([['other', path]]));
    await expect(givenWheels([path], [one])).rejects.toMatchObject({
      exitCode: 65,
      message: `${path}: has ${wheelBytes.length} bytes; one of these wheels was wanted: one-1.whl, one-2.whl`,
    });
    await expect(givenWheels([join(folder, 'none')], [one])).rejects.toMatchObject({ exitCode: 2 });
  });

  it('gives libraries and the headers that the bindings include, with the names that the linker wants', async () => {
    await unpackWheel(write(wheelBytes), folder, quiet);
    const at = (name: string): string => join(folder, 'tensorflow', name);
    expect(readFileSync(at('libtensorflow_cc.so.2'), 'utf8')).toBe('cc');
    expect(readFileSync(at('include/tensorflow/c/c_api.h'), 'utf8')).toBe('header');
    expect([readlinkSync(at('libtensorflow.so')), readlinkSync(at('libtensorflow_framework.so'))]).toEqual([
      'libtensorflow_cc.so.2',
      'libtensorflow_framework.so.2',
    ]);
    expect([at('python'), at('include/unrelated')].some((path) => existsSync(path))).toBe(false);
  });

  it('without the libraries is refused', async () => {
    await expect(unpackWheel(write(zip([{ name: 'a', data: Buffer.from('a') }])), folder, quiet)).rejects.toMatchObject(
      { exitCode: 65, message: expect.stringContaining('libtensorflow_cc.so.2') },
    );
  });

  it("names CUDA's libraries in either style of requirement", async () => {
    const wanted = ['nvidia-cublas-cu12<13.0,>=12.5.3.2', 'nvidia-cudnn-cu12<10.0,>=9.3.0.75'];
    expect(parseCudaRequirements(metadata)).toEqual(wanted);
    const scratch = join(folder, 'scratch');
    mkdirSync(scratch);
    expect(await cudaRequirements(write(wheelBytes), scratch)).toEqual(wanted);
  });
});

describe('the pins', () => {
  it.each(flavours)('of %s are whole: sizes, digests and names of one version', (flavour) => {
    const { wheels, bindingIntegrity } = pins[flavour];
    expect(bindingIntegrity).toMatch(/^sha512-[A-Za-z0-9+/]{86}==$/);
    expect(new Set(wheels.map(({ sizeBytes }) => sizeBytes)).size).toBe(wheels.length);
    for (const { file, sha256 } of wheels) {
      expect(file).toMatch(/-2\.21\.0-(cp\d+)-\1-manylinux_2_27_x86_64\.whl$/);
      expect(sha256).toMatch(/^[0-9a-f]{64}$/);
    }
  });

  it("of ONNX Runtime's CUDA provider are whole, and no two wheels have a size in common", () => {
    const wheels = providerLibraries.flatMap(({ library, version, wheels: own }) =>
      own.map((wheel) => ({ ...wheel, start: `${library.replaceAll('-', '_')}-${version}-` })),
    );
    expect(new Set(wheels.map(({ sizeBytes }) => sizeBytes)).size).toBe(wheels.length);
    for (const { file, sha256, start } of wheels) {
      expect(file.startsWith(start)).toBe(true);
      expect(sha256).toMatch(/^[0-9a-f]{64}$/);
    }
  });

  it('are of the ONNX Runtime that this program has', () => {
    const { version } = createRequire(import.meta.url)('onnxruntime-node/package.json') as { version: string };
    expect(onnxruntimeVersion).toBe(version);
  });
});
