"""Steps of other libraries for `many_classes.py`, each with the interpreter of an environment that has it.

    python -m venv VENV && VENV/bin/pip install -r requirements/many-classes-peers.txt

Every step is that of the streaming head: 512 features of 128 examples times a square matrix, the loss over all classes,
backward, and SGD with momentum. PyTorch Metric Learning's losses learn their class vectors. jax-cce is timed with the
gradient of the features alone, which is what fixed class vectors need, and of the class vectors too, as its users run
it; ours on JAX stands next to it.
"""
from collections.abc import Callable
from typing import Any

BATCH, DIM, SCALE = 128, 512, 20.0
PEERS = ("pml_arcface-float32", "pml_softmax-float32", "cce_features-float32", "cce_both-float32", "ours_jax-float32")


def step_of(variant: str, num_classes: int) -> Callable[[], None]:
    """Returns a function that makes one step."""
    name = variant.partition("-")[0]
    return _pml(name, num_classes) if name.startswith("pml") else _jax(name, num_classes)


def _data(num_classes: int) -> tuple[Any, Any]:
    import numpy as np

    rng = np.random.default_rng(0)
    return rng.normal(size=(BATCH, DIM)).astype("float32"), rng.integers(0, num_classes, BATCH)


def _pml(name: str, num_classes: int) -> Callable[[], None]:
    import torch
    from pytorch_metric_learning import losses

    features, labels = (torch.from_numpy(each) for each in _data(num_classes))
    network = torch.nn.Linear(DIM, DIM, bias=False)
    loss = (losses.ArcFaceLoss(num_classes, DIM, scale=SCALE) if name == "pml_arcface" else
            losses.NormalizedSoftmaxLoss(num_classes, DIM, temperature=1 / SCALE))
    optimizer = torch.optim.SGD([*network.parameters(), *loss.parameters()], lr=0.01, momentum=0.9)

    def step() -> None:
        optimizer.zero_grad()
        value = loss(network(features), labels)
        value.backward()
        optimizer.step()
        value.item()

    return step


def _jax(name: str, num_classes: int) -> Callable[[], None]:
    import jax
    import jax.numpy as jnp
    import numpy as np

    features, labels = _data(num_classes)
    labels = labels.astype("int32")
    kernel = jnp.asarray(np.random.default_rng(1).normal(size=(DIM, DIM)).astype("float32") / DIM**0.5)
    if name == "ours_jax":
        import keras

        from keras_fixhead.streaming import StreamingHead, streaming_loss

        head = StreamingHead(num_classes, scale=SCALE, class_vectors="rademacher")
        head.build((None, DIM))
        table = head.class_vectors.value

        def loss(kernel: Any, table: Any) -> Any:
            # an argument of the step, as in `fit`: a constant would be compiled in, and copied
            with keras.StatelessScope(state_mapping=[(head.class_vectors, table)]):
                return streaming_loss(labels, features @ kernel, head).mean()
    else:
        from jax_cce import linear_cross_entropy

        table = jnp.asarray(np.sign(np.random.default_rng(2).normal(size=(num_classes, DIM))).astype("float32")
                            / DIM**0.5)

        def loss(kernel: Any, table: Any) -> Any:
            hidden = features @ kernel
            hidden = SCALE * hidden / jnp.linalg.norm(hidden, axis=1, keepdims=True)
            return linear_cross_entropy(hidden, table, labels)

    of = (0, 1) if name == "cce_both" else (0,)
    gradient = jax.jit(jax.value_and_grad(loss, argnums=of))
    state = {"kernel": kernel, "velocity": jnp.zeros_like(kernel)}

    def step() -> None:
        value, found = gradient(state["kernel"], table)
        state["velocity"] = 0.9 * state["velocity"] - 0.01 * found[0]
        state["kernel"] = state["kernel"] + state["velocity"]
        jax.block_until_ready((value, found, state["kernel"]))

    return step
