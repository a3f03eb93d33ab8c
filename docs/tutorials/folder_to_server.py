"""
# From a folder of pictures to a REST server

A folder with one subfolder per class becomes a trained model, an export that is checked, and a server that answers
the requests of TensorFlow Serving. Every step is one call here, and one command in a shell; both are shown. A
CPU is enough, and the pictures are made on the way, so nothing is downloaded.
"""

import json
import os
import urllib.request
from pathlib import Path

import numpy as np
from PIL import Image

import keras_fixhead
from fixhead_serving.client import Client
from fixhead_serving.export import export_run
from fixhead_serving.local import local_server
from keras_fixhead.recipes import build_config

smoke = "TUTORIAL_SMOKE" in os.environ  # a few steps only, as in the tests
per_class, epochs = (12, 1) if smoke else (150, 12)

"""
## A folder

Here it is made from the digits that the package contains. Use your own instead: `photographs/cat/1.jpg`,
`photographs/dog/2.jpg` and so on. `fixhead data check photographs` finds all problems of a folder at once.
"""

digits = keras_fixhead.load_dataset("digits").train
for digit in range(10):
    folder = Path("photographs", f"digit {digit}")
    folder.mkdir(parents=True, exist_ok=True)
    for number, image in enumerate(digits.images[digits.labels == digit][:per_class]):
        Image.fromarray(image).save(folder / f"{number}.png")

"""
## Train

In a shell: `fixhead train --dataset ./photographs --image-size 32 --recipe smoke --epochs 12`. The run directory has
the model, its numbers, curves and everything that is needed to continue after a stop.
"""

config = build_config({"dataset": "./photographs", "image_size": "32", "recipe": "smoke", "epochs": epochs})
run = keras_fixhead.train(config)
print(run.path, run.read("result")["accuracy"])

"""
## Export

In a shell: `fixhead export RUN served/photographs`. The version gets its number only after a fresh process without
Keras has loaded it and has got the same answers.
"""

exported = export_run(run.path, "served/photographs")
print(sorted(path.name for path in exported.path.iterdir()))

"""
## Serve

In a shell: `fixhead serve served/photographs`, which prints its URL once every model is loaded and has run, and
serves until it is stopped. Here a server runs for as long as the block does.
"""

with local_server("served/photographs") as url:
    picture = Path("photographs", "digit 7", "0.png")
    request = urllib.request.Request(f"{url}:classify-picture", picture.read_bytes())
    print(json.loads(urllib.request.urlopen(request).read())["label"])

    answer = Client(url).predict(np.asarray(Image.open(picture))[None])
    print({name: values.shape for name, values in answer.items()})

"""
The same from a shell: `curl --data-binary @picture.png URL:classify-picture`, or `fixhead predict URL photographs`.

- [The server](../server.md): versions, limits, probes, metrics. [Without Docker](../without-docker.md) in short.
- [Your own images](../data.md), and [fine-tuning](../models.md) a network that is trained already.
"""
