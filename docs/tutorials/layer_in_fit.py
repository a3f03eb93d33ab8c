"""
# The layer in `model.fit`

`HypersphereHead` is an ordinary Keras layer: it goes where `Dense(num_classes)` would be. Its class vectors are drawn
from a seed and stay fixed, so there is nothing in it to train. This tutorial puts it on a small network, trains it
next to the same network with learned class vectors, saves it and loads it again. A CPU is
enough, and nothing is downloaded.
"""

import os

import keras
import numpy as np

import keras_fixhead
from keras_fixhead.vectors import max_cosine

smoke = "TUTORIAL_SMOKE" in os.environ  # a few steps only, as in the tests
epochs = 1 if smoke else 15
keras.utils.set_random_seed(0)

"""
## Data

The handwritten digits are part of the package: pictures of 32x32 pixels in [0, 255].
"""

dataset = keras_fixhead.load_dataset("digits")
images, labels = dataset.train.images, dataset.train.labels
if smoke:
    images, labels = images[:128], labels[:128]
print(images.shape, images.dtype, dataset.label_names)

"""
## A model

Everything up to the features is your own network. The head compares the features with one class vector per class, by
cosine here, and returns logits: it has no softmax, so the loss gets `from_logits=True`. S, the `scale`, stretches the
cosines, and limits how large a probability can get ([margins and S](margins_and_scale.md)).
"""


def small_network(fixed):
    inputs = keras.Input((32, 32, 3))
    x = keras.layers.Rescaling(1 / 127.5, offset=-1)(inputs)
    for filters in (16, 32):
        x = keras.layers.Conv2D(filters, 3, strides=2, padding="same", use_bias=False)(x)
        x = keras.layers.BatchNormalization()(x)
        x = keras.layers.Activation("relu")(x)
    features = keras.layers.Dense(64, name="features")(keras.layers.Flatten()(x))
    logits = keras_fixhead.HypersphereHead(10, logits="cos", scale=1.0, fixed=fixed, seed=0, name="head")(features)
    model = keras.Model(inputs, logits)
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9), keras.losses.SparseCategoricalCrossentropy(from_logits=True),
                  metrics=["accuracy"])
    return model


fixed, learned = small_network(fixed=True), small_network(fixed=False)
print("trainable weights of the head:", len(fixed.get_layer("head").trainable_weights), "and",
      len(learned.get_layer("head").trainable_weights))

"""
## Train both

Both start from the same class vectors. The fixed ones are where they were afterwards; the learned ones have moved.
"""

before = np.array(fixed.get_layer("head").class_vectors)
for name, model in (("fixed", fixed), ("learned", learned)):
    model.fit(images, labels, batch_size=64, epochs=epochs, verbose=0)
    loss, accuracy = model.evaluate(dataset.test.images, dataset.test.labels, verbose=0)
    vectors = np.array(model.get_layer("head").class_vectors)
    print(f"{name}: test accuracy {accuracy:.3f}, largest cosine between class vectors "
          f"{max_cosine(vectors):.2f}")
assert np.array_equal(before, np.array(fixed.get_layer("head").class_vectors))

"""
One seed on small pictures is an anecdote. [When fixing is worth it](../worth-it.md) has the measurements, with the
scale at which fixed class vectors lose.

## Save and load

The class vectors are saved with the model, and their digest with the configuration: a file with other vectors is
refused.
"""

fixed.save("digits.keras")
same = keras.models.load_model("digits.keras")  # `import keras_fixhead` has registered the layer
assert np.allclose(same.predict(images[:8], verbose=0), fixed.predict(images[:8], verbose=0))

"""
## Where to go on

- [Margins and S](margins_and_scale.md): ArcFace, CosFace and the choice of the scale.
- [The head](../head.md): all arguments, and backbones of keras.applications, keras-cv and KerasHub.
- [Adding a class](../adding-classes.md) to this model, with the old logits unchanged.
"""
