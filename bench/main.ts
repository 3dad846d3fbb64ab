/**
 * npm run bench [-- throughput decide coordinator kernels search] [--backend wasm,native,onnx] [--workers 1,2] [--teachers 0,1,3]
 *               [--samples 4096] [--epochs 4] [--python V/bin/python] [--json]
 *
 * Without names all of them, one after the other. Wants a quiet machine. `native` is measured where it is installed, and
 * searches beside Optuna with a Python that has it (search.ts has more).
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { benchDecide } from './decide.js';
import { benchKernels, kernelTable } from './kernels.js';
import { benchThroughput, throughputHeader, throughputLine } from './throughput.js';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    backend: { type: 'string', default: 'wasm,native,onnx' },
    workers: { type: 'string', default: '1,2' },
    teachers: { type: 'string', default: '0,1,3' },
    samples: { type: 'string', default: '4096' },
    epochs: { type: 'string', default: '4' },
    python: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});
const numbers = (text: string): number[] => text.split(',').map(Number);
const print = (line: string): void => void process.stdout.write(`${line}\n`);
const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

async function throughput(): Promise<void> {
  const { openBackend } = await import('../worker/compute/open/backend-choice.js');
  const backends: string[] = [];
  for (const name of values.backend.split(',')) {
    if (name !== 'native' && name !== 'wasm' && name !== 'onnx')
      throw new Error(`--backend ${name}: wasm, native or onnx was wanted`);
    const reason = await openBackend(name === 'onnx' ? 'wasm' : name, { threads: 1, gpuDemanded: false }).then(
      () => null,
      (error: unknown) => (error instanceof Error ? error.message : String(error)),
    );
    if (reason === null) backends.push(name);
    else print(`${name}: not measured: ${reason}`);
  }
  if (!values.json) print(throughputHeader());
  await benchThroughput({
    backends,
    workers: numbers(values.workers),
    teachers: numbers(values.teachers),
    samples: Number(values.samples),
    epochs: Number(values.epochs),
    onRow: (row) => print(values.json ? JSON.stringify({ what: 'throughput', ...row }) : throughputLine(row)),
  });
}

function decide(): void {
  const timing = benchDecide();
  print(
    values.json
      ? JSON.stringify({ what: 'decide', ...timing })
      : `coordinator's core, ${timing.workers} workers: ${timing.events} events, mean ${timing.meanMs.toFixed(4)} ms, 99 % below ${timing.p99Ms.toFixed(3)} ms, longest ${timing.maxMs.toFixed(1)} ms`,
  );
}

function kernels(): void {
  const timings = benchKernels();
  print(values.json ? JSON.stringify({ what: 'kernels', timings }) : kernelTable(timings));
}

/** Its own process: what it measures must not share a heap with the others. */
function coordinator(): void {
  spawnSync(process.execPath, [here('./coordinator.js')], { stdio: 'inherit' });
}

function search(): void {
  spawnSync(process.execPath, [here('./search.js'), ...(values.python === undefined ? [] : [values.python])], {
    stdio: 'inherit',
  });
}

const benches = { throughput, decide, coordinator, kernels, search };
for (const name of positionals)
  if (!(name in benches)) throw new Error(`${name}: one of ${Object.keys(benches).join(', ')} was wanted`);
for (const [name, bench] of Object.entries(benches))
  if (positionals.length === 0 || positionals.includes(name)) await bench();
process.exit(0);
