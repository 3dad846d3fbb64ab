/**
 * The server's open connections as a budget: those of peers that have shown a token come first. A stranger has a short
 * time for that, and when too many strangers hold connections the one that has waited longest loses its own.
 */
import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { limits } from '../../shared/protocol/messages.js';

export interface ConnectionBudget {
  /** How many connections there may be in all; more are not taken. */
  readonly total: number;
  /** How many peers may hold a connection that have not shown a token yet. */
  readonly strangers: number;
  /** How many of them from one address; default: three of four. */
  readonly strangersPerAddress?: number;
  /** Milliseconds that a stranger has. */
  readonly strangerMs: number;
}

/** Descriptors that are left for files, pipes and whatever else the process opens. */
const reserved = 256;

/** The usual budget, smaller where this process may not open so many files. */
export function connectionBudget(openFiles: number | null = openFileLimit()): ConnectionBudget {
  const total = Math.max(32, Math.min(8192, (openFiles ?? Infinity) - reserved));
  return { total, strangers: Math.min(256, Math.ceil(total / 4)), strangerMs: limits.helloMs };
}

/** How many descriptors this process may hold; null where the system does not say, or sets no limit. */
function openFileLimit(): number | null {
  let text: string;
  try {
    text = readFileSync('/proc/self/limits', 'utf8');
  } catch {
    return null; // Not Linux.
  }
  const soft = /^Max open files\s+(\d+)/m.exec(text)?.[1];
  return soft === undefined ? null : Number(soft);
}

/** How long a peer that was turned away may take to read why. */
const partingMs = 1000;

export class Connections {
  readonly #budget: ConnectionBudget;
  /** In the order of their coming, with what ends their wait. */
  readonly #strangers = new Map<Socket, NodeJS.Timeout>();
  /** By both ends: under TLS requests come on another object than the connection that was taken. */
  readonly #open = new Map<string, Socket>();

  constructor(budget: ConnectionBudget) {
    this.#budget = budget;
  }

  get strangers(): number {
    return this.#strangers.size;
  }

  add(socket: Socket): void {
    const ends = endsOf(socket);
    this.#open.set(ends, socket);
    socket.once('close', () => {
      this.#open.delete(ends);
      this.#forget(socket);
    });
    this.#strangers.set(
      socket,
      setTimeout(() => socket.destroy(), this.#budget.strangerMs),
    );
    const { strangers, strangersPerAddress = Math.ceil(0.75 * strangers) } = this.#budget;
    const ofAddress = [...this.#strangers.keys()].filter((other) => other.remoteAddress === socket.remoteAddress);
    if (ofAddress.length > strangersPerAddress) ofAddress[0]?.destroy();
    const [longest] = this.#strangers.keys();
    if (this.#strangers.size > strangers) longest?.destroy();
  }

  /** The peer has shown a token that is good. */
  trust(socket: Socket): void {
    const taken = this.#open.get(endsOf(socket));
    if (taken !== undefined) this.#forget(taken);
  }

  /** The peer was turned away, in bytes that are written already: whether or not it closes, its connection is gone soon. */
  part(socket: Socket): void {
    const timer = setTimeout(() => socket.destroy(), partingMs);
    socket.once('close', () => clearTimeout(timer));
    // What it still sends is taken and dropped, or closing would cut the reason off.
    socket.resume();
  }

  closeAll(): void {
    for (const socket of this.#open.values()) socket.destroy();
  }

  #forget(socket: Socket): void {
    clearTimeout(this.#strangers.get(socket));
    this.#strangers.delete(socket);
  }
}

/** Addresses and ports of both ends, which no two open connections share. */
function endsOf({ localAddress, localPort, remoteAddress, remotePort }: Socket): string {
  return `${localAddress} ${localPort} ${remoteAddress} ${remotePort}`;
}
