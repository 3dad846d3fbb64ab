"""Writes the SavedModel fixture and the values that test/native/saved-model.test.ts holds the code against.

    python test/reference/saved_model.py          (TensorFlow 2, numpy)
"""
import json
import pathlib

import numpy
import tensorflow as tf

OUT = pathlib.Path(__file__).resolve().parent / "data/saved-model"
HEIGHT, WIDTH, CHANNELS, CLASSES, ROWS = 4, 3, 2, 5, 7


def numbers(tensor):
    return numpy.asarray(tensor, numpy.float32).flatten().tolist()


class Tiny(tf.Module):
    """Convolution, batch norm by moving statistics, ReLU, dense; and a variable that no signature reads."""

    def __init__(self):
        super().__init__()
        draw = numpy.random.default_rng(11)
        self.kernel = tf.Variable(draw.normal(0, 0.7, (3, 3, CHANNELS, 4)).astype(numpy.float32))
        self.mean = tf.Variable(numpy.full(4, 0.3, numpy.float32), trainable=False)
        self.variance = tf.Variable(numpy.full(4, 2, numpy.float32), trainable=False)
        self.dense = tf.Variable(draw.normal(0, 0.7, (HEIGHT * WIDTH * 4, CLASSES)).astype(numpy.float32))
        self.bias = tf.Variable(draw.normal(0, 0.7, CLASSES).astype(numpy.float32))
        self.momentum = tf.Variable(numpy.zeros(100, numpy.float32), trainable=False)

    def relu(self, images):
        conv = tf.nn.conv2d(images, self.kernel, 1, "SAME")
        return tf.nn.relu(tf.nn.batch_normalization(conv, self.mean, self.variance, None, None, 1e-3))

    @tf.function(input_signature=[tf.TensorSpec([None, HEIGHT, WIDTH, CHANNELS], tf.float32, "images")])
    def serve(self, images):
        relu = self.relu(images)
        return {"logits": tf.reshape(relu, [-1, HEIGHT * WIDTH * 4]) @ self.dense + self.bias, "relu": relu}

    @tf.function(input_signature=[tf.TensorSpec([None, CHANNELS, HEIGHT, WIDTH], tf.float32, "pixels")])
    def first(self, pixels):
        return {"probabilities": tf.nn.softmax(self.serve(tf.transpose(pixels, [0, 2, 3, 1]))["logits"])}

    @tf.function(input_signature=[tf.TensorSpec([None, HEIGHT, WIDTH, CHANNELS], tf.float32, "a"), tf.TensorSpec([None, 1], tf.float32, "b")])
    def two(self, a, b):
        return {"logits": self.serve(a)["logits"] + b}


if __name__ == "__main__":
    model = Tiny()
    tf.saved_model.save(model, str(OUT / "tiny"), signatures={"serving_default": model.serve, "first": model.first, "two": model.two})
    (OUT / "tiny/fingerprint.pb").unlink(missing_ok=True)
    inputs = numpy.random.default_rng(12).normal(0, 1, (ROWS, HEIGHT, WIDTH, CHANNELS)).astype(numpy.float32)
    served = tf.saved_model.load(str(OUT / "tiny")).signatures["serving_default"](images=tf.constant(inputs))
    parameters = sum(int(tf.size(one)) for one in (model.kernel, model.mean, model.variance, model.dense, model.bias))
    values = {
        "inputs": numbers(inputs), "shape": [HEIGHT, WIDTH, CHANNELS], "rows": ROWS, "classes": CLASSES, "parameters": parameters,
        "logits": numbers(served["logits"]), "relu": numbers(served["relu"]),
    }
    (OUT / "tiny.json").write_text(json.dumps(values) + "\n")
