/**
 * The two kinds of error that are not bugs. Everything else crashes with its stack.
 *
 * UserError: the user's input, machine or storage is at fault. Shown as one line; the process ends with `exitCode`.
 * ProtocolError: the peer on a socket broke a rule. That peer's socket is closed; nothing else is touched.
 */
/** Exit codes, stable because schedulers act on them. */
export const exitCodes = {
    done: 0,
    bug: 1,
    usage: 2,
    data: 65,
    unavailable: 69,
    stopped: 75,
    refused: 77,
    noGpu: 79,
};
export class UserError extends Error {
    name = 'UserError';
    exitCode;
    /** @param message one line: the thing, its value and what was wanted instead. */
    constructor(message, exitCode = exitCodes.usage, cause) {
        super(message, cause === undefined ? undefined : { cause });
        this.exitCode = exitCode;
    }
}
export class ProtocolError extends Error {
    name = 'ProtocolError';
    closeCode;
    constructor(message, closeCode = 4400, cause) {
        super(message, cause === undefined ? undefined : { cause });
        this.closeCode = closeCode;
    }
}
/** The code of a system error (`ENOENT`, ...); empty for anything else. */
export function codeOf(error) {
    return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
}
//# sourceMappingURL=errors.js.map