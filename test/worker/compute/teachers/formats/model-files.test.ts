/** A model's files may not leave its folder: by a name, or by a link, in any format. */
import { copyFileSync, cpSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { recogniseModel } from '../../../../../worker/compute/teachers/teacher-formats.js';
import { makeLayersModel, openTensorFlow, saveLayersModel, temporaryFolder } from '../fixtures.js';
import { reachingModel } from '../../onnx/hostile-models.js';

const savedModel = fileURLToPath(new URL('../../../../reference/data/saved-model/tiny', import.meta.url));

interface Place {
  readonly folder: string;
  readonly secret: string;
}

/** A folder for a model, and a file beside it that is none of the model's. */
function place(): Place {
  const around = temporaryFolder();
  const folder = join(around, 'model');
  mkdirSync(folder);
  const secret = join(around, 'secret');
  writeFileSync(secret, 'a private key');
  return { folder, secret };
}

const find = (path: string, isFolder: boolean): ReturnType<typeof recogniseModel> =>
  recogniseModel({ teacher: 't', model: 'm', path, isFolder });

async function tfjsModel(folder: string, weights: string): Promise<string> {
  await openTensorFlow();
  const path = await saveLayersModel(makeLayersModel(), folder);
  const json = JSON.parse(readFileSync(path, 'utf8')) as { weightsManifest: { paths: string[] }[] };
  json.weightsManifest = [{ ...json.weightsManifest[0], paths: [weights] }];
  writeFileSync(path, JSON.stringify(json));
  return path;
}

/** By format, a model that keeps weights under that name. @returns its path, and whether that is a folder */
const formats: Record<string, (folder: string, name: string) => Promise<readonly [string, boolean]>> = {
  ONNX: async (folder, name) => {
    const path = join(folder, 'm.onnx');
    writeFileSync(path, reachingModel(name, 2));
    return [path, false];
  },
  'tfjs by its file': async (folder, name) => [await tfjsModel(folder, name), false],
  'tfjs by its folder': async (folder, name) => {
    await tfjsModel(folder, name);
    return [folder, true];
  },
};

describe.each(Object.entries(formats))('a model of %s', (_format, write) => {
  it.each(['../secret', '../../etc/passwd', '/etc/passwd', 'w/../../secret', 'w\\secret', 'a\nb'])(
    'that keeps weights in %j is refused in one line',
    async (name) => {
      const [path, isFolder] = await write(place().folder, name);
      const refusal = await find(path, isFolder).catch((error: unknown) => error);
      expect(refusal).toMatchObject({
        exitCode: 65,
        message: expect.stringMatching(
          /^teacher t: it keeps weights in .*; a file of its own folder was wanted$/,
        ) as string,
      });
    },
  );

  it.each(['w.bin', 'deep/w.bin'])('whose %s is a link out of its folder is refused', async (name) => {
    const { folder, secret } = place();
    const [path, isFolder] = await write(folder, name);
    mkdirSync(join(folder, 'deep'), { recursive: true });
    symlinkSync(secret, join(folder, name));
    await expect(find(path, isFolder)).rejects.toMatchObject({
      exitCode: 65,
      message: `teacher t: its file ${name} is a link to ${secret}, out of its folder; a file in it was wanted (cp -rL makes a copy without links)`,
    });
  });

  it('below a folder that is a link out of it is refused', async () => {
    const { folder, secret } = place();
    const [path, isFolder] = await write(folder, 'sub/secret');
    symlinkSync(join(secret, '..'), join(folder, 'sub'));
    await expect(find(path, isFolder)).rejects.toThrow('out of its folder');
  });

  it('whose weights are a device is refused', async () => {
    const { folder } = place();
    const [path, isFolder] = await write(folder, 'w.bin');
    symlinkSync('/dev/zero', join(folder, 'w.bin'));
    await expect(find(path, isFolder)).rejects.toThrow('out of its folder');
  });

  it('whose link stays within its folder is taken', async () => {
    const { folder } = place();
    const [path, isFolder] = await write(folder, 'w.bin');
    writeFileSync(join(folder, 'real.bin'), new Float32Array(2));
    symlinkSync('real.bin', join(folder, 'w.bin'));
    expect((await find(path, isFolder))?.paths.get('w.bin')).toBe(join(folder, 'w.bin'));
  });
});

describe('a model file that is itself a link, as caches of downloads lay them', () => {
  it('has its files beside what it leads to', async () => {
    const { folder } = place();
    const blobs = join(folder, '..', 'blobs');
    mkdirSync(blobs);
    writeFileSync(join(blobs, 'a1'), reachingModel('m.onnx_data', 2));
    writeFileSync(join(blobs, 'b2'), new Float32Array(2));
    symlinkSync('../blobs/a1', join(folder, 'm.onnx'));
    symlinkSync('../blobs/b2', join(folder, 'm.onnx_data'));
    expect((await find(join(folder, 'm.onnx'), false))?.paths.size).toBe(2);
  });

  it('is refused where a folder was named', async () => {
    const { folder } = place();
    const elsewhere = join(folder, '..', 'elsewhere');
    await tfjsModel(elsewhere, 'w.bin');
    symlinkSync(join(elsewhere, 'model.json'), join(folder, 'model.json'));
    await expect(find(folder, true)).rejects.toThrow('its file model.json is a link to');
  });
});

describe('a SavedModel', () => {
  it('is taken as it is, and refused with a link in place of any of its files', async () => {
    for (const file of ['saved_model.pb', 'variables/variables.index', 'assets/names.txt', 'variables/more']) {
      const { folder, secret } = place();
      cpSync(savedModel, folder, { recursive: true });
      expect((await find(folder, true))?.paths.size).toBe(3);
      mkdirSync(join(folder, 'assets'), { recursive: true });
      copyFileSync(join(folder, 'saved_model.pb'), secret);
      rmSync(join(folder, file), { force: true });
      symlinkSync(secret, join(folder, file));
      await expect(find(folder, true), file).rejects.toMatchObject({
        exitCode: 65,
        message: expect.stringContaining(`its file ${file} is a link to ${secret}, out of its folder`) as string,
      });
    }
  });
});
