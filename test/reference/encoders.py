"""Writes encoders of texts as Hugging Face's exporters give them, and what they give: test/worker/compute/teachers/.

    python test/reference/encoders.py          (PyTorch 2, transformers, numpy, onnx, onnxscript)
"""
import json
import pathlib
import warnings

import numpy
import torch
from transformers import BertConfig, BertForSequenceClassification

warnings.filterwarnings("ignore")
OUT = pathlib.Path(__file__).resolve().parent / "data/encoders"
OUT.mkdir(parents=True, exist_ok=True)
POSITIONS, VOCABULARY, CLASSES, ROWS = 6, 12, 3, 5
NAMES = ["input_ids", "attention_mask", "token_type_ids"]

torch.manual_seed(0)
model = BertForSequenceClassification(BertConfig(
    vocab_size=VOCABULARY, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8,
    max_position_embeddings=8, num_labels=CLASSES, initializer_range=0.5, attn_implementation="eager",
)).eval()


class Encoder(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.model = model

    def forward(self, input_ids, attention_mask, token_type_ids):
        return self.model(input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids).logits


random = numpy.random.default_rng(0)
ids = random.integers(1, VOCABULARY, (ROWS, POSITIONS))
for row, length in enumerate([6, 4, 2, 5, 3]):
    ids[row, length:] = 0
given = [torch.tensor(ids), torch.tensor((ids != 0).astype("int64")), torch.zeros(ids.shape, dtype=torch.int64)]
types = torch.tensor(random.integers(0, 2, ids.shape))
with torch.no_grad():
    logits = Encoder()(*given)
    typed = Encoder()(given[0], given[1], types)
    torch.onnx.export(
        Encoder(), tuple(given), OUT / "bert.onnx", dynamo=False, opset_version=17, input_names=NAMES,
        output_names=["logits"], dynamic_axes={name: {0: "batch", 1: "sequence"} for name in NAMES},
    )
    batch, sequence = torch.export.Dim("batch", min=1, max=64), torch.export.Dim("sequence", min=1, max=8)
    torch.onnx.export(
        Encoder(), tuple(given), OUT / "bert-dynamo.onnx", dynamo=True, input_names=NAMES, output_names=["logits"],
        dynamic_shapes=[{0: batch, 1: sequence}] * 3, external_data=False,
    )
(OUT / "encoders.json").write_text(json.dumps({
    "positions": POSITIONS,
    "classes": CLASSES,
    "ids": ids.tolist(),
    "types": types.tolist(),
    "logits": logits.ravel().tolist(),
    "typedLogits": typed.ravel().tolist(),
}))
