/**
 * How exactly a soft label is kept: rows of numbers to bytes and back, without an allocation a row. Decoding is a pure
 * function of the bytes, so every worker that reads a row has the same bits.
 *
 *   float32   the row itself
 *   float16   each number rounded to 11 significant bits; a distribution's logs are normalised again when read
 *   top-k     the k likeliest classes as float16 logs, and the mass of all others (the tail), which share it evenly
 *
 * A row is a distribution (log-probabilities) or logits. top-k keeps distributions alone: a tail of logits has no mass
 * that would hold at every temperature.
 */
import { halfTable, toHalf } from './half.js';
/** log 2^-126: no class of a tail is less likely, so that nothing becomes 0 x infinity. */
const smallestLog = Math.log(2 ** -126);
export function codecOf(precision, form) {
    switch (precision.name) {
        case 'float32':
            return { rowBytes: 4 * form.classes, open: (memory, from, rows) => floatRows(form.classes, new Float32Array(memory, from, rows * form.classes)) };
        case 'float16':
            return halfCodec(form);
        case 'top-k':
            return topCodec(Math.min(precision.k, form.classes), form.classes);
        default:
            return precision;
    }
}
function floatRows(classes, kept) {
    return {
        write: (row, values, at) => {
            for (let k = 0; k < classes; k++)
                kept[row * classes + k] = values[at + k] ?? 0;
        },
        read: (row, out, at) => {
            for (let k = 0, from = row * classes; k < classes; k++)
                out[at + k] = kept[from + k] ?? 0;
        },
        isSound: (row) => kept.subarray(row * classes, (row + 1) * classes).every(Number.isFinite),
    };
}
function halfCodec({ classes, isDistribution }) {
    const stride = classes + (classes % 2);
    const table = halfTable();
    const open = (memory, from, rows) => {
        const kept = new Uint16Array(memory, from, rows * stride);
        return {
            write: (row, values, at) => {
                for (let k = 0; k < classes; k++)
                    kept[row * stride + k] = toHalf(values[at + k] ?? 0);
            },
            read: (row, out, at) => {
                for (let k = 0; k < classes; k++)
                    out[at + k] = table[kept[row * stride + k] ?? 0] ?? 0;
                if (isDistribution)
                    normalise(out, at, classes);
            },
            isSound: (row) => kept.subarray(row * stride, row * stride + classes).every(isFiniteHalf),
        };
    };
    return { rowBytes: 2 * stride, open };
}
/** A row: float32 log of the tail's mass, k class numbers (16 bits, 32 above 65,536 classes), k logs as halves. */
function topCodec(k, classes) {
    const wide = classes > 65536;
    const indexBytes = (wide ? 4 : 2) * k;
    const rowBytes = Math.ceil((4 + indexBytes + 2 * k) / 4) * 4;
    const table = halfTable();
    const rest = Math.log(Math.max(1, classes - k));
    const best = new Uint32Array(k);
    const open = (memory, from, rows) => {
        const bytes = new DataView(memory, from, rows * rowBytes);
        const classAt = (at, i) => (wide ? bytes.getUint32(at + 4 + 4 * i, true) : bytes.getUint16(at + 4 + 2 * i, true));
        const halfAt = (at, i) => bytes.getUint16(at + 4 + indexBytes + 2 * i, true);
        return {
            write: (row, values, valuesAt) => {
                const at = row * rowBytes;
                pickLargest(values, valuesAt, classes, best);
                bytes.setFloat32(at, logOfTail(values, valuesAt, classes, best), true);
                best.forEach((c, i) => {
                    if (wide)
                        bytes.setUint32(at + 4 + 4 * i, c, true);
                    else
                        bytes.setUint16(at + 4 + 2 * i, c, true);
                    bytes.setUint16(at + 4 + indexBytes + 2 * i, toHalf(values[valuesAt + c] ?? 0), true);
                });
            },
            read: (row, out, outAt) => {
                const at = row * rowBytes;
                out.fill(Math.max(smallestLog, bytes.getFloat32(at, true) - rest), outAt, outAt + classes);
                for (let i = 0; i < k; i++)
                    out[outAt + classAt(at, i)] = table[halfAt(at, i)] ?? 0;
                normalise(out, outAt, classes);
            },
            isSound: (row) => {
                const at = row * rowBytes;
                if (Number.isNaN(bytes.getFloat32(at, true)))
                    return false;
                for (let i = 0; i < k; i++)
                    if (classAt(at, i) >= classes || !isFiniteHalf(halfAt(at, i)))
                        return false;
                return true;
            },
        };
    };
    return { rowBytes, open };
}
function isFiniteHalf(half) {
    return (half & 0x7c00) !== 0x7c00;
}
/** The classes of the largest values, largest first, the lower class first among equals. */
function pickLargest(values, at, classes, best) {
    const value = (c) => values[at + c] ?? 0;
    let held = 0;
    for (let c = 0; c < classes; c++) {
        if (held === best.length && value(c) <= value(best[held - 1] ?? 0))
            continue;
        let place = held < best.length ? held++ : held - 1;
        for (; place > 0 && value(best[place - 1] ?? 0) < value(c); place--)
            best[place] = best[place - 1] ?? 0;
        best[place] = c;
    }
}
/** log of the mass of the classes that are not among `best`. */
function logOfTail(values, at, classes, best) {
    if (best.length === classes)
        return smallestLog;
    let mass = 0;
    for (let c = 0; c < classes; c++)
        if (!best.includes(c))
            mass += Math.exp(values[at + c] ?? 0);
    return Math.max(smallestLog, Math.log(mass));
}
/** Takes the log of the sum of exponentials off, in float64. */
function normalise(logs, at, classes) {
    let sum = 0;
    for (let k = 0; k < classes; k++)
        sum += Math.exp(logs[at + k] ?? 0);
    const log = Math.log(sum);
    for (let k = 0; k < classes; k++)
        logs[at + k] = (logs[at + k] ?? 0) - log;
}
/** Half the sum of |p - q| over the classes of two distributions given as logs: the most that any event's probability differs. */
export function totalVariation(p, q) {
    return p.reduce((sum, value, k) => sum + Math.abs(Math.exp(value) - Math.exp(q[k] ?? 0)), 0) / 2;
}
/** What a precision may change, in words, for the start of a run. */
export function errorBound(precision, form) {
    const { rowBytes } = codecOf(precision, form);
    switch (precision.name) {
        case 'float32':
            return `float32, exact, ${rowBytes} bytes a sample`;
        case 'float16':
            return `float16, ${rowBytes} bytes a sample, each number within 1/2048 of itself${form.isDistribution ? ', then normalised' : ''}`;
        case 'top-k':
            return `top-${Math.min(precision.k, form.classes)} with tail mass, ${rowBytes} bytes a sample; a distribution changes by at most its tail's mass plus 1/1024 of its entropy (total variation)`;
        default:
            return precision;
    }
}
//# sourceMappingURL=precision.js.map