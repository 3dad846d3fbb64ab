import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { TraceFile, type TraceEvent } from '../../../coordinator/trace/trace-file.js';
import { exitCodes } from '../../../shared/errors.js';
import { soon } from '../../../bench/programs.js';
import { temporaryFolder } from '../helpers.js';

const event = (i: number): TraceEvent =>
  i === 0
    ? { name: 'process_name', ph: 'M', pid: 1, tid: 0, args: { name: 'a "name"' } }
    : { name: 'commit', ph: 'X', pid: 1, tid: 1, ts: i, dur: 0.5, args: { step: i } };
const eventsIn = (path: string): TraceEvent[] => JSON.parse(readFileSync(path, 'utf8')) as TraceEvent[];

async function fileFor(limitBytes?: number): Promise<{ path: string; file: TraceFile; said: string[] }> {
  const path = join(await temporaryFolder(), 'trace.json');
  const said: string[] = [];
  const limit = limitBytes === undefined ? {} : { limitBytes };
  return { path, said, file: await TraceFile.create(path, { warn: (text) => said.push(text), ...limit }) };
}

describe('a trace', () => {
  it('is an array of its events, in order', async () => {
    const { path, file, said } = await fileFor();
    const events = Array.from({ length: 5000 }, (_, i) => event(i));
    events.forEach((one) => file.write(one));
    const totals = await file.close();
    expect(eventsIn(path)).toEqual(events);
    expect(totals).toEqual({ events: 5000, lost: 0, bytes: readFileSync(path).length - 3 });
    expect(said).toEqual([]);
  });

  it('without events is an empty array', async () => {
    const { path, file } = await fileFor();
    await file.close();
    expect(eventsIn(path)).toEqual([]);
  });

  it('is the array without its end while it is written, an event never cut', async () => {
    const { path, file } = await fileFor();
    for (let i = 0; i < 3; i++) file.write(event(i));
    while (readFileSync(path).length === 0) await soon(20);
    expect(JSON.parse(`${readFileSync(path, 'utf8')}]`)).toEqual([0, 1, 2].map(event));
    await file.close();
  });

  it('ends at its limit, is whole then, and says so once', async () => {
    const { path, file, said } = await fileFor(1000);
    for (let i = 0; i < 100; i++) file.write(event(i));
    const { lost, events } = await file.close();
    expect(readFileSync(path).length).toBeLessThanOrEqual(1003);
    expect(eventsIn(path)).toEqual(Array.from({ length: events }, (_, i) => event(i)));
    expect(lost).toBe(100 - events);
    expect(said).toEqual([`--trace ${path}: 1000 bytes are full, and what follows is not traced`]);
  });

  it('keeps a bounded number of events for a disk that takes none', async () => {
    const { file } = await fileFor();
    const big = { ...event(0), args: { name: 'x'.repeat(100_000) } };
    // Nothing is written before the event loop turns.
    for (let i = 0; i < 300; i++) file.write(big);
    const { events, lost } = await file.close();
    expect(events + lost).toBe(300);
    expect(events).toBeLessThan(90);
  });

  it.skipIf(!existsSync('/dev/full'))('ends with a disk that is full, which it says once', async () => {
    const said: string[] = [];
    const file = await TraceFile.create('/dev/full', { warn: (text) => said.push(text) });
    for (let i = 0; i < 3; i++) file.write(event(i));
    while (said.length === 0) await soon();
    for (let i = 0; i < 3; i++) file.write(event(i));
    expect((await file.close()).lost).toBe(4);
    expect(said).toEqual(['--trace /dev/full: no space left on the disk, and the rest of the run is not traced']);
  });
});

describe('a name for a trace', () => {
  it('may be that of an older one, which is replaced', async () => {
    const { path, file } = await fileFor();
    file.write(event(0));
    await file.close();
    const again = await TraceFile.create(path, { warn: () => undefined });
    await again.close();
    expect(eventsIn(path)).toEqual([]);
    // An empty one is replaced, too.
    await (await TraceFile.create(path, { warn: () => undefined })).close();
  });

  it('may not be that of another file, of a folder, or in none', async () => {
    const folder = await temporaryFolder();
    const recipe = join(folder, 'recipe.yaml');
    writeFileSync(recipe, '[1, 2]');
    for (const path of [recipe, folder, join(folder, 'nowhere', 'trace.json')]) {
      const error: unknown = await TraceFile.create(path, { warn: () => undefined }).catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ exitCode: exitCodes.usage, message: expect.stringContaining(path) as string });
    }
    expect(readFileSync(recipe, 'utf8')).toBe('[1, 2]');
  });
});
