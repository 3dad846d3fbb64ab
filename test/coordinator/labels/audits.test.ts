import { describe, expect, it } from 'vitest';
import { LabelAudits, type LabelEffect } from '../../../coordinator/labels/audits.js';
import type { Sender } from '../../../coordinator/labels/senders.js';
import { randomStream } from '../../../shared/random.js';

const rows = ['0', '1'];
const senderOf = (worker: string, numerics = 'wasm'): Sender => ({ origin: 'host', worker, numerics });
const right = (unit: number): Uint8Array => Uint8Array.of(unit, 7);
const wrong = (unit: number): Uint8Array => Uint8Array.of(unit, 8);

/** Audits of units of two rows each; `kept` is what they keep, by unit and row. */
class World {
  readonly kept = new Map<string, string>();
  readonly said: string[] = [];
  readonly audits: LabelAudits;
  readonly asked = new Map<string, number>();

  constructor(
    readonly units: number,
    chosen: readonly number[] | ((unit: number) => boolean),
    draw: (units: readonly number[]) => number = ([first = -1]) => first,
  ) {
    const isChosen = typeof chosen === 'function' ? chosen : (unit: number): boolean => chosen.includes(unit);
    this.audits = new LabelAudits({ isChosen, draw, alone: 1000, silenceMs: 100 });
  }

  isKept(unit: number): boolean {
    return rows.every((row) => this.kept.has(`${unit}.${row}`));
  }

  /** The unit that the worker is leased; null for none that is wanted of it. */
  lease(sender: Sender, nowMs = 0): number | null {
    this.audits.heard(sender, nowMs);
    this.#carryOut(this.audits.relieve(nowMs));
    for (;;) {
      const unit = Array.from({ length: this.units }, (_, i) => i).find(
        (one) => !this.isKept(one) && this.audits.wants(one, sender),
      );
      if (unit !== undefined) return unit;
      const effects = this.audits.idle(nowMs);
      if (effects === null) return null;
      this.#carryOut(effects);
    }
  }

  answer(sender: Sender, unit: number, bytes: Uint8Array): void {
    if (this.isKept(unit)) return;
    this.asked.set(sender.worker ?? '', (this.asked.get(sender.worker ?? '') ?? 0) + 1);
    this.audits.open(unit, rows);
    for (const row of rows) this.#carryOut(this.audits.offer(unit, sender, [{ row, bytes }]));
  }

  #carryOut(effects: readonly LabelEffect[]): void {
    for (const effect of effects) {
      if (effect.type === 'keep') this.kept.set(`${effect.unit}.${effect.row}`, effect.bytes.join());
      else if (effect.type === 'lie')
        this.said.push(`${effect.maker.worker ?? ''} lied, ${effect.thrown} thrown away, ${effect.kept} stay`);
      else if (effect.type === 'undecided')
        this.said.push(`undecided: ${effect.makers.map(({ worker }) => worker).join()}`);
      else this.said.push(`${effect.maker.worker ?? ''} unaudited`);
    }
  }
}
const [a, b, c] = [senderOf('a'), senderOf('b'), senderOf('c')];

