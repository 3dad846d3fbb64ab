/**
 * Samples a second of whole runs, with real processes over loopback sockets: the MNIST student with no, one or three
 * teachers, labels computed live, for each number of workers and each backend that is installed; and where the workers'
 * time goes. Rates are the medians of the epochs after the first, in which kernels compile.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Program } from './programs.js';
const root = fileURLToPath(new URL('../..', import.meta.url));
const recipe = join(root, 'examples', 'mnist', 'recipe.yaml');
const teacherSettings = {
    0: ['teachers=[]', 'losses={ crossEntropy: { weight: 1 } }'],
    1: ['teachers=[{ name: wide, model: teachers/wide/model.json }]'],
    3: [],
};
/** @throws Error when a run does not end well */
export async function benchThroughput({ backends, workers, teachers, samples, epochs, onRow }) {
    const rows = [];
    for (const backend of backends) {
        for (const count of teachers) {
            for (const number of workers) {
                const sets = ['baseline=false', 'labels.cache=false', `data.train.limit=${samples}`, `epochs=${epochs}`, 'data.train.labelled=60000', ...(teacherSettings[count] ?? [])];
                const row = { backend, teachers: count, workers: number, ...(await measure(backend, number, sets)) };
                rows.push(row);
                onRow?.(row);
            }
        }
    }
    return rows;
}
async function measure(backend, workers, sets) {
    const folder = mkdtempSync(join(tmpdir(), 'stillhouse-bench-'));
    try {
        const out = join(folder, 'run');
        const args = ['run', recipe, '--backend', backend, '--workers', String(workers), '--out', out, '--quiet', ...sets.flatMap((set) => ['--set', set])];
        const { code, stderr } = await new Program(args).ended;
        if (code !== 0)
            throw new Error(`the run ended with ${code}:\n${stderr}`);
        return { samplesPerSecond: rateOf(out), shares: sharesOf(out) };
    }
    finally {
        rmSync(folder, { recursive: true, force: true });
    }
}
function rateOf(out) {
    const epochs = readFileSync(join(out, 'metrics.jsonl'), 'utf8').trim().split('\n').map((line) => JSON.parse(line).samplesPerSecond);
    const settled = epochs.slice(1).sort((a, b) => a - b);
    return Math.round(settled[settled.length >> 1] ?? epochs[0] ?? NaN);
}
function sharesOf(out) {
    const { workers } = JSON.parse(readFileSync(join(out, 'summary.json'), 'utf8'));
    const sums = {};
    for (const { seconds } of workers)
        for (const [phase, value] of Object.entries(seconds))
            sums[phase] = (sums[phase] ?? 0) + value;
    const whole = Object.entries(sums).reduce((sum, [phase, value]) => (phase === 'optimizer' ? sum : sum + value), 0);
    return Object.fromEntries(Object.entries(sums).map(([phase, value]) => [phase, value / whole]));
}
const phases = { labels: 'teachers', student: 'student', load: 'load', reduce: 'reduce', optimizer: 'optimizer', wait: 'wait' };
export function throughputHeader() {
    return `${'backend'.padEnd(8)}${'teachers'.padStart(9)}${'workers'.padStart(9)}${'samples/s'.padStart(11)}${Object.values(phases).map((name) => name.padStart(11)).join('')}`;
}
export function throughputLine({ backend, teachers, workers, samplesPerSecond, shares }) {
    const percent = (phase) => `${(100 * (shares[phase] ?? 0)).toFixed(1)} %`.padStart(11);
    return `${backend.padEnd(8)}${String(teachers).padStart(9)}${String(workers).padStart(9)}${String(samplesPerSecond).padStart(11)}${Object.keys(phases).map(percent).join('')}`;
}
//# sourceMappingURL=throughput.js.map