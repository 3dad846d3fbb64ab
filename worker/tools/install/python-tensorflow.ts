/**
 * Takes TensorFlow from this machine's Python, where it has the pinned version, in place of a download. The files are
 * copied, so that Python may lose them later.
 */
import { cp, mkdir, readdir, symlink } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { runCommand } from '../../compute/backends/command.js';
import { pins, tensorflowVersion, type Flavour } from '../../compute/backends/native/pins.js';

/** Prints the folder of the first of the named packages that is installed in the wanted version; loads nothing. */
const script = `
import importlib.metadata as m, sys
for name in sys.argv[2:]:
    try:
        d = m.distribution(name)
    except m.PackageNotFoundError:
        continue
    if d.version == sys.argv[1]:
        print(d.locate_file('tensorflow'))
        break
`;

const library = 'libtensorflow_cc.so.2';

/** @returns the `tensorflow` folder in Python's packages; null where Python or that version is not there */
export async function findPythonTensorflow(flavour: Flavour): Promise<string | null> {
  const names = flavour === 'cpu' ? [pins.cpu.library, pins.cuda.library] : [pins.cuda.library];
  const { code, stdout } = await runCommand('python3', ['-c', script, tensorflowVersion, ...names]);
  const folder = stdout.trim();
  const isWhole =
    code === 0 &&
    folder !== '' &&
    existsSync(join(folder, library)) &&
    (flavour === 'cpu' || existsSync(join(dirname(folder), 'nvidia')));
  return isWhole ? folder : null;
}

/** Copies libraries and headers to `folder`; CUDA's libraries beside them are linked, not copied. */
export async function copyLibrary(from: string, folder: string): Promise<void> {
  const to = join(folder, 'tensorflow');
  await mkdir(to, { recursive: true });
  const names = (await readdir(from)).filter((name) => /^libtensorflow_(cc|framework)\.so\.2$/.test(name));
  for (const name of names) await cp(join(from, name), join(to, name));
  for (const name of ['tensorflow', 'tsl', 'xla'])
    await cp(join(from, 'include', name), join(to, 'include', name), { recursive: true });
  await symlink(library, join(to, 'libtensorflow.so'));
  await symlink('libtensorflow_framework.so.2', join(to, 'libtensorflow_framework.so'));
  const nvidia = join(dirname(from), 'nvidia');
  if (existsSync(nvidia)) await symlink(nvidia, join(folder, 'nvidia'));
}
