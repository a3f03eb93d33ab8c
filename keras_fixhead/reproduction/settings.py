"""The two settings in which the claims are tested: the network, recipe and rows of each plan."""
from collections.abc import Mapping
from dataclasses import dataclass

from keras_fixhead.reproduction import evidence_blocks as evidence
from keras_fixhead.reproduction import gpu_blocks as gpu
from keras_fixhead.reproduction.cells import Choice, Row


@dataclass(frozen=True)
class Rates:
    """Rows that differ in their learning rate.

    Attributes:
        network: its name in text.
        paper: number of the paper's table about it; None if there is none.
        rows: rate as text -> row, ascending.
    """

    network: str
    paper: int | None
    rows: Mapping[str, Row]


@dataclass(frozen=True)
class Setting:
    """What a plan trains to test the claims. In a row that is a template, data set, logits and arms are replaced.

    Attributes:
        plan: name of the plan.
        title: in a few words.
        network: its name in text.
        paper_network: the paper's network whose numbers are shown next to it.
        main: template of the arms; its scale is that of dot logits.
        longer: template of longer trainings with dot logits; None if there are none.
        best: the choice of S for cosine logits.
        tuned: template of the arms compared at their best S, and at S = 1 with the same seeds.
        steps: pairs of scales of the learned arm to compare, low and high.
        signed: template with features that can be negative in both arms.
        networks: other networks on CIFAR-100: name in text, the paper's name, template.
        parts: parts of CIFAR-100: name in text, template.
        rates: learning rates with dot logits on CIFAR-100.
        margin: template with a margin; None if there is none.
        learned_scale: template of dot arms, and of cosine arms with a learned scale.
    """

    plan: str
    title: str
    network: str
    paper_network: str
    main: Row
    longer: Row | None
    best: Choice
    tuned: Row
    steps: tuple[tuple[float, float | Choice], ...]
    signed: Row
    networks: tuple[tuple[str, str, Row], ...]
    parts: tuple[tuple[str, Row], ...]
    rates: tuple[Rates, ...]
    margin: Row | None
    learned_scale: Row


GPU = Setting(
    plan="gpu", title="at full size on a GPU", network="ResNet18", paper_network="resnet18",
    main=Row("cifar100", "dot"),
    longer=Row("cifar100", "dot", epochs=100),
    best=gpu.BEST,
    tuned=Row("cifar100", "cos", epochs=100),
    steps=((1.0, 20.0), (20.0, 40.0)),
    signed=Row("cifar100", "cos", extra={"signed_features": True}),
    networks=tuple((name, model, Row("cifar100", "dot", model=model, extra=extra)) for name, model, extra in (
        ("PreActResNet18, signed", "preact_resnet18", {"signed_features": True}),
        ("PreActResNet18, ReLU", "preact_resnet18", {"signed_features": False}),
        ("MobileNetV2", "mobilenet_v2", {}))),
    parts=(("5,000 images", Row("cifar100", "dot", extra={"limit_train": 5_000}, epochs=270)),
           ("15,000 images", Row("cifar100", "dot", extra={"limit_train": 15_000}, epochs=90))),
    rates=tuple(Rates(name, table, {f"{lr:g}": Row("cifar100", "dot", model=model,
                                                   extra={"lr": lr, "warmup_fraction": 0.0})
                                    for lr in (0.001, 0.01, 0.1)})
                for name, table, model in (("PreActResNet18", 7, "preact_resnet18"), ("ResNet18", 8, "resnet18"))),
    margin=Row("cifar100", "cos", scale=30.0, extra={"margin": "arcface"}),
    learned_scale=Row("cifar100", "dot"),
)

EVIDENCE = Setting(
    plan="evidence", title="on whole data sets, on two CPU cores", network="fast_cnn", paper_network="resnet18",
    main=evidence.full("cifar100", "dot", scale=evidence.DOT_SCALE),
    longer=None,
    best=evidence.COS_SCALE,
    tuned=evidence.full("cifar100", "cos"),
    steps=((1.0, evidence.COS_SCALE),),
    signed=evidence.look("cifar100", "dot", scale=evidence.DOT_SCALE, extra={"signed_features": True}),
    networks=tuple((name, model, Row("cifar100", "dot", model=model, epochs=None, recipe="cpu", extra=extra))
                   for name, model, extra in (
                       ("ResNet18, quarter width", "resnet18", {}),
                       ("PreActResNet18, signed, quarter width", "preact_resnet18", {"signed_features": True}),
                       ("PreActResNet18, ReLU, quarter width", "preact_resnet18", {"signed_features": False}),
                       ("MobileNetV2, quarter width", "mobilenet_v2", {}))),
    parts=tuple((f"{images:,} images", evidence.look("cifar100", "dot", scale=evidence.DOT_SCALE, equal_steps=True,
                                                     extra={"limit_train": images})) for images in evidence.PARTS),
    rates=(Rates("fast_cnn", None, {
        f"{factor:g} times the recipe's": evidence.look("cifar100", "dot", scale=evidence.DOT_SCALE,
                                                        extra={"hold_out": True}, factors={"lr": factor})
        for factor in evidence.RATES}),),
    margin=None,
    learned_scale=evidence.look("cifar100", "dot", scale=evidence.DOT_SCALE, extra={"hold_out": True}),
)

SETTINGS = (EVIDENCE, GPU)
