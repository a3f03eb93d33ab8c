"""
# Margins and S

A cosine is at most 1, so the scale S decides how sure a softmax over cosines can be. Margins (CosFace, ArcFace) make
the task harder for the true class during training. This tutorial measures both, with fixed and with learned class
vectors, on small pictures: a CPU is enough, and nothing is downloaded.
"""

import os

import keras
import numpy as np

import keras_fixhead
from keras_fixhead.vectors import max_cosine

smoke = "TUTORIAL_SMOKE" in os.environ  # a few steps only, as in the tests
epochs, scales = (1, [10.0]) if smoke else (10, [1.0, 10.0, 30.0])

dataset = keras_fixhead.load_dataset("digits")
images, labels = dataset.train.images, dataset.train.labels
if smoke:
    images, labels = images[:128], labels[:128]

"""
## What S allows

`head.limits()` says, before any training, what S, the number of classes and the class vectors allow: the largest
probability, and the smallest loss. A training loss that stays above the smallest one is normal.
"""

for scale in scales:
    head = keras_fixhead.HypersphereHead(10, scale=scale)
    head.build((None, 64))
    limits = head.limits()
    print(f"S = {scale:g}: probability at most {limits.ceiling_probability:.3f}, "
          f"loss at least {limits.smallest_loss:.4f}")

"""
## A network for all of them
"""


def train(loss, scale, fixed):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((32, 32, 3))
    x = keras.layers.Rescaling(1 / 127.5, offset=-1)(inputs)
    for filters in (16, 32):
        x = keras.layers.Conv2D(filters, 3, strides=2, padding="same", use_bias=False)(x)
        x = keras.layers.BatchNormalization()(x)
        x = keras.layers.Activation("relu")(x)
    features = keras.layers.Dense(64)(keras.layers.Flatten()(x))
    head = keras_fixhead.HypersphereHead(10, scale=scale, fixed=fixed, seed=0, name="head")
    model = keras.Model(inputs, head(features))
    model.compile(keras.optimizers.SGD(0.05, momentum=0.9), loss, metrics=["accuracy"])
    model.fit(images, labels, batch_size=64, epochs=epochs, verbose=0)
    accuracy = model.evaluate(dataset.test.images, dataset.test.labels, verbose=0)[1]
    return accuracy, max_cosine(np.array(head.class_vectors))


"""
## S without a margin

`NormFace` is the softmax over cosines. Look at the largest cosine between class vectors: at a small S learned ones
move towards each other, and two that merge cannot be told apart. Fixed ones cannot merge.
"""

for scale in scales:
    for fixed in (True, False):
        accuracy, cosine = train(keras_fixhead.NormFace(), scale, fixed)
        arm = "fixed" if fixed else "learned"
        print(f"S = {scale:g}, {arm}: accuracy {accuracy:.3f}, largest cosine {cosine:.2f}")

"""
## Margins

With `scale=None` the losses follow the head's S. The margin only changes training: `predict` and `evaluate` use the
plain logits.
"""

for name, loss in (("CosFace", keras_fixhead.CosFace), ("ArcFace", keras_fixhead.ArcFace)):
    for fixed in (True, False):
        accuracy, cosine = train(loss(scale=None), scales[-1], fixed)
        arm = "fixed" if fixed else "learned"
        print(f"{name}, {arm}: accuracy {accuracy:.3f}, largest cosine {cosine:.2f}")

"""
Ten easy classes and one seed decide nothing. On CIFAR-100 with three seeds, fixed class vectors lost at S = 30
without a margin and with CosFace, and no margin beat the plain softmax: [margins](../margins.md) has these numbers.
"""
