import { describe, expect, it } from 'vitest';
import { workerPerDevice, type HostOptions } from '../../../worker/devices/host.js';
import type { HostDevice } from '../../../worker/devices/list.js';
import { temporaryFolder } from '../fakes.js';

const gpu = (index: number, isGpuDemanded = false): HostDevice => ({
  ...{ name: `gpu ${index}`, cuda: `GPU-${index}`, cores: null, isGpuDemanded },
});
const rules = { limit: 3, pauseMs: { first: 1, longest: 4 }, cleanMs: 1e9 };

interface Ran {
  readonly code: number;
  readonly lines: string[];
}

/** Runs a program in place of a worker on each device. @param stopAfter the stop is asked for after so many lines */
async function host(text: string, options: Partial<HostOptions>, stopAfter = Infinity): Promise<Ran> {
  const lines: string[] = [];
  const stop = new AbortController();
  const log = (line: string, device: string): void =>
    void (lines.push(`${device}: ${line}`) === stopAfter && stop.abort('SIGTERM'));
  const command = [process.execPath, '-e', text, '--'];
  const code = await workerPerDevice({
    devices: [gpu(0)],
    command,
    pinning: null,
    stop: stop.signal,
    log,
    rules,
    ...options,
  });
  return { code, lines };
}

describe('a worker for each device', () => {
  it('sees its own device alone, under its name, and is told where it must not do without', async () => {
    const text =
      'console.error(process.env.CUDA_VISIBLE_DEVICES, process.env.STILLHOUSE_DEVICE, process.argv.slice(1).join())';
    const { code, lines } = await host(text, { devices: [gpu(0), gpu(3, true)] });
    expect([code, lines.sort()]).toEqual([0, ['gpu 0: GPU-0 gpu 0 ', 'gpu 3: GPU-3 gpu 3 --gpu']]);
  });

  it('gives its exit code to all where it fails', async () => {
    const text = 'process.exit(process.env.CUDA_VISIBLE_DEVICES === "GPU-1" ? 79 : 0)';
    expect((await host(text, { devices: [gpu(0), gpu(1), gpu(2)] })).code).toBe(79);
  });

  it('that is killed has the next one told by what, and what it said last', async () => {
    const text = `const told = process.env.STILLHOUSE_KILLED;
      if (told !== undefined) console.error(told);
      else { require('fs').writeSync(2, 'out of breath\\n'); process.kill(process.pid, 'SIGKILL'); }`;
    const { lines } = await host(text, {});
    expect(lines.at(-1)).toBe('gpu 0: {"signal":"SIGKILL","lines":["out of breath"]}');
  });

  it('is told of a stop', async () => {
    const text =
      'process.on("SIGTERM", () => process.exit(75)); setInterval(() => undefined, 1000); console.error("up")';
    const { code, lines } = await host(text, { devices: [gpu(0), gpu(1)] }, 2);
    expect([code, lines.sort()]).toEqual([75, ['gpu 0: up', 'gpu 1: up']]);
  });

  it('is started by what pins it to its cores', async () => {
    const device = { name: 'cpu 0', cuda: '', cores: [2, 3], isGpuDemanded: false };
    const pinning = [process.execPath, '-e', 'console.error(process.argv[1])', '--'];
    expect((await host('unused', { devices: [device], pinning })).lines).toEqual(['cpu 0: 2,3']);
  });

  it('that is killed is started again, and goes on', async () => {
    const marker = `${temporaryFolder()}/was-here`;
    const text = `const { existsSync, writeFileSync } = require('node:fs');
      if (existsSync('${marker}')) process.exit(0);
      writeFileSync('${marker}', ''); console.error('first'); process.kill(process.pid, 'SIGKILL');`;
    expect(await host(text, {})).toEqual({
      code: 0,
      lines: ['gpu 0: first', 'gpu 0: killed by SIGKILL (first); started again in 0.001 s (fault 1)'],
    });
  });

  it('that dies again and again is taken out with the reason and what the driver says, while the others go on', async () => {
    const text = 'if (process.env.CUDA_VISIBLE_DEVICES === "GPU-1") throw new Error("CUDA error 719")';
    const { code, lines } = await host(text, {
      devices: [gpu(0), gpu(1)],
      faultOf: async () => '2 uncorrected ECC errors',
    });
    expect(code).toBe(0);
    expect(lines.at(-1)).toMatch(
      /^gpu 1: taken out: 3 faults in a row, the last: ended with 1 \(.*\); the driver says: 2 uncorrected ECC errors$/,
    );
    expect(lines.filter((line) => line.includes('started again'))).toHaveLength(2);
  });

  it('ends at a stop while the driver does not answer', async () => {
    const stop = new AbortController();
    const { code, lines } = await host('process.exit(1)', {
      stop: stop.signal,
      faultOf: (_device, signal) => {
        expect(signal).toBe(stop.signal);
        stop.abort('SIGTERM');
        return new Promise(() => undefined);
      },
    });
    expect([code, lines]).toEqual([75, ['gpu 0: ended with 1; started again in 0.001 s (fault 1)']]);
  });

  it('is not started again when the host stops in the pause before', async () => {
    const pauses = { ...rules, pauseMs: { first: 1e6, longest: 1e6 } };
    const { code, lines } = await host('process.kill(process.pid, "SIGKILL")', { rules: pauses }, 1);
    expect([code, lines]).toEqual([75, ['gpu 0: killed by SIGKILL; started again in 1000 s (fault 1)']]);
  });
});
