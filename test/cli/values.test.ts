import { describe, expect, it } from 'vitest';
import { shellWord } from '../../cli/output.js';
import { integer, joinLine, joinToken, listenAddress, positive } from '../../cli/values.js';

describe('values of the command line', () => {
  it.each([
    ['0.0.0.0:7171', { host: '0.0.0.0', port: 7171 }],
    ['[::1]:0', { host: '::1', port: 0 }],
    ['gpu-box:65535', { host: 'gpu-box', port: 65535 }],
  ])('%s is the address %j', (text, address) => {
    expect(listenAddress(text)).toEqual(address);
  });

  it.each(['7171', 'host:', ':7171', 'host:65536', '::1:7171'])('%s is no address', (text) => {
    expect(() => listenAddress(text)).toThrow('HOST:PORT was wanted');
  });

  it('are whole numbers of digits alone', () => {
    expect([integer('0'), positive('12')]).toEqual([0, 12]);
    for (const text of ['-1', '1.5', '1e3', '', '99999999999999999999'])
      expect(() => integer(text)).toThrow(/at least 0/);
    expect(() => positive('0')).toThrow(/at least 1/);
  });
});

describe('joinToken', () => {
  it('is needed beyond loopback, and a file that cannot be read is never passed over', () => {
    const listen = (host: string) => ({ host, port: 1 });
    for (const host of ['localhost', '127.0.0.9', '::1']) expect(joinToken({ listen: listen(host) })).toBeNull();
    expect(() => joinToken({ listen: listen('0.0.0.0') })).toThrow(/a token is needed beyond loopback/);
    expect(() => joinToken({ listen: listen('::1'), tokenFile: '/nowhere/token' })).toThrow(/cannot be read/);
  });
});

describe('a word of a line to copy', () => {
  it.each([
    ['runs/mnist-2', 'runs/mnist-2'],
    ['my runs/a', "'my runs/a'"],
    ["it's", "'it'\\''s'"],
    ['$HOME', "'$HOME'"],
  ])('%s is written %s', (text, word) => {
    expect(shellWord(text)).toBe(word);
  });
});

describe('joinLine', () => {
  it('is the command that a worker is started by, and never holds the token', () => {
    expect(joinLine({ host: '::1', port: 7 }, null)).toBe('join with:  stillhouse worker ws://[::1]:7');
    expect(joinLine({ host: 'a', port: 7 }, 'secret', ' --role label')).toBe(
      'join with:  STILLHOUSE_TOKEN=... stillhouse worker ws://a:7 --role label',
    );
  });
});
