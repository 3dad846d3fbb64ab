import { describe, expect, it } from 'vitest';
import { shellWord } from '../../cli/output.js';
import { integer, listenAddress, portTaken, positive } from '../../cli/values.js';

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

  it.each([
    ['ws://gpu-box', 80],
    ['wss://gpu-box/runs?fingerprint=12:34', 443],
    ['ws://[::1]', 80],
    ['ws://[::1]:7171', null],
    ['ws://gpu-box:80/', null],
    ['gpu-box', null],
  ])("%s is a coordinator's address whose port is %s where it says none", (url, port) => {
    expect(portTaken(url)).toBe(port);
  });

  it('are whole numbers of digits alone', () => {
    expect([integer('0'), positive('12')]).toEqual([0, 12]);
    for (const text of ['-1', '1.5', '1e3', '', '99999999999999999999'])
      expect(() => integer(text)).toThrow(/at least 0/);
    expect(() => positive('0')).toThrow(/at least 1/);
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
