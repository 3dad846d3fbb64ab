"""Writes small Arrow files and a TFRecord file, for test/cli/prepare/sources.

    python test/reference/tables.py          (pyarrow; TFRecord and its messages are written by hand)
"""

import json
import pathlib
import struct
import zlib

import pyarrow
import pyarrow.feather
import pyarrow.ipc

folder = pathlib.Path(__file__).parent / "data" / "tables"
folder.mkdir(exist_ok=True)

# Arrow: lists of fixed and of own length, names in a dictionary, numbers that are missing.
rows = 40
table = pyarrow.table(
    {
        "x": pyarrow.array([[float(i), i + 0.5, -1.0] for i in range(rows)], pyarrow.list_(pyarrow.float32(), 3)),
        "long": pyarrow.array([list(range(i % 4)) for i in range(rows)], pyarrow.list_(pyarrow.int64())),
        "kind": pyarrow.array([["bee", "ant", None][i % 3] for i in range(rows)]).dictionary_encode(),
        "w": pyarrow.array([i / 2 for i in range(rows)], pyarrow.float64()),
    }
)
for packing in (None, "lz4", "zstd"):
    options = pyarrow.ipc.IpcWriteOptions(compression=packing)
    with pyarrow.ipc.new_stream(str(folder / f"{packing or 'plain'}.arrows"), table.schema, options=options) as writer:
        writer.write_table(table, max_chunksize=16)
# Feather packs by LZ4 where nothing else is said; numbers that repeat make blocks of matches.
many = pyarrow.table({"x": pyarrow.array([i % 7 for i in range(30000)], pyarrow.int32())})
pyarrow.feather.write_feather(many, str(folder / "many.feather"))


def png(value):
    """One grey pixel."""
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)),
        (b"IDAT", zlib.compress(bytes([0, value]))),
        (b"IEND", b""),
    )
    packed = [struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks]
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


# Images as Hugging Face's datasets keep them.
images = pyarrow.table(
    {
        "image": pyarrow.array(
            [{"bytes": png(7), "path": "a.png"}, {"bytes": png(9), "path": None}],
            pyarrow.struct([("bytes", pyarrow.binary()), ("path", pyarrow.string())]),
        ),
        "label": pyarrow.array([1, 0], pyarrow.int64()),
    }
).replace_schema_metadata({"huggingface": json.dumps({"info": {"features": {"label": {"names": ["zebra", "ant"]}}}})})
with pyarrow.ipc.new_file(str(folder / "images.arrow"), images.schema) as writer:
    writer.write_table(images)


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 * (crc & 1))
    return crc ^ 0xFFFFFFFF


def masked(data):
    crc = crc32c(data)
    return struct.pack("<I", (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF)


def varint(value):
    value &= 2**64 - 1
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def field(number, data):
    return varint(number << 3 | 2) + varint(len(data)) + data


def floats(*values):
    return field(2, field(1, struct.pack(f"<{len(values)}f", *values)))


def unpacked(*values):
    return field(2, b"".join(b"\x0d" + struct.pack("<f", value) for value in values))


def wholes(*values):
    return field(3, field(1, b"".join(varint(value) for value in values)))


def texts(*values):
    return field(1, b"".join(field(1, value) for value in values))


def example(**features):
    return field(1, b"".join(field(1, field(1, name.encode()) + field(2, value)) for name, value in features.items()))


records = [
    example(x=floats(0.5, -2), ids=wholes(-1, 300), image=texts(png(7)), kind=texts(b"bee"), raw=texts(struct.pack("<2f", 1.5, -3))),
    example(raw=texts(struct.pack("<2f", 8, 9)), kind=texts(), x=unpacked(4, 8.25), ids=wholes(2**40, 5), image=texts(png(9))),
]
with open(folder / "examples.tfrecord", "wb") as file:
    for record in records:
        length = struct.pack("<Q", len(record))
        file.write(length + masked(length) + record + masked(record))
