import { describe, expect, it } from 'vitest';
import { WorkLine, workText } from '../../cli/work-line.js';
import { hasColors, paintFor } from '../../shared/colors.js';
import { atWork, showLongWork } from '../../shared/long-work.js';

describe('the line of long work', () => {
  it('is one line, no wider than the terminal, whatever files are called', () => {
    expect(workText('reading a.csv', { done: 20, total: 60 })).toBe('reading a.csv: 20 of 60');
    expect(workText('hashing', null)).toBe('hashing');
    expect(workText('x'.repeat(200), null, 40)).toBe('x'.repeat(39));
    expect(workText('two\nlines \u001b[31m', null)).toBe('two?lines ?[31m');
  });

  it('is drawn over, not too often, and taken away once', () => {
    let [nowMs, text] = [0, ''];
    const line = new WorkLine({ columns: 80, write: (more) => (text += more) }, () => nowMs);
    line.clear();
    expect(text).toBe('');
    line.show('a', { done: 1, total: 9 });
    nowMs = 99;
    line.show('a', { done: 2, total: 9 });
    nowMs = 100;
    line.show('a', { done: 3, total: 9 });
    line.show('b', null);
    line.clear();
    line.clear();
    const clear = '\r\u001b[K';
    expect(text).toBe(`${clear}a: 1 of 9${clear}a: 3 of 9${clear}b${clear}`);
    text = '';
    // What was written meanwhile has taken its place.
    line.show('b', null);
    expect(text).toBe(`${clear}b`);
  });

  it('gives others their turn, and is told to whoever shows it', async () => {
    const told: string[] = [];
    showLongWork((what) => told.push(what));
    setImmediate(() => told.push('another'));
    await atWork('first');
    showLongWork(null);
    await atWork('second');
    expect(told).toEqual(['first', 'another']);
  });
});

describe('colours', () => {
  it.each([
    [true, {}, true],
    [false, {}, false],
    [true, { NO_COLOR: '1' }, false],
    [true, { NO_COLOR: '' }, true],
    [true, { TERM: 'dumb' }, false],
    [false, { FORCE_COLOR: '1' }, true],
    [false, { FORCE_COLOR: '', NO_COLOR: '1' }, true],
    [true, { FORCE_COLOR: '0' }, false],
    [true, { FORCE_COLOR: 'false' }, false],
  ])('on a terminal (%s) with %o: %s', (isTerminal, environment, wanted) => {
    expect(hasColors(isTerminal, environment)).toBe(wanted);
  });

  it('end where the text ends', () => {
    expect(paintFor(true)('yellow', 'warning')).toBe('\u001b[33mwarning\u001b[0m');
    expect(paintFor(false)('yellow', 'warning')).toBe('warning');
    expect(paintFor(true)('yellow', '')).toBe('');
  });
});
