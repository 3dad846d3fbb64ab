/**
 * What the driver and the kernel say is wrong with a GPU: memory errors that were not corrected, pages and rows that were
 * taken out of use for them, the newest Xid of the kernel's log, or why the driver does not answer. The programs
 * that tell are found by PATH, and one that is missing or may not be used says nothing.
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { printable } from '../../shared/printable.js';
import type { HostDevice } from './list.js';

const run = promisify(execFile);

/** How long a program may take to answer, in milliseconds: a driver whose GPU has fallen off the bus may hang. */
const answerMs = 20_000;
/** Bytes of a program's answer: a kernel's log may be long. */
const answerBytes = 16 * 1024 * 1024;
/** Characters of a line of the kernel's log that are shown. */
const longestLine = 300;

/**
 * What is wrong with the device, in words; empty where nothing says that anything is. Parts of a split GPU say nothing.
 *
 * @param stop aborted to ask no longer
 */
export async function gpuFault({ cuda }: Pick<HostDevice, 'cuda'>, stop: AbortSignal): Promise<string> {
  if (!cuda.startsWith('GPU-')) return '';
  const told = await driverSays(['-q', '-d', 'ECC,PAGE_RETIREMENT,ROW_REMAPPER', `--id=${cuda}`], stop);
  const { text, isAnswer } = told;
  const errors = isAnswer ? memoryFaults(text) : [text === '' ? 'no answer' : text];
  const address = pciAddressIn(text);
  const xid = address === null ? null : newestXid(await kernelLog(stop), address);
  return [...errors, ...(xid === null ? [] : [xid])].join('; ');
}

/** @returns all that it answers, or the first line of what it says where it fails */
async function driverSays(
  args: readonly string[],
  stop: AbortSignal,
): Promise<{ readonly text: string; readonly isAnswer: boolean }> {
  try {
    const { stdout } = await run('nvidia-smi', args, { timeout: answerMs, maxBuffer: answerBytes, signal: stop });
    return { text: stdout, isAnswer: true };
  } catch (error) {
    const said = error instanceof Error && 'stdout' in error ? String(error.stdout) : '';
    return { text: printable(said.trim().split('\n')[0] ?? '', longestLine), isAnswer: false };
  }
}

/** Of a journal, which may be very long, the lines on an Xid alone; a kernel's own buffer is short. */
const logPrograms = [['journalctl', '--dmesg', '--no-pager', '--quiet', '--output=cat', '--grep=xid'], ['dmesg']];

/** The kernel's log by whichever program may read it; empty where none may. */
async function kernelLog(stop: AbortSignal): Promise<string> {
  for (const [program, ...args] of logPrograms) {
    const log = await run(program ?? '', args, { timeout: answerMs, maxBuffer: answerBytes, signal: stop }).then(
      ({ stdout }) => stdout,
      () => '',
    );
    if (log.trim() !== '') return log;
  }
  return '';
}

/** Names of counters and flags that tell of damage, in the sections that are asked for. */
const damage = /uncorrectable|double bit|pending|failure|threshold exceeded/i;

/**
 * What `nvidia-smi -q -d ECC,PAGE_RETIREMENT,ROW_REMAPPER` prints of one GPU, as far as it tells of damage: each counter
 * that is not 0 and each flag that is set, with the sections that it stands in.
 */
export function memoryFaults(text: string): string[] {
  const found: string[] = [];
  const sections: { readonly depth: number; readonly name: string }[] = [];
  for (const line of text.split('\n')) {
    const [, space = '', name = '', value] = /^(\s*)(\S.*?)(?:\s*:\s(.*))?$/.exec(line) ?? [];
    while ((sections.at(-1)?.depth ?? -1) >= space.length) sections.pop();
    if (value === undefined) sections.push({ depth: space.length, name });
    else if (damage.test(name) && (Number(value) > 0 || value.trim() === 'Yes'))
      // The GPU's own line is the outermost section.
      found.push(
        printable([...sections.slice(1).map((section) => section.name), `${name}: ${value.trim()}`].join(', ')),
      );
  }
  return found;
}

/** The PCI address that the driver names, as the kernel writes it: `0000:3b:00`; null for none. */
export function pciAddressIn(text: string): string | null {
  const [, domain = '', bus = '', device = ''] =
    /(?<![0-9a-f])(?:[0-9a-f]{4})?([0-9a-f]{4}):([0-9a-f]{2}):([0-9a-f]{2})\.[0-9a-f]\b/i.exec(text) ?? [];
  return bus === '' ? null : `${domain}:${bus}:${device}`.toLowerCase();
}

/** The newest line on an Xid of the GPU at this address, from `Xid` on; null for none. */
export function newestXid(log: string, address: string): string | null {
  const lines = log.split('\n').filter((line) => line.toLowerCase().includes(`nvrm: xid (pci:${address})`));
  const [, text] = /(Xid \(PCI:.*)$/i.exec(lines.at(-1) ?? '') ?? [];
  return text === undefined ? null : printable(text.trim(), longestLine);
}
