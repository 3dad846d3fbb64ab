"""Writes models of Keras 3 by the tfjs converter, and what Keras itself computes with them, for
test/worker/compute/teachers/keras3.test.ts.

    python test/reference/keras3.py          (tensorflow-cpu, keras 3, tensorflowjs 4.22 without its dependencies)

Each is converted by both ways: from HDF5 (`h5`), and from Keras 3's own file (`keras`), which name weights otherwise.
"""
import base64
import contextlib
import gzip
import io
import json
import os
import pathlib
import sys
import tempfile
import types

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import keras  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow  # noqa: E402,F401

# The converter imports parts that it needs for other formats alone, and names that NumPy no longer has.
for name in ("object", "bool"):
    if name not in np.__dict__:
        setattr(np, name, {"object": object, "bool": bool}[name])
for name in ("tensorflow_decision_forests", "tensorflow_hub", "jax", "jax.experimental", "jax.experimental.jax2tf"):
    sys.modules[name] = types.ModuleType(name)
sys.modules["jax"].experimental = sys.modules["jax.experimental"]
sys.modules["jax.experimental"].jax2tf = sys.modules["jax.experimental.jax2tf"]
import tensorflowjs  # noqa: E402
from tensorflowjs.converters import converter  # noqa: E402

OUT = pathlib.Path(__file__).resolve().parent / "data/keras3.json.gz"
L = keras.layers
IMAGE = (6, 6, 3)
rng = np.random.default_rng(3)


def image():
    return keras.Sequential([
        L.Input(IMAGE), L.Conv2D(4, 3, activation="relu", padding="same"), L.BatchNormalization(), L.MaxPooling2D(),
        L.LeakyReLU(negative_slope=0.1), L.GlobalAveragePooling2D(), L.Dropout(0.2), L.Dense(3, activation="softmax"),
    ])


def branches():
    x = L.Input(IMAGE)
    a = L.Conv2D(4, 3, padding="same", use_bias=False)(x)
    a = L.BatchNormalization(scale=False)(a)
    a = L.ReLU(max_value=6)(a)
    b = L.SeparableConv2D(4, 3, padding="same", activation="silu")(a)
    a = L.Add()([a, b])
    gate = L.GlobalAveragePooling2D(keepdims=True)(a)
    gate = L.Conv2D(4, 1, activation="sigmoid")(gate)
    a = L.Multiply()([a, gate])
    a = L.DepthwiseConv2D(3, strides=2, padding="same")(a)
    a = L.LayerNormalization()(a)
    return keras.Model(x, L.Dense(3)(L.Flatten()(a)))


def activations():
    x = L.Input(IMAGE)
    a = L.Conv2D(4, 3, activation="hard_sigmoid")(x)
    a = L.Activation("hard_sigmoid")(a)
    a = L.Conv2D(4, 3, activation="leaky_relu")(a)
    a = L.Conv2D(4, 1, activation="hard_silu")(a)
    a = L.Activation("hard_swish")(a)
    a = L.Conv2D(4, 1, activation=L.ReLU())(a)
    a = L.Activation(keras.activations.gelu)(a)
    a = L.ReLU(negative_slope=0.3)(a)
    a = L.PReLU()(a)
    return keras.Model(x, L.Dense(3, activation="log_softmax")(L.Flatten()(a)))


def models_inside():
    base = keras.Sequential([L.Input(IMAGE), L.Conv2D(4, 3, activation="relu"), L.BatchNormalization()], name="base")
    base.trainable = False
    y = L.Input((4,))
    head = keras.Model(y, L.Dense(4, activation="tanh")(y), name="head")
    x = L.Input(IMAGE)
    a = L.GlobalMaxPooling2D()(base(x))
    return keras.Model(x, L.Dense(3)(L.Average()([head(a), head(head(a))])))


def two_outputs():
    x = L.Input(IMAGE)
    a = L.Conv2D(4, 3)(x)
    early = L.Dense(3, name="early")(L.GlobalAveragePooling2D()(a))
    return keras.Model(x, [early, L.Dense(3, name="late")(L.GlobalMaxPooling2D()(L.Conv2D(4, 3)(a)))])


def preprocessing():
    adapted = L.Normalization()
    adapted.adapt(rng.uniform(0, 1, (20, *IMAGE)).astype("float32"))
    x = L.Input(IMAGE)
    a = L.Rescaling(2.0, offset=-1)(x)
    a = adapted(a)
    a = L.Normalization(mean=[0.1, 0.2, 0.3], variance=[0.5, 0.6, 0.7])(a)
    a = L.Rescaling([0.5, 0.6, 0.7], offset=[0.1, 0.2, 0.3])(a)
    a = L.Conv2D(4, 3)(a)
    return keras.Model(x, L.Dense(3)(L.GlobalAveragePooling2D()(a)))


def augmented():
    return keras.Sequential([
        L.Input(IMAGE), L.RandomFlip(), L.RandomRotation(0.1), L.GaussianNoise(0.1), L.SpatialDropout2D(0.2),
        L.Conv2D(4, 3, kernel_regularizer="l2"), L.Flatten(), L.Dense(3),
    ])


