import { describe, expect, it } from 'vitest';
import { ConnectedWorkers } from '../../../coordinator/workers/connected-workers.js';
import type { WorkerConnection } from '../../../coordinator/workers/worker-connection.js';
import { systemTimers } from '../../../shared/timers.js';

/** As much of a connection as is looked at here. */
function connectionOf(process: string, bytes: { received: number; sent: number }): WorkerConnection {
  return { admitted: { id: process, process }, bytes } as unknown as WorkerConnection;
}

describe('the account of connections', () => {
  it('counts the bytes of those that are closed, once each, with those that are open', () => {
    const connected = new ConnectedWorkers(systemTimers);
    const [one, two] = [connectionOf('a', { received: 1, sent: 10 }), connectionOf('b', { received: 2, sent: 20 })];
    for (const connection of [one, two]) connected.add(connection);
    expect(connected.traffic).toEqual({ received: 3, sent: 30 });
    connected.remove(one, false);
    connected.remove(one, false);
    expect(connected.traffic).toEqual({ received: 3, sent: 30 });
  });

  it('counts a process that comes back once for each time that it was missed', () => {
    const connected = new ConnectedWorkers(systemTimers);
    const connection = connectionOf('a', { received: 0, sent: 0 });
    connected.isBack('a');
    expect(connected.reconnects).toBe(0);
    connected.add(connection);
    connected.remove(connection, true);
    connected.isBack('a');
    connected.isBack('a');
    expect(connected.reconnects).toBe(1);
  });
});
