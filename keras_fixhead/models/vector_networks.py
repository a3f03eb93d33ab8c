"""Networks that take vectors instead of pictures: of an embedding set."""
from keras_fixhead.catalog import scaled
from keras_fixhead.models.layers import Layers, Tensor, relu

HIDDEN = 1024


def no_network(images: Tensor, *, width: float, layers: Layers, signed_features: bool = True) -> Tensor:
    """Returns the vectors, (N, D), as they are; without `signed_features`, their positive parts."""
    return images if signed_features else relu(images, name="relu")


def mlp(images: Tensor, *, width: float, layers: Layers, signed_features: bool = True) -> Tensor:
    """Returns features (N, 512 width) of vectors (N, D): linear, batch normalisation, ReLU, linear."""
    x = layers.dense(images, scaled(HIDDEN, width), name="hidden")
    x = layers.normalize(x, name="hidden_norm")
    x = layers.dense(relu(x, name="hidden_relu"), scaled(512, width), name="last")
    return x if signed_features else relu(x, name="relu")
