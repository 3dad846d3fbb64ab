const magic = 0x424c4853; // "SHLB"
const version = 1;
const headerBytes = 16;
export class LabelBlock {
    rows;
    /** The file's content. It changes while rows are added: copy it before it leaves the thread. */
    bytes;
    #codec;
    #present;
    #values;
    #count = 0;
    /** @param content a whole file, of which the block takes a copy; without it the block is empty */
    constructor(codec, rows, content) {
        this.rows = rows;
        this.#codec = codec;
        this.bytes = new Uint8Array(blockBytes(codec, rows));
        const memory = this.bytes.buffer;
        new Uint32Array(memory, 0, 4).set([magic, version, rows, codec.rowBytes]);
        if (content !== undefined)
            this.bytes.set(content);
        this.#present = new Uint32Array(memory, headerBytes, Math.ceil(rows / 32));
        this.#values = codec.open(memory, rowsAt(rows), rows);
        this.#count = this.#present.reduce((sum, word) => sum + bitCount(word), 0);
    }
    get count() {
        return this.#count;
    }
    get isComplete() {
        return this.#count === this.rows;
    }
    has(row) {
        return ((this.#present[row >>> 5] ?? 0) & (1 << (row & 31))) !== 0;
    }
    /** Keeps a row that is not there; one that is stays. */
    add(row, values, at) {
        if (this.has(row))
            return;
        this.#values.write(row, values, at);
        this.#mark(row);
    }
    read(row, out, at) {
        this.#values.read(row, out, at);
    }
    /** The bytes of one row, a view. */
    rowBytes(row) {
        const from = rowsAt(this.rows) + row * this.#codec.rowBytes;
        return this.bytes.subarray(from, from + this.#codec.rowBytes);
    }
    /** Keeps a row as another machine has encoded it. @returns false when its bytes mean nothing */
    addBytes(row, bytes) {
        if (this.has(row))
            return true;
        this.rowBytes(row).set(bytes);
        if (!this.#values.isSound(row))
            return false;
        this.#mark(row);
        return true;
    }
    /** Takes over the rows that are missing here. */
    merge(other) {
        for (let row = 0; row < this.rows; row++)
            if (other.has(row))
                this.addBytes(row, other.rowBytes(row));
    }
    #mark(row) {
        this.#present[row >>> 5] = (this.#present[row >>> 5] ?? 0) | (1 << (row & 31));
        this.#count++;
    }
}
/** Size of the file of a block. */
export function blockBytes(codec, rows) {
    return rowsAt(rows) + rows * codec.rowBytes;
}
/** A file's content as a block; null when it is not one of this form, or a row of it means nothing. */
export function decodeBlock(codec, rows, content) {
    if (content.length !== blockBytes(codec, rows))
        return null;
    const header = new DataView(content.buffer, content.byteOffset, headerBytes);
    const wanted = [magic, version, rows, codec.rowBytes];
    if (wanted.some((value, i) => header.getUint32(4 * i, true) !== value))
        return null;
    const block = new LabelBlock(codec, rows, content);
    return block.count <= rows ? block : null;
}
function rowsAt(rows) {
    return headerBytes + 4 * Math.ceil(rows / 32);
}
function bitCount(word) {
    let count = 0;
    for (let rest = word >>> 0; rest !== 0; rest = (rest & (rest - 1)) >>> 0)
        count++;
    return count;
}
//# sourceMappingURL=block.js.map