/**
 * npm run fuzz [-- --cases 1000000] [--seed 1] [--target NAME [--case NUMBER]]
 *
 * Hands hostile things to all parts that take what comes from elsewhere. Each case must be accepted or refused with an
 * error of this program's own, in one message, within bounds of time and memory. A thread works, and this one watches
 * that it gets on. Ends with 1 where something was found, and prints the line that repeats it.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { fuzz, type Counts, type Finding, type Fuzzing } from './fuzz.js';

const print = (line: string): void => void process.stdout.write(`${line}\n`);

/**
 * A case hangs that has computed for so long without an end, or waited for so long. Time on a busy machine is not
 * the case's: processor time counts, and of waiting only the seconds in which this thread itself could run.
 */
const hang = { computedSeconds: 60, waitedSeconds: 600 } as const;

interface Report {
  readonly counts: Counts;
  readonly findings: readonly Finding[];
}

type Said = { readonly at: string } | { readonly report: Report };

async function work(fuzzing: Omit<Fuzzing, 'onCase'>): Promise<void> {
  let saidMs = 0;
  const onCase: Fuzzing['onCase'] = (target, number) => {
    // Said before every slow case, and now and then of the fast ones.
    if (target.share >= 1 && Date.now() - saidMs < 50) return;
    saidMs = Date.now();
    parentPort?.postMessage({ at: `--target ${target.name} --case ${number}` } satisfies Said);
  };
  parentPort?.postMessage({ report: await fuzz({ ...fuzzing, onCase }) } satisfies Said);
}

async function watch(): Promise<number> {
  const { values } = parseArgs({
    options: {
      cases: { type: 'string', default: '1000000' },
      seed: { type: 'string', default: '1' },
      target: { type: 'string' },
      case: { type: 'string' },
    },
  });
  const [seed, cases] = [Number(values.seed), Number(values.cases)];
  if (!Number.isSafeInteger(seed) || !Number.isSafeInteger(cases) || cases < 1)
    throw new Error(`--seed ${values.seed} --cases ${values.cases}: whole numbers were wanted`);
  const folder = mkdtempSync(join(tmpdir(), 'stillhouse-fuzz-'));
  const only =
    values.target === undefined
      ? undefined
      : { target: values.target, ...(values.case === undefined ? {} : { number: Number(values.case) }) };
  const began = Date.now();
  try {
    const report = await watched({ seed, cases, folder, only });
    for (const { target, number, text } of report.findings)
      print(`FOUND ${target}: ${text}\n  npm run fuzz -- --seed ${seed} --target ${target} --case ${number}`);
    for (const [target, { accepted, refused }] of report.counts)
      print(`${target.padEnd(12)} ${accepted + refused} cases: ${accepted} accepted, ${refused} refused`);
    print(`${report.findings.length} found in ${Math.round((Date.now() - began) / 1000)} s, seed ${seed}`);
    return report.findings.length === 0 ? 0 : 1;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function watched(fuzzing: Omit<Fuzzing, 'onCase'>): Promise<Report> {
  const thread = new Worker(new URL(import.meta.url), { workerData: fuzzing });
  return new Promise((resolve, reject) => {
    let [at, since, waited] = ['the beginning', process.cpuUsage(), 0];
    const timer = setInterval(() => {
      const { user, system } = process.cpuUsage(since);
      waited += 1;
      if (user + system < hang.computedSeconds * 1e6 && waited < hang.waitedSeconds) return;
      clearInterval(timer);
      void thread.terminate();
      const computed = ((user + system) / 1e6).toFixed(1);
      reject(new Error(`no case ended in ${computed} s of computing after --seed ${fuzzing.seed} ${at}`));
    }, 1000);
    thread.on('message', (said: Said) => {
      if ('at' in said) return void ([at, since, waited] = [said.at, process.cpuUsage(), 0]);
      clearInterval(timer);
      resolve(said.report);
    });
    thread.on('error', (error) => {
      clearInterval(timer);
      reject(error instanceof Error ? error : new Error(String(error)));
    });
  });
}

if (isMainThread) process.exitCode = await watch();
else await work(workerData as Omit<Fuzzing, 'onCase'>);
