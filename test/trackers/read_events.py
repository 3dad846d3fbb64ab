"""Prints what TensorBoard itself reads of a folder of event files, as JSON.

Usage: python read_events.py FOLDER. Runs by name; of each the points of its scalars, its texts and its plug-ins.
"""

import json
import sys

from tensorboard.backend.event_processing import plugin_event_multiplexer
from tensorboard.plugins.hparams import plugin_data_pb2
from tensorboard.util import tensor_util

# 0: every point is kept.
GUIDANCE = {"scalars": 0, "tensors": 0}


def points(accumulator, tag):
    return [[event.step, float(tensor_util.make_ndarray(event.tensor_proto))] for event in accumulator.Tensors(tag)]


def read(accumulator):
    scalars, texts, hparams = {}, {}, {}
    for tag in accumulator.Tags()["tensors"]:
        metadata = accumulator.SummaryMetadata(tag)
        plugin = metadata.plugin_data.plugin_name
        if plugin == "scalars":
            scalars[tag] = points(accumulator, tag)
        elif plugin == "text":
            event = accumulator.Tensors(tag)[0]
            texts[tag] = tensor_util.make_ndarray(event.tensor_proto)[0].decode()
        elif plugin == "hparams":
            data = plugin_data_pb2.HParamsPluginData.FromString(metadata.plugin_data.content)
            for name, value in data.session_start_info.hparams.items():
                hparams[name] = getattr(value, value.WhichOneof("kind"))
    return {"scalars": scalars, "texts": texts, "hparams": hparams}


multiplexer = plugin_event_multiplexer.EventMultiplexer(tensor_size_guidance=GUIDANCE)
multiplexer.AddRunsFromDirectory(sys.argv[1])
multiplexer.Reload()
print(json.dumps({run: read(multiplexer.GetAccumulator(run)) for run in multiplexer.Runs()}))
