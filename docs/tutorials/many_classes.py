"""
# Many classes

With a hundred thousand classes and more, the last layer is what runs out of memory: its weights, their gradient, the
optimizer's copies, and one logit per class and example. Fixed class vectors need only the logits, and those of one
chunk of classes at a time. This tutorial trains on 100,000 classes; 10,000,000 need hardly more memory
([measured](../many_classes.md#memory)). A CPU is enough.
"""

import os

import keras
import numpy as np

import keras_fixhead

smoke = "TUTORIAL_SMOKE" in os.environ  # a few steps only, as in the tests
num_classes, epochs = (2_000, 2) if smoke else (100_000, 20)
keras.utils.set_random_seed(0)

"""
## Data with that many classes

To keep it small, the input is a vector: one noisy copy of a point per class, for a part of the classes.
"""

draw = np.random.default_rng(0)
labels = np.arange(0, num_classes, num_classes // 1_000)
points = draw.normal(size=(len(labels), 64)).astype("float32")
train_points = np.tile(points, (2, 1)) + 0.1 * draw.normal(size=(2 * len(labels), 64)).astype("float32")
train_labels = np.tile(labels, 2)

"""
## The head and the loss

`StreamingHead` returns features, not logits, and `StreamingLoss` reads its class vectors in chunks. Random signs
(`rademacher`) with `in_memory=False` are not stored at all: each chunk is drawn again from the seed, with the same
bits. The loss and its gradient are exact; nothing is sampled.
"""

inputs = keras.Input((64,))
x = keras.layers.Dense(256, activation="relu")(inputs)
features = keras.layers.Dense(128, name="features")(x)
head = keras_fixhead.StreamingHead(num_classes, scale="auto", class_vectors="rademacher", in_memory=False)
model = keras.Model(inputs, head(features))
model.compile(keras.optimizers.Adam(0.002), keras_fixhead.StreamingLoss(margin="cosface", margin_size=0.2),
              metrics=[keras_fixhead.StreamingAccuracy()])
model.fit(train_points, train_labels, batch_size=250, epochs=epochs, verbose=0)
print(dict(zip(("loss", "accuracy"), model.evaluate(points, labels, batch_size=250, verbose=0), strict=True)))

"""
Accuracy counts against all classes, also those without a single example.

## Predict

`top_classes` returns the largest logits and their classes, again without holding all of them.
"""

logits, classes = head.top_classes(model(points[:3]), k=5)
print(np.array(classes)[:, 0], "should be", labels[:3])

"""
## Save, and grow

The file has no class vectors: the seed is enough. More classes can be appended; the old ones stay as they are.
"""

model.save("many.keras")
print(os.path.getsize("many.keras") // 1024, "KiB")
larger = keras_fixhead.append_classes(model, num_classes + 1_000)

"""
[Very many classes](../many_classes.md) has memory measurements, all options, and when not to use it.
"""
