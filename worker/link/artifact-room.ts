/** Keeps what coordinators send from filling this machine's disk. */
import { makeRoomFor, type RoomOptions } from '../../shared/room.js';

/**
 * Makes room for so many bytes more in the artifacts' folder, which is there.
 * @throws UserError 69 where there is none, in the folder or on its disk; 2 for a wrong setting
 */
export function makeRoom(folder: string, bytes: number, options?: RoomOptions): Promise<void> {
  return makeRoomFor({ what: 'artifacts', setting: 'STILLHOUSE_ARTIFACTS_BYTES' }, folder, bytes, options);
}