describe('audits of soft labels', () => {
  it('keep nothing of a maker before a unit of it that is audited was labelled alike by another, then all', () => {
    const world = new World(3, [2]);
    for (const maker of [a, b]) world.audits.heard(maker, 0);
    for (const unit of [0, 1, 2]) {
      expect(world.lease(a)).toBe(unit);
      world.answer(a, unit, right(unit));
    }
    expect([world.kept.size, world.lease(a), world.lease(b)]).toEqual([0, null, 2]);
    world.answer(b, 2, right(2));
    expect([world.kept.size, world.lease(a), world.said]).toEqual([6, null, []]);
  });

  it('keep nothing by a good audit that its maker sent after the audited unit', () => {
    const world = new World(3, [1]);
    for (const maker of [a, b]) world.audits.heard(maker, 0);
    for (const unit of [0, 1, 2]) world.answer(a, unit, right(unit));
    world.answer(b, 1, right(1));
    expect([0, 1, 2].map((unit) => world.isKept(unit))).toEqual([true, true, false]);
  });

  it('name a liar that a third decides against, and throw away what it sent since its last good audit', () => {
    const world = new World(4, [1, 3]);
    for (const maker of [a, b, c]) world.audits.heard(maker, 0);
    for (const unit of [0, 1]) world.answer(a, unit, right(unit));
    world.answer(b, 1, right(1));
    expect([world.isKept(0), world.isKept(1)]).toEqual([true, true]);
    world.answer(a, 2, wrong(2));
    world.answer(a, 3, wrong(3));
    world.answer(b, 3, right(3));
    expect([world.lease(a), world.lease(b), world.lease(c)]).toEqual([null, null, 3]);
    world.answer(c, 3, right(3));
    expect(world.said).toEqual(['a lied, 4 thrown away, 2 stay']);
    expect([world.lease(a), world.lease(b), world.kept.get('3.0')]).toEqual([null, 2, right(3).join()]);
  });

  it.each([1, 0.3, 0.05])(
    'find a liar of rate %d that comes first, and keep nothing wrong of it after that',
    (rate) => {
      let found = 0;
      for (let seed = 0; seed < 20; seed++) {
        const random = randomStream(['liar', rate, seed]);
        const isChosen = Array.from({ length: 60 }, () => random.float() < 0.2);
        const lies = Array.from({ length: 60 }, () => random.float() < rate);
        const world = new World(60, (unit) => isChosen[unit] ?? false);
        for (const maker of [a, b, c]) world.audits.heard(maker, 0);
        const work = (maker: Sender): boolean => {
          const unit = world.lease(maker);
          if (unit === null) return false;
          const isLie = maker === a && lies[unit] === true;
          world.answer(maker, unit, isLie ? wrong(unit) : right(unit));
          return true;
        };
        while ([a, b, c].map(work).some(Boolean));
        expect(Array.from({ length: 60 }, (_, unit) => world.isKept(unit)).every(Boolean)).toBe(true);
        const wrongKept = [...world.kept].filter(([name, bytes]) => bytes !== right(Number(name.split('.')[0])).join());
        const isFound = world.said.some((text) => text.startsWith('a lied'));
        expect(world.said.filter((text) => !text.startsWith('a lied'))).toEqual([]);
        found += isFound ? 1 : 0;
        // Lies that are kept had a good audit after them.
        const stay = Number(/(\d+) stay/.exec(world.said[0] ?? '')?.[1] ?? 0);
        if (isFound) expect(wrongKept.length).toBeLessThanOrEqual(stay);
        if (rate === 1) expect([isFound, wrongKept]).toEqual([true, []]);
      }
      expect(found).toBeGreaterThanOrEqual(20 * rate);
    },
  );

  it('with every unit audited keep no lie, whatever its rate', () => {
    for (let seed = 0; seed < 20; seed++) {
      const random = randomStream(['all', seed]);
      const world = new World(30, () => true);
      for (const maker of [a, b, c]) world.audits.heard(maker, 0);
      const work = (maker: Sender): boolean => {
        const unit = world.lease(maker);
        if (unit !== null) world.answer(maker, unit, maker === a && random.float() < 0.1 ? wrong(unit) : right(unit));
        return unit !== null;
      };
      while ([a, b, c].map(work).some(Boolean));
      expect([...world.kept].filter(([name, bytes]) => bytes !== right(Number(name.split('.')[0])).join())).toEqual([]);
      expect(world.kept.size).toBe(60);
    }
  });

  it('cost the share that is chosen, and one unit more for each maker at the end', () => {
    const world = new World(100, (unit) => unit % 10 === 3);
    for (const maker of [a, b, c]) world.audits.heard(maker, 0);
    const work = (maker: Sender): boolean => {
      const unit = world.lease(maker);
      if (unit !== null) world.answer(maker, unit, right(unit));
      return unit !== null;
    };
    while ([a, b, c].map(work).some(Boolean));
    const labelled = [...world.asked.values()].reduce((sum, count) => sum + count, 0);
    expect(world.kept.size).toBe(200);
    expect(labelled).toBeGreaterThanOrEqual(110);
    expect(labelled).toBeLessThanOrEqual(116);
  });

  it('draw a unit of a maker of which none was chosen, once there is nothing else to do', () => {
    const drawn: (readonly number[])[] = [];
    const world = new World(3, [], (units) => (drawn.push(units), units[1] ?? -1));
    for (const maker of [a, b]) world.audits.heard(maker, 0);
    for (const unit of [0, 1, 2]) world.answer(a, unit, right(unit));
    expect([world.kept.size, world.lease(b), drawn]).toEqual([0, 1, [[0, 1, 2]]]);
    world.answer(b, 1, right(1));
    expect(world.kept.size).toBe(6);
  });

  it('keep what a maker has sent that nobody can audit, and say so', () => {
    const world = new World(2, [0]);
    for (const unit of [0, 1]) world.answer(a, unit, right(unit));
    world.audits.heard(senderOf('other', 'another processor'), 0);
    expect([world.kept.size, world.lease(a)]).toEqual([0, null]);
    expect([world.kept.size, [...new Set(world.said)]]).toEqual([4, ['a unaudited']]);
  });

  it('do not wait for one that is gone', () => {
    const world = new World(1, [0]);
    world.audits.heard(b, 0);
    world.answer(a, 0, right(0));
    expect([world.lease(a, 50), world.kept.size]).toEqual([null, 0]);
    expect([world.lease(a, 100), world.kept.size]).toEqual([null, 2]);
  });

  it('decide nothing between two alone: the first answer stays, both are named, nobody is turned away', () => {
    const world = new World(1, [0]);
    for (const maker of [a, b]) world.audits.heard(maker, 0);
    world.answer(a, 0, wrong(0));
    world.answer(b, 0, right(0));
    expect([world.lease(a), world.said, world.kept.get('0.0')]).toEqual([null, ['undecided: a,b'], wrong(0).join()]);
  });

  it('keep what a maker sent beside a part that one of other numerics has left behind', () => {
    const world = new World(1, []);
    world.audits.open(0, rows);
    world.audits.offer(0, senderOf('gone', 'cuda'), [{ row: '0', bytes: wrong(0) }]);
    expect(world.lease(a)).toBe(0);
    world.answer(a, 0, right(0));
    expect([world.lease(a), world.said]).toEqual([null, ['a unaudited']]);
    expect([...world.kept.values()]).toEqual([right(0).join(), right(0).join()]);
  });

  it('do not compare makers of different numerics', () => {
    const world = new World(1, [0]);
    const other = senderOf('other', 'another processor');
    world.answer(a, 0, right(0));
    world.answer(other, 0, wrong(0));
    world.answer(b, 0, right(0));
    expect([world.said, world.kept.get('0.1')]).toEqual([[], right(0).join()]);
  });

  it('take nothing more of a liar, and its rows are wanted again', () => {
    const world = new World(2, [0]);
    for (const maker of [a, b, c]) world.audits.heard(maker, 0);
    world.answer(a, 0, wrong(0));
    world.answer(a, 1, wrong(1));
    expect(world.audits.wants(1, b)).toBe(false);
    for (const maker of [b, c]) world.answer(maker, 0, right(0));
    world.answer(a, 1, wrong(1));
    expect([world.audits.wants(1, b), world.audits.wants(1, a), world.isKept(1)]).toEqual([true, false, false]);
  });
});
