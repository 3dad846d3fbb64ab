/**
 * The coordinator's behaviour as text: every file of test/scenarios is a run, `@ms event` and below it the exact
 * commands. UPDATE=1 writes the commands anew; read the difference before you keep it.
 *
 *   units train 4, evaluate 2      the plan: kind and number of micro-batches
 *   audits 0..1 2..3               the blocks that are audited, by their micro-batches, of every unit
 *   teachers drop a b dropped a    what becomes of a teacher that fails, and those that the journal has dropped
 * (default: stop)
 *   history 2                      blocks summed before any is suspected to be out of proportion, by a factor of 100
 *   slots 7, bytes 100, silence 5000, first 60000, skips 2, opinion 30000
 *   @0 offer w1 3 ms=40 bytes=0 hash=bad digest=other step=7
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { Core } from '../../../coordinator/decide/decide.js';
import { nameOfUnit } from '../../../coordinator/decide/state.js';
import type { Command, Event, TeacherPolicy, Unit } from '../../../coordinator/decide/types.js';
import { blockRange, type Block } from '../../../shared/replica/reduction/tree.js';

const folder = fileURLToPath(new URL('../../scenarios/', import.meta.url));

class Scenario {
  readonly #numbers = { slots: 8, bytes: 100, silence: 1e9, first: 60_000, skips: 0, opinion: 0, history: Infinity };
  #units: Unit[] = [];
  #policy: TeacherPolicy | undefined;
  #audited: readonly string[] = [];
  #core: Core | null = null;
  readonly #leases = new Map<number, Unit>();
  #steps = 0;

  /** The text with the commands that really come. */
  play(text: string): string {
    const lines = text.split('\n').filter((line) => !line.startsWith('  '));
    return lines.flatMap((line) => [line, ...this.#answer(line).map((command) => `  ${command}`)]).join('\n');
  }

  #answer(line: string): string[] {
    if (!line.startsWith('@')) {
      this.#configure(line);
      return [];
    }
    this.#core ??= new Core({
      unitAt: (index) => this.#units[index],
      firstUnit: 0,
      stateHash: 's0',
      skips: this.#numbers.skips,
      slots: this.#numbers.slots,
      contributionBytes: this.#numbers.bytes,
      silenceMs: this.#numbers.silence,
      firstLeaseMs: this.#numbers.first,
      secondOpinionMs: this.#numbers.opinion,
      audits: { isChosen: (unit, block) => this.#audited.includes(nameOfBlock(unit, block)) },
      policy: this.#policy,
      proportion: { leastBlocks: this.#numbers.history, factor: 100 },
    });
    const [, ms = '', words = ''] = /^@(\d+) (.*)$/.exec(line) ?? [];
    if (words === 'accounts')
      return [
        Object.entries(this.#core.accounts)
          .map(([name, count]) => `${name} ${count}`)
          .join(', '),
      ];
    return this.#core
      .handle({ ...this.#event(words), nowMs: Number(ms) } as Event)
      .map((command) => this.#write(command));
  }

  #configure(line: string): void {
    const units = /^units (.*)$/.exec(line)?.[1];
    if (units !== undefined) this.#units = unitsFrom(units);
    this.#audited = /^audits (.*)$/.exec(line)?.[1]?.split(' ') ?? this.#audited;
    const [, onFailure, teachers, , dropped] = /^teachers (stop|drop) ([\w ]+?)( dropped (\w+))?$/.exec(line) ?? [];
    if (teachers !== undefined)
      this.#policy = {
        onFailure: onFailure === 'drop' ? 'drop' : 'stop',
        teachers: teachers.split(' '),
        dropped: dropped === undefined ? [] : [dropped],
      };
    for (const [, name, value] of line.startsWith('#')
      ? []
      : line.matchAll(/(slots|bytes|silence|first|skips|opinion|history) (\d+)/g))
      Object.assign(this.#numbers, { [name ?? '']: Number(value) });
  }

  #event(words: string): Record<string, unknown> {
    const [type = '', subject = '', third = '', ...rest] = words.split(' ');
    const options = Object.fromEntries(
      words
        .split(' ')
        .filter((word) => word.includes('='))
        .map((word) => word.split('=')),
    ) as Record<string, string>;
    const reason = words
      .split(' ')
      .slice(type === 'stop' ? 1 : 2)
      .join(' ');
    switch (type) {
      case 'join':
        return {
          type,
          worker: subject,
          ...(third === '' ? {} : { process: third }),
          ...(options.origin === undefined ? {} : { origin: options.origin }),
        };
      case 'ready':
        return {
          type,
          worker: subject,
          step: this.#steps,
          stateHash: options.hash ?? `s${this.#steps}`,
          numerics: options.numerics,
        };
      case 'heard':
        return { type, worker: subject, progress: 1 };
      case 'offer':
        return this.#offer(subject, Number(third), options);
      case 'received':
        return { type, worker: subject, lease: Number(third), norm: Number(options.norm ?? 1) };
      case 'failed':
        return {
          type,
          worker: subject,
          lease: Number(third),
          reason: rest.filter((word) => !word.startsWith('teacher=')).join(' '),
          teacher: options.teacher,
        };
      case 'differs':
        return { type, worker: subject, step: Number(third), stateHash: options.hash, wanted: `s${third}` };
      case 'leave':
        return { type, worker: subject, reason };
      case 'committed':
        return this.#committed(Number(subject), words);
      case 'stop':
        return { type, reason };
      case 'tick':
        return { type };
      default:
        throw new Error(`no event: ${words}`);
    }
  }

  #offer(worker: string, lease: number, options: Record<string, string>): Record<string, unknown> {
    const step = Number(options.step ?? this.#leases.get(lease)?.step ?? 0);
    return {
      type: 'offer',
      worker,
      lease,
      step,
      stateHash: options.hash ?? `s${step}`,
      digest: options.digest ?? 'same',
      bytes: Number(options.bytes ?? this.#numbers.bytes),
      computeSeconds: Number(options.ms ?? 100) / 1000,
    };
  }

  #committed(unit: number, words: string): Record<string, unknown> {
    if (this.#units[unit]?.kind === 'train') this.#steps++;
    return {
      type: 'committed',
      unit,
      stateHash: `s${this.#steps}`,
      isSkipped: words.includes('skipped'),
      stopEarly: words.includes('stopEarly'),
    };
  }

  #write(command: Command): string {
    switch (command.type) {
      case 'lease': {
        this.#leases.set(command.id, command.unit);
        return `lease ${command.worker} ${command.id} ${nameOfUnit(command.unit)}: ${nameOfBlock(command.unit, command.block)}${without(command)}`;
      }
      case 'cancel':
        return `cancel ${command.worker} ${command.id}: ${command.reason}`;
      case 'pull':
      case 'accept':
        return `${command.type} ${command.worker} ${command.id} into ${command.slot}`;
      case 'setAside':
        return `set ${command.worker} ${command.id} aside`;
      case 'merge':
        return `merge ${command.from} into ${command.into}`;
      case 'free':
        return `free ${command.slot}`;
      case 'commit':
        return `commit ${command.index}${command.skip ? ' as a skip' : ` from ${command.slot}`}${without(command)}: ${command.reason}`;
      case 'drop':
        return `drop ${command.teacher} from ${nameOfUnit(command.unit)} on: ${command.reason}`;
      case 'audit':
        return `audit of step ${command.assignment.step}, ${command.outcome}: ${command.workers.map(({ worker }) => worker).join(' and ')}`;
      case 'release':
        return `release ${command.step} ${command.stateHash}`;
      case 'resync':
        return `resync ${command.worker}: ${command.reason}`;
      case 'dismiss':
        return `dismiss ${command.worker} ${command.code}: ${command.reason}`;
      case 'finish':
        return `finish ${command.outcome}: ${command.reason}`;
      case 'say':
        return `say ${command.level}: ${command.text}`;
    }
  }
}

function nameOfBlock({ microBatches }: Unit, block: Block): string {
  const { from, to } = blockRange(block, microBatches);
  return `${from}..${to - 1}`;
}

function without({ dropped }: { readonly dropped: readonly string[] }): string {
  return dropped.length === 0 ? '' : ` without ${dropped.join(' and ')}`;
}

function unitsFrom(text: string): Unit[] {
  let step = 0;
  return text.split(', ').map((unit) => {
    const [kind, microBatches] = unit.split(' ');
    const common = { step, epoch: 0, from: 0, to: Number(microBatches) * 8, microBatches: Number(microBatches) };
    if (kind === 'evaluate') return { kind, subject: 'student', ...common };
    step++;
    return { kind: 'train', ...common };
  });
}

describe('a scenario', () => {
  const names = readdirSync(folder).filter((name) => name.endsWith('.txt'));

  it('is there for every kind of trouble', () => {
    expect(names.length).toBeGreaterThan(15);
  });

  it.each(names)('%s goes as written', (name) => {
    const text = readFileSync(folder + name, 'utf8');
    const played = new Scenario().play(text);
    if (process.env.UPDATE === '1') writeFileSync(folder + name, played);
    else expect(played).toBe(text);
  });
});
