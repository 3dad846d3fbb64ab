/** `verify` of a finished run and of one whose coordinator was killed, sound and with every kind of damage. */
import { appendFileSync, cpSync, readdirSync, readFileSync, truncateSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { journalLineSchema } from '../../coordinator/store/journal.js';
import { chainedLine } from '../../coordinator/store/journal-chain.js';
import { verifyRun } from '../../coordinator/verify/verify.js';
import { Program } from '../../bench/programs.js';
import { BarsRuns } from '../faults/bars-run.js';
import { scratchFolder, startCoordinator, startWorker, urlOf } from './processes.js';

const scratch = scratchFolder();
const runs = new BarsRuns(scratch.path);
const finished = runs.placeOf('undisturbed').out;
const killed = runs.placeOf('killed').out;
afterAll(() => scratch.remove());

beforeAll(async () => {
  await runs.runUndisturbed();
  const place = runs.placeOf('killed');
  const coordinator = startCoordinator(place, { environment: { STILLHOUSE_FAULT: 'after-fsync@20' } });
  const worker = startWorker(place, 'w0', await urlOf(coordinator));
  expect((await coordinator.ended).stderr).toContain('fault: after-fsync');
  worker.child.kill('SIGKILL');
});

let copies = 0;
/** A copy that may be damaged. */
function copyOf(run: string): string {
  const copy = join(scratch.path, `copy-${copies++}`);
  cpSync(run, copy, { recursive: true });
  return copy;
}

function flip(path: string, at: number): void {
  const bytes = readFileSync(path);
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  writeFileSync(path, bytes);
}

/** Lines of the journal, changed and chained anew: a line is parsed JSON. */
function changeJournal(run: string, change: (lines: Record<string, unknown>[]) => void): void {
  const path = join(run, 'journal.jsonl');
  const lines = readFileSync(path, 'utf8')
    .trimEnd()
    .split('\n')
    .map((text): Record<string, unknown> => {
      const { chain: _, ...line } = JSON.parse(text) as Record<string, unknown>;
      return line;
    });
  change(lines);
  let { run: before } = JSON.parse(readFileSync(join(run, 'generations', '1'), 'utf8')) as { run: string };
  const texts = lines.map((line) => {
    const { text, chain } = chainedLine(journalLineSchema.parse(line), before);
    before = chain;
    return text;
  });
  writeFileSync(path, texts.map((text) => `${text}\n`).join(''));
}

const indexOfStep = (lines: readonly Record<string, unknown>[], step: number): number =>
  lines.findIndex((line) => line.type === 'commit' && line.step === step);
const newest = (run: string, folder: string, pattern: RegExp): string => {
  const names = readdirSync(join(run, folder))
    .filter((name) => pattern.test(name))
    .sort((a, b) => Number.parseInt(a, 10) - Number.parseInt(b, 10));
  return join(run, folder, names.at(-1) ?? '');
};

describe('a run that is as it was written', () => {
  it.each([
    ['finished', finished, 30],
    ['killed', killed, 17],
  ])('is sound: %s', async (_case, run, steps) => {
    const { checks, isSound } = await verifyRun(run);
    expect(checks.filter((check) => !check.isSound)).toEqual([]);
    expect(isSound).toBe(true);
    expect(checks.find(({ name }) => name === 'journal')?.text).toMatch(new RegExp(`^${steps} commits`));
  });

  it('is checked by the command, which changes nothing', async () => {
    const before = readFileSync(join(killed, 'journal.jsonl'));
    const { code, stdout } = await new Program(['verify', killed]).ended;
    expect([code, stdout]).toEqual([0, expect.stringMatching(/^ok {3}journal: 17 commits[^]*\nsound\n$/)]);
    expect(readFileSync(join(killed, 'journal.jsonl'))).toEqual(before);
  });

  it('may end with what a crash leaves: half a line, half a commit, a line fewer than the log', async () => {
    const run = copyOf(killed);
    appendFileSync(join(run, 'journal.jsonl'), '{"type":"commit","st');
    const segment = newest(run, 'log', /\.log$/);
    truncateSync(segment, statSync(segment).size - 5);
    const { isSound, notes, checks } = await verifyRun(run);
    expect(checks.filter((check) => !check.isSound)).toEqual([]);
    expect([isSound, notes]).toEqual([
      true,
      [
        expect.stringMatching(/^journal\.jsonl ends with 20 bytes/),
        expect.stringMatching(/^log\/\d+\.log ends with \d+ bytes of a commit/),
      ],
    ]);
    const shorter = copyOf(killed);
    changeJournal(shorter, (lines) => lines.splice(indexOfStep(lines, 16)));
    expect((await verifyRun(shorter)).isSound).toBe(true);
  });
});

interface Damage {
  readonly what: string;
  readonly of: string;
  readonly check: string;
  readonly text: RegExp;
  readonly damage: (run: string) => void;
}

const damages: Damage[] = [
  {
    what: 'a commit is missing from the journal',
    of: finished,
    check: 'journal',
    text: /the commit of unit 13 follows unit 11/,
    damage: (run) =>
      changeJournal(run, (lines) =>
        lines.splice(
          lines.findIndex((line) => line.unit === 12),
          1,
        ),
      ),
  },
  {
    what: 'a commit is in it twice',
    of: finished,
    check: 'journal',
    text: /the commit of unit 12 follows unit 12/,
    damage: (run) =>
      changeJournal(run, (lines) =>
        lines.splice(
          lines.findIndex((line) => line.unit === 12),
          0,
          lines.find((line) => line.unit === 12) ?? {},
        ),
      ),
  },
  {
    what: 'samples that were not contributed',
    of: finished,
    check: 'journal',
    text: /contributions of 31 samples in a commit of 32/,
    damage: (run) =>
      changeJournal(run, (lines) => Object.assign(lines[indexOfStep(lines, 3)]?.sums as object, { samples: 31 })),
  },
  {
    what: 'a teacher that was dropped and is back',
    of: finished,
    check: 'journal',
    text: /the commit of unit \d+: teacher deep is back, which was dropped before/,
    damage: (run) =>
      changeJournal(run, (lines) => Object.assign(lines[indexOfStep(lines, 3)] ?? {}, { dropped: ['deep'] })),
  },
  {
    what: 'a sample in two commits',
    of: finished,
    check: 'coverage',
    text: /step 6 covers \[31, 64\) of epoch 1; 32 was due/,
    damage: (run) =>
      changeJournal(run, (lines) =>
        Object.assign(lines[indexOfStep(lines, 6)] ?? {}, {
          from: 31,
          samples: 33,
          sums: { ...(lines[indexOfStep(lines, 6)]?.sums as object), samples: 33 },
        }),
      ),
  },
  {
    what: 'an epoch that ends early',
    of: finished,
    check: 'coverage',
    text: /epoch 1 has 149 samples, epoch 0 has 150/,
    damage: (run) =>
      changeJournal(run, (lines) =>
        Object.assign(lines[indexOfStep(lines, 9)] ?? {}, {
          to: 149,
          samples: 21,
          sums: { ...(lines[indexOfStep(lines, 9)]?.sums as object), samples: 21 },
        }),
      ),
  },
  {
    what: 'another loss than in the log',
    of: killed,
    check: 'log',
    text: /step 15: the journal's line is another/,
    damage: (run) =>
      changeJournal(run, (lines) => Object.assign(lines[indexOfStep(lines, 15)]?.loss as object, { crossEntropy: 1 })),
  },
  {
    what: 'a flipped bit in the middle of the log',
    of: killed,
    check: 'log',
    text: /it ends with step|follows step/,
    damage: (run) => flip(newest(run, 'log', /\.log$/), 3000),
  },
  {
    what: 'a flipped bit in a snapshot',
    of: killed,
    check: 'snapshots',
    text: /^14-\w+\.state is damaged$/,
    damage: (run) => flip(newest(run, 'snapshots', /\.state$/), 5000),
  },
  {
    what: 'a snapshot of another state',
    of: killed,
    check: 'snapshots',
    text: /^14-\w+\.json is damaged$/,
    damage: (run) => {
      const path = newest(run, 'snapshots', /\.json$/);
      writeFileSync(path, JSON.stringify({ ...(JSON.parse(readFileSync(path, 'utf8')) as object), stateHash: 'ffff' }));
    },
  },
  {
    what: 'another loss in the metrics',
    of: finished,
    check: 'metrics',
    text: /^epoch 2: /,
    damage: (run) => {
      const path = join(run, 'metrics.jsonl');
      const lines = readFileSync(path, 'utf8')
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as Record<string, unknown>);
      Object.assign(lines[2] ?? {}, { samples: 149 });
      writeFileSync(path, lines.map((line) => JSON.stringify(line)).join('\n'));
    },
  },
  {
    what: 'another accuracy in the summary',
    of: finished,
    check: 'summary',
    text: /summary\.json is damaged/,
    damage: (run) => {
      const path = join(run, 'summary.json');
      const summary = JSON.parse(readFileSync(path, 'utf8')) as { student: object };
      writeFileSync(path, JSON.stringify({ ...summary, student: { ...summary.student, accuracy: 0.125 } }));
    },
  },
  {
    what: 'other weights in the best student',
    of: finished,
    check: 'student-best',
    text: /the journal gives|is "/,
    damage: (run) =>
      flip(
        join(run, 'student-best', 'student.safetensors'),
        statSync(join(run, 'student-best', 'student.safetensors')).size - 3,
      ),
  },
  {
    what: 'other weights in the student',
    of: finished,
    check: 'student',
    text: /the journal gives|is "/,
    damage: (run) =>
      flip(join(run, 'student', 'student.safetensors'), statSync(join(run, 'student', 'student.safetensors')).size - 3),
  },
];

describe('a run that was damaged', () => {
  it.each(damages)('is not sound, and is told by what: $what', async ({ of, check, text, damage }) => {
    const run = copyOf(of);
    damage(run);
    const { checks, isSound } = await verifyRun(run);
    expect(isSound).toBe(false);
    expect(checks.find(({ name }) => name === check)).toEqual({
      name: check,
      isSound: false,
      text: expect.stringMatching(text) as string,
    });
  });

  it('ends the command with 65', async () => {
    const run = copyOf(killed);
    flip(newest(run, 'snapshots', /\.state$/), 5000);
    const { code, stdout } = await new Program(['verify', run]).ended;
    expect([code, stdout]).toEqual([65, expect.stringMatching(/\nFAIL snapshots: [^]*\nNOT SOUND\n$/)]);
  });

  it('or is no run folder, and ends it with 2', async () => {
    const { code, stderr } = await new Program(['verify', scratch.path]).ended;
    expect([code, stderr]).toEqual([
      2,
      expect.stringContaining('no journal.jsonl there; the folder of a run was wanted'),
    ]);
  });
});
