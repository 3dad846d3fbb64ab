/**
 * A worker's connection as the run sees it: whole frames in both directions, each direction in order, until it is
 * closed. A channel knows frames and nothing of what they mean. The server makes one of each WebSocket; a simulation
 * has channels of its own.
 */
import type { Frame, FrameData } from '../../shared/protocol/codec.js';

/** Called by a channel. Nothing is called any more after `onClosed`. */
export interface ChannelListener {
  /** A whole frame has come; null for a message that is not binary and therefore no frame. */
  readonly onFrame: (frame: FrameData | null) => void;
  /** The connection is gone, whoever ended it; `error` says why where the transport failed. */
  readonly onClosed: (error: string | null) => void;
}

/** One worker's connection, which sends and receives frames. */
export interface Channel {
  /** The peer's address, for messages to the user. */
  readonly address: string;
  /** The host and the token that the peer comes with, which it cannot choose as it chooses its name. */
  readonly origin: string;
  /** Whether frames can still be sent. */
  readonly isOpen: boolean;
  /** Bytes that have come so far, those of unfinished frames included. */
  readonly receivedBytes: number;
  /** Bytes that were sent so far. */
  readonly sentBytes: number;
  /** Must be called once, before the first frame can come. */
  listen(listener: ChannelListener): void;
  /** `whenSent` is called once the frame's memory is no longer needed, also when sending failed. Must be open. */
  send(frame: Frame, whenSent: () => void): void;
  /** Begins the closing handshake; `onClosed` is called once the peer has answered, never before this returns. */
  close(code: number, reason: string): void;
  /** Ends the connection without a handshake; `onClosed` is called afterwards, never before this returns. */
  terminate(): void;
}
