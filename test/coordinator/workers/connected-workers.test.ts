import { describe, expect, it } from 'vitest';
import { ConnectedWorkers } from '../../../coordinator/workers/connected-workers.js';
import type { WorkerConnection } from '../../../coordinator/workers/worker-connection.js';
import type { Traffic } from '../../../shared/exchange/plane.js';
import { systemTimers } from '../../../shared/timers.js';

const none: Traffic = { received: 0, sent: 0 };

/** As much of a connection as is looked at here. */
function connectionOf(process: string, socket: Traffic, memory: Traffic = none): WorkerConnection {
  return { admitted: { id: process, process }, bytes: { socket, memory } } as unknown as WorkerConnection;
}

describe('the account of connections', () => {
  it('counts the bytes of those that are closed, once each, with those that are open, by plane', () => {
    const connected = new ConnectedWorkers(systemTimers);
    const one = connectionOf('a', { received: 1, sent: 10 });
    const two = connectionOf('b', { received: 2, sent: 20 }, { received: 5, sent: 7 });
    const both = { socket: { received: 3, sent: 30 }, memory: { received: 5, sent: 7 } };
    for (const connection of [one, two]) connected.add(connection);
    expect(connected.traffic).toEqual(both);
    for (const connection of [one, one, two]) connected.remove(connection, false);
    expect(connected.traffic).toEqual(both);
  });

  it('counts a process that comes back once for each time that it was missed', () => {
    const connected = new ConnectedWorkers(systemTimers);
    const connection = connectionOf('a', none);
    connected.isBack('a');
    expect(connected.reconnects).toBe(0);
    connected.add(connection);
    connected.remove(connection, true);
    connected.isBack('a');
    connected.isBack('a');
    expect(connected.reconnects).toBe(1);
  });
});
