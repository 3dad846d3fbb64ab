/** An ONNX file from nodes and constants: the protobuf messages of onnx.proto3, IR 8, opset 17. Pure. */
const floatType = 1;
const int64Type = 7;
/** Float32 in and out, any number of rows: `input` [batch x inputShape] to `logits` [batch x classes]. */
export function writeOnnx({ nodes, constants, inputShape }) {
    const graph = join(...nodes.map((node) => bytesField(1, nodeMessage(node))), text(2, 'student'), ...constants.map((one) => bytesField(5, tensorMessage(one))), bytesField(11, valueInfo('input', inputShape)), bytesField(12, valueInfo('logits', ['classes'])));
    return join(integer(1, 8), text(2, 'stillhouse'), bytesField(7, graph), bytesField(8, integer(2, 17)));
}
function nodeMessage({ op, inputs, output, attributes }) {
    const own = Object.entries(attributes).map(([name, value]) => bytesField(5, join(text(1, name), attributeValue(value))));
    return join(...inputs.map((name) => text(1, name)), text(2, output), text(4, op), ...own);
}
/** AttributeProto's types: FLOAT 1, INT 2, STRING 3, INTS 7. */
function attributeValue(value) {
    if (typeof value === 'number')
        return join(integer(3, value), integer(20, 2));
    if (typeof value === 'string')
        return join(text(4, value), integer(20, 3));
    if ('float' in value)
        return join(Uint8Array.of((2 << 3) | 5), new Uint8Array(Float32Array.of(value.float).buffer), integer(20, 1));
    return join(...value.map((item) => integer(8, item)), integer(20, 7));
}
function tensorMessage({ name, shape, values }) {
    const raw = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    return join(...shape.map((dim) => integer(1, dim)), integer(2, values instanceof Float32Array ? floatType : int64Type), text(8, name), bytesField(9, raw));
}
function valueInfo(name, shape) {
    const dims = ['batch', ...shape].map((dim) => (typeof dim === 'string' ? text(2, dim) : integer(1, dim))).map((dim) => bytesField(1, dim));
    return join(text(1, name), bytesField(2, bytesField(1, join(integer(1, floatType), bytesField(2, join(...dims))))));
}
function integer(number, value) {
    return join(varint(BigInt(number << 3)), varint(BigInt.asUintN(64, BigInt(value))));
}
function text(number, value) {
    return bytesField(number, new TextEncoder().encode(value));
}
function bytesField(number, bytes) {
    return join(varint(BigInt((number << 3) | 2)), varint(BigInt(bytes.length)), bytes);
}
function varint(value) {
    const bytes = [];
    for (let rest = value;; rest >>= 7n) {
        if (rest < 128n)
            return Uint8Array.from([...bytes, Number(rest)]);
        bytes.push(Number(rest & 127n) | 128);
    }
}
function join(...pieces) {
    return Buffer.concat(pieces);
}
//# sourceMappingURL=onnx-write.js.map