def operations():
    x = L.Input(IMAGE)
    a = L.Conv2D(4, 3)(x)
    b = 2.0 - (a + 3.0) * (1.0 / 6)
    a = (a * b + b - a) / 2.0
    return keras.Model(x, L.Dense(3)(L.GlobalAveragePooling2D()(a)))


def sequence():
    x = L.Input((7,))
    a = L.Embedding(11, 5)(x)
    a = L.LSTM(4, return_sequences=True)(a)
    a = L.Bidirectional(L.LSTM(3, return_sequences=True))(a)
    a = L.TimeDistributed(L.Dense(4, activation="relu"))(a)
    a = L.Bidirectional(
        L.GRU(3, reset_after=False), backward_layer=L.GRU(3, reset_after=False, go_backwards=True), merge_mode="sum",
    )(a)
    return keras.Model(x, L.Dense(3)(a))


def masked():
    x = L.Input((7,))
    return keras.Model(x, L.Dense(3)(L.LSTM(4)(L.Embedding(11, 5, mask_zero=True)(x))))


def signal():
    return keras.Sequential([
        L.Input((12, 2)), L.Conv1D(4, 3, activation="relu", padding="same"), L.MaxPooling1D(),
        L.GlobalAveragePooling1D(keepdims=True), L.Flatten(), L.Dense(3),
    ])


def refused():
    """Models that tfjs cannot compute, by what is in the way."""
    def on_image(*layers):
        return keras.Sequential([L.Input(IMAGE), *layers, L.Flatten(), L.Dense(3)])

    def on_sequence(*layers):
        return keras.Sequential([L.Input((7,)), L.Embedding(11, 5, mask_zero=True), *layers, L.Dense(3)])

    class Own(L.Layer):
        def call(self, x):
            return 2 * x

    x = L.Input((7, 5))
    attention = L.MultiHeadAttention(2, 4)(x, x)
    h = L.Input((5,))
    started = L.LSTM(5)(x, initial_state=[h, h])
    return {
        "group-normalization": on_image(L.Conv2D(4, 3), L.GroupNormalization(2)),
        "groups": on_image(L.Conv2D(6, 3, groups=3)),
        "own-layer": on_image(Own()),
        "relu-threshold": on_image(L.ReLU(threshold=0.5)),
        "activation": on_image(L.Conv2D(4, 3, activation="celu")),
        "attention": keras.Model(x, L.Dense(3)(L.GlobalAveragePooling1D()(attention))),
        "initial-state": keras.Model([x, h], L.Dense(3)(started)),
        "gru": on_sequence(L.GRU(4)),
        "masked-pool": on_sequence(L.Dense(4), L.GlobalAveragePooling1D()),
        "masked-directions": on_sequence(L.Bidirectional(L.LSTM(4, return_sequences=True)), L.LSTM(3)),
        "branch-in-chain": on_image(L.Conv2D(4, 3, activation="hard_silu")),
    }


def fill(model):
    """Weights of ordinary size, moving statistics included; those that were adapted stay."""
    for weight in model.weights:
        value = weight.numpy()
        if value.dtype.kind != "f" or weight.path.endswith(("normalization/mean", "normalization/variance")):
            continue
        low, high = (0.5, 1.5) if "variance" in weight.path else (-0.5, 0.7)
        weight.assign(rng.uniform(low, high, value.shape).astype(value.dtype))


def converted(model, form):
    """The files that the converter writes, as base64 by their names."""
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        if form == "h5":
            tensorflowjs.converters.save_keras_model(model, f"{folder}/out")
        else:
            model.save(f"{folder}/model.keras")
            converter.convert([
                "--input_format", "keras_keras", "--output_format", "tfjs_layers_model",
                f"{folder}/model.keras", f"{folder}/out",
            ])
        return {
            path.name: base64.b64encode(path.read_bytes()).decode() for path in sorted(pathlib.Path(folder, "out").iterdir())
        }


def case(make):
    keras.utils.clear_session()
    keras.utils.set_random_seed(1)
    model = make()
    fill(model)
    shape = [2, *model.input_shape[1:]]
    inputs = rng.integers(1, 11, shape) if len(shape) == 2 else rng.integers(0, 256, shape) / 256
    if make is masked:
        inputs[0, 4:] = 0
    outputs = model.predict(inputs.astype("float32"), verbose=0)
    return {
        "shape": shape,
        "inputs": inputs.reshape(-1).tolist(),
        "outputs": [
            [float(f"{value:.8g}") for value in output.reshape(-1)]
            for output in (outputs if isinstance(outputs, list) else [outputs])
        ],
        "files": {form: converted(model, form) for form in ("h5", "keras")},
    }


def main():
    made = (image, branches, activations, models_inside, two_outputs, preprocessing, augmented, operations, sequence,
            masked, signal)
    models = {make.__name__.replace("_", "-"): case(make) for make in made}
    keras.utils.clear_session()
    topologies = {name: json.loads(model.to_json()) for name, model in refused().items()}
    text = json.dumps({"models": models, "refused": topologies})
    OUT.write_bytes(gzip.compress(text.encode(), mtime=0))


main()
