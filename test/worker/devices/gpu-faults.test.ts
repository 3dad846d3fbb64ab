/** What is said of a GPU that fails, by programs that stand for the driver's and the kernel's. */
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { gpuFault, memoryFaults, newestXid, pciAddressIn } from '../../../worker/devices/gpu-faults.js';
import { temporaryFolder } from '../fakes.js';

const path = process.env.PATH;
let programs = '';
beforeEach(() => {
  programs = temporaryFolder();
  // Nothing of this machine's own is asked.
  process.env.PATH = programs;
});
afterEach(() => {
  process.env.PATH = path;
});

/** A program of this name prints the text, and ends with the code. */
function program(name: string, text: string, code = 0): void {
  const file = join(programs, name);
  writeFileSync(join(programs, `${name}.txt`), text);
  writeFileSync(file, `#!/bin/sh\necho "$@" >${file}.args\nPATH='${path}' cat ${file}.txt\nexit ${code}\n`);
  chmodSync(file, 0o755);
}

const answer = (counts: { uncorrectable?: string; doubleBit?: string; pending?: string } = {}): string => `
==============NVSMI LOG==============

Timestamp                                 : Tue Dec  1 05:10:00 2026
Driver Version                            : 580.65.06
CUDA Version                              : 13.0

Attached GPUs                             : 8
GPU 00000000:3B:00.0
    ECC Mode
        Current                           : Enabled
        Pending                           : Enabled
    ECC Errors
        Volatile
            SRAM Correctable              : 4
            DRAM Correctable              : 0
            DRAM Uncorrectable            : ${counts.uncorrectable ?? '0'}
        Aggregate
            DRAM Uncorrectable            : 0
            SRAM Threshold Exceeded       : No
    Retired Pages
        Single Bit ECC                    : N/A
        Double Bit ECC                    : ${counts.doubleBit ?? 'N/A'}
        Pending Page Blacklist            : N/A
    Remapped Rows
        Correctable Error                 : 0
        Uncorrectable Error               : 0
        Pending                           : ${counts.pending ?? 'No'}
        Remapping Failure Occurred        : No
`;
const kernel = `NVRM: loading NVIDIA UNIX x86_64 Kernel Module
[    7.1] NVRM: Xid (PCI:0000:3b:00): 63, pid='<unknown>', name=<unknown>, Row Remapper: New row marked for remapping
[   10.9] NVRM: Xid (PCI:0000:3b:00): 48, pid=4711, name=node, DBE (double bit error) in partition 2
[   11.0] NVRM: Xid (PCI:0000:af:00): 79, pid=1, name=other, GPU has fallen off the bus.
`;
const gpu = { cuda: 'GPU-12345678-aaaa' };
const never = new AbortController().signal;

describe('what is wrong with a GPU', () => {
  it('is what the driver counts, and the newest Xid of this GPU in the kernel log', async () => {
    program('nvidia-smi', answer({ uncorrectable: '2', doubleBit: '1', pending: 'Yes' }));
    program('dmesg', kernel);
    expect(await gpuFault(gpu, never)).toBe(
      [
        'ECC Errors, Volatile, DRAM Uncorrectable: 2',
        'Retired Pages, Double Bit ECC: 1',
        'Remapped Rows, Pending: Yes',
        'Xid (PCI:0000:3b:00): 48, pid=4711, name=node, DBE (double bit error) in partition 2',
      ].join('; '),
    );
  });

  it('is read in the journal first, where there is one', async () => {
    program('nvidia-smi', answer());
    program('journalctl', 'NVRM: Xid (PCI:0000:3b:00): 74, NVLink error\n');
    program('dmesg', kernel);
    expect(await gpuFault(gpu, never)).toBe('Xid (PCI:0000:3b:00): 74, NVLink error');
    // All of a journal may be too long to be taken in.
    expect(readFileSync(join(programs, 'journalctl.args'), 'utf8')).toContain('--grep=xid');
  });

  it('is why the driver does not answer, and the Xid of the GPU that it names', async () => {
    program(
      'nvidia-smi',
      'Unable to determine the device handle for GPU0000:AF:00.0: GPU is lost.  Reboot\nmore\n',
      15,
    );
    program('journalctl', '', 1);
    program('dmesg', kernel);
    expect(await gpuFault(gpu, never)).toBe(
      'Unable to determine the device handle for GPU0000:AF:00.0: GPU is lost.  Reboot; Xid (PCI:0000:af:00): 79, pid=1, name=other, GPU has fallen off the bus.',
    );
  });

  it('is not asked for any longer after a stop, whatever hangs', async () => {
    program('dmesg', kernel);
    writeFileSync(join(programs, 'nvidia-smi'), `#!/bin/sh\nPATH='${path}' exec sleep 1000\n`, { mode: 0o755 });
    const stop = new AbortController();
    const asked = gpuFault(gpu, stop.signal);
    stop.abort();
    expect(await asked).toBe('no answer');
  });

  it('is nothing where nothing says so, and that the driver is missing where it is', async () => {
    program('nvidia-smi', answer());
    expect(await gpuFault(gpu, never)).toBe('');
    expect(await gpuFault({ cuda: 'MIG-1' }, never)).toBe('');
    process.env.PATH = [join(programs, 'none'), join(programs, 'neither')].join(delimiter);
    expect(await gpuFault(gpu, never)).toBe('no answer');
  });

  it('moves no cursor', () => {
    expect(newestXid('NVRM: Xid (PCI:0000:3b:00): 13, \u001b[2J\n', '0000:3b:00')).toBe(
      'Xid (PCI:0000:3b:00): 13, \\u001b[2J',
    );
  });

  it('needs an address to be found in the kernel log', () => {
    expect([pciAddressIn('no device'), pciAddressIn('GPU 00000001:3B:00.0'), memoryFaults('')]).toEqual([
      null,
      '0001:3b:00',
      [],
    ]);
    expect(newestXid(kernel, '0000:00:00')).toBeNull();
  });
});
