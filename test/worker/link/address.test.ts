import { describe, expect, it } from 'vitest';
import { coordinatorAddress } from '../../../worker/link/address.js';

describe('coordinator address', () => {
  it.each([
    ['ws://10.0.0.1:7300', 'ws://10.0.0.1:7300/worker', 'http://10.0.0.1:7300/artifacts/'],
    ['wss://host.example/', 'wss://host.example/worker', 'https://host.example/artifacts/'],
    ['ws://[::1]:9/worker', 'ws://[::1]:9/worker', 'http://[::1]:9/artifacts/'],
    ['wss://host.example/a/b/', 'wss://host.example/a/b/worker', 'https://host.example/a/b/artifacts/'],
  ])('of %s', (url, socket, artifacts) => {
    expect(coordinatorAddress(url)).toMatchObject({ socket, artifacts });
  });

  it.each([['localhost'], ['http://host:1'], ['']])('refuses %j in one line', (url) => {
    expect(() => coordinatorAddress(url)).toThrow(/ws:\/\/HOST:PORT was wanted/);
  });

  it('shows no password', () => {
    expect(() => coordinatorAddress('http://me:secret@host:1/x')).toThrow(/^(?!.*secret).*host:1/);
  });
});
