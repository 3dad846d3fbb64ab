import { describe, expect, it } from 'vitest';
import { LeaseQueue } from '../../../worker/trainer/lease-queue.js';
import { leaseOf } from '../fakes.js';

describe('lease queue', () => {
  it('gives leases in the order of their coming', async () => {
    const queue = new LeaseQueue();
    const first = queue.next();
    queue.push(leaseOf({ id: 5 }));
    queue.push(leaseOf({ id: 3 }));
    expect((await first)?.id).toBe(5);
    expect((await queue.next())?.id).toBe(3);
  });

  it('forgets a waiting lease that is cancelled', async () => {
    const queue = new LeaseQueue();
    queue.push(leaseOf({ id: 1 }));
    queue.push(leaseOf({ id: 2 }));
    queue.cancel(1);
    queue.cancel(99);
    expect((await queue.next())?.id).toBe(2);
    expect(queue.isCancelled).toBe(false);
  });

  it('marks the current lease when it is cancelled, and no other', async () => {
    const queue = new LeaseQueue();
    queue.push(leaseOf({ id: 1 }));
    queue.push(leaseOf({ id: 2 }));
    await queue.next();
    queue.cancel(1);
    expect(queue.isCancelled).toBe(true);
    await queue.next();
    expect(queue.isCancelled).toBe(false);
    queue.cancelAll();
    expect(queue.isCancelled).toBe(true);
  });

  it('ends its waiter when it is closed', async () => {
    const queue = new LeaseQueue();
    const next = queue.next();
    queue.close();
    expect(await next).toBeNull();
    queue.push(leaseOf());
    expect(await queue.next()).toBeNull();
  });
});
