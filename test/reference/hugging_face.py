"""Writes a data set of two images as Hugging Face's `datasets` writes it with `to_parquet`: bytes and path, class names.

    python test/reference/hugging_face.py       (pyarrow and Pillow)
"""
import io
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

here = Path(__file__).parent / "data"


def png(values):
    out = io.BytesIO()
    Image.fromarray(np.array(values, dtype=np.uint8)).save(out, "PNG")
    return out.getvalue()


cells = [{"bytes": png([[1, 2], [3, 4]]), "path": "0.png"}, {"bytes": png([[5, 6], [7, 8]]), "path": "1.png"}]
image = pa.array(cells, type=pa.struct([("bytes", pa.binary()), ("path", pa.string())]))
features = {"image": {"_type": "Image"}, "label": {"names": ["zebra", "ant", "bee"], "_type": "ClassLabel"}}
table = pa.table({"image": image, "label": pa.array([2, 0], pa.int64())})
table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
pq.write_table(table, here / "hugging-face.parquet")
