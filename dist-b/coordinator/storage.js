/**
 * Files of the run folder, written so that a crash at any moment leaves either the old file or the new one, and storage
 * that fails (full, read-only, gone) told as one line for the user instead of a stack.
 */
import { constants } from 'node:fs';
import { link, open, rename, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { exitCodes, UserError } from '../shared/errors.js';
import { slowDisk } from '../shared/fault-points.js';
const storageCodes = new Set(['ENOSPC', 'EDQUOT', 'EIO', 'EROFS', 'EACCES', 'EPERM', 'EFBIG', 'ENOTDIR', 'ESTALE', 'ENXIO', 'EMFILE', 'ENFILE']);
export function codeOf(error) {
    return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
}
/** Runs `work`; @throws UserError (69: retry once there is room) in place of a failing disk's error. */
export async function storing(what, work) {
    try {
        return await work();
    }
    catch (error) {
        const code = codeOf(error);
        if (!storageCodes.has(code))
            throw error;
        const text = code === 'ENOSPC' || code === 'EDQUOT' ? 'no space left on the disk' : `the storage answered ${code}`;
        throw new UserError(`${what}: ${text}; the run is safe up to its last journalled step, run again to continue`, exitCodes.unavailable, error);
    }
}
/** What a small file of the run folder says. @throws UserError (65) when it is not what was written there */
export function parseStored(path, schema, parse) {
    try {
        const parsed = schema.safeParse(parse());
        if (parsed.success)
            return parsed.data;
    }
    catch (error) {
        throw damaged(path, error);
    }
    throw damaged(path);
}
function damaged(path, cause) {
    return new UserError(`${path} is damaged: it is not what was written there; put it back from a copy, or choose another --out`, exitCodes.data, cause);
}
/** Replaces `path` as a whole. The pieces are written in order, and are on the disk when this returns. */
export async function writeDurably(path, pieces) {
    await writeTemporary(path, pieces);
    await rename(`${path}.new`, path);
    await syncFolder(dirname(path));
}
/** Creates `path` with this content, or returns false if it exists. Of two processes one wins, also over a network file system. */
export async function createDurably(path, content) {
    const temporary = `${path}.${process.pid}`;
    await writeTemporary(temporary, [Buffer.from(content)]);
    try {
        await link(`${temporary}.new`, path);
    }
    catch (error) {
        if (codeOf(error) === 'EEXIST')
            return false;
        throw error;
    }
    finally {
        await unlink(`${temporary}.new`);
    }
    await syncFolder(dirname(path));
    return true;
}
async function writeTemporary(path, pieces) {
    const file = await open(`${path}.new`, 'w');
    try {
        for await (const piece of pieces)
            await file.writeFile(piece);
        await file.sync();
        await slowDisk();
    }
    finally {
        await file.close();
    }
}
/** Makes creations, renames and deletions in the folder durable. */
export async function syncFolder(path) {
    const folder = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
    try {
        await folder.sync();
    }
    finally {
        await folder.close();
    }
}
//# sourceMappingURL=storage.js.map