"""The settings in which the claims are tested: the network, recipe and rows of each plan."""
from collections.abc import Mapping
from dataclasses import dataclass, replace

from keras_fixhead.recipes import build_config
from keras_fixhead.reproduction.planning import cost
from keras_fixhead.reproduction.planning import evidence_blocks as evidence
from keras_fixhead.reproduction.planning import gpu_blocks as gpu
from keras_fixhead.reproduction.planning.cells import Choice, Row
from keras_fixhead.reproduction.planning.recipe_blocks import choice_by, row_by


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
        recipe: what `fixhead reproduce --recipe` calls it.
        rate: how fast a device is guessed to be.
        title: in a few words.
        network: its name in text.
        paper_network: the paper's network whose numbers are shown next to it.
        main: template of the arms; its scale is that of dot logits.
        longer: template of longer trainings with dot logits; None if there are none.
        best: the choice of S for cosine logits.
        tuned: template of the arms compared at their best S, and at S = 1 with the same seeds.
        steps: pairs of scales of the learned arm to compare, low and high.
        signed: template with features that can be negative in both arms.
        flat: template with features of two dimensions, on CIFAR-10.
        networks: other networks on CIFAR-100: name in text, the paper's name, template.
        parts: parts of CIFAR-100: name in text, template.
        rates: learning rates with dot logits on CIFAR-100.
        margin: template with a margin; None if there is none.
        learned_scale: template of dot arms, and of cosine arms with a learned scale.
    """

    plan: str
    recipe: str
    rate: cost.Rate
    title: str
    network: str
    paper_network: str
    main: Row
    longer: Row | None
    best: Choice
    tuned: Row
    steps: tuple[tuple[float, float | Choice], ...]
    signed: Row
    flat: Row
    networks: tuple[tuple[str, str, Row], ...]
    parts: tuple[tuple[str, Row], ...]
    rates: tuple[Rates, ...]
    margin: Row | None
    learned_scale: Row


GPU = Setting(
    plan="gpu", recipe="honest", rate=cost.GPU, title="at full size on a GPU", network="ResNet18",
    paper_network="resnet18",
    main=Row("cifar100", "dot"),
    longer=Row("cifar100", "dot", epochs=100),
    best=gpu.BEST,
    tuned=Row("cifar100", "cos", epochs=100),
    steps=((1.0, 20.0), (20.0, 40.0)),
    signed=Row("cifar100", "cos", extra={"signed_features": True}),
    flat=Row("cifar10", "dot", extra={"feature_dim": 2}),
    networks=tuple((name, model, Row("cifar100", "dot", model=model, extra=extra)) for name, model, extra in (
        ("PreActResNet18, signed", "preact_resnet18", {"signed_features": True}),
        ("PreActResNet18, ReLU", "preact_resnet18", {"signed_features": False}),
        ("MobileNetV2", "mobilenet_v2", {}))),
    parts=(("5,000 images", Row("cifar100", "dot", extra={"limit_train": 5_000}, epochs=270)),
           ("15,000 images", Row("cifar100", "dot", extra={"limit_train": 15_000}, epochs=90))),
    rates=tuple(Rates(name, table, {f"{lr:g}": Row("cifar100", "dot", model=model,
                                                   extra={"lr": lr, "warmup_fraction": 0.0})
                                    for lr in reversed(gpu.RATES)})
                for name, table, model in (("PreActResNet18", 7, "preact_resnet18"), ("ResNet18", 8, "resnet18"),
                                           ("MobileNetV2", 9, "mobilenet_v2"))),
    margin=Row("cifar100", "cos", scale=30.0, extra={"margin": "arcface"}),
    learned_scale=Row("cifar100", "dot"),
)

EVIDENCE = Setting(
    plan="evidence", recipe="fast", rate=cost.CPU, title="on whole data sets, on two CPU cores", network="fast_cnn",
    paper_network="resnet18",
    main=evidence.full("cifar100", "dot", scale=evidence.DOT_SCALE),
    longer=None,
    best=evidence.COS_SCALE,
    tuned=evidence.full("cifar100", "cos"),
    steps=((1.0, evidence.COS_SCALE),),
    signed=evidence.look("cifar100", "dot", scale=evidence.DOT_SCALE, extra={"signed_features": True}),
    flat=evidence.look("cifar10", "dot", scale=evidence.DOT_SCALE, extra={"feature_dim": 2}),
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



def setting_by(recipe: str, rate: cost.Rate, title: str) -> Setting:
    """Returns the setting of the plan that trains the cells of the plan for a GPU by another recipe."""
    def row(given: Row) -> Row:
        return row_by(given, recipe)

    best = choice_by(GPU.best, recipe)
    main = row(GPU.main)
    held_out = build_config({"recipe": recipe}).hold_out
    return replace(
        GPU, plan=recipe, recipe=recipe, rate=rate, title=title, main=main, longer=None, best=best,
        tuned=row(GPU.tuned), steps=GPU.steps if held_out else ((1.0, best),), signed=row(GPU.signed),
        flat=row(GPU.flat),
        networks=tuple((name, model, row(each)) for name, model, each in GPU.networks),
        parts=tuple((name, row(each)) for name, each in GPU.parts),
        rates=tuple(replace(rates, rows={lr: row(each) for lr, each in rates.rows.items()}) for rates in GPU.rates),
        margin=None if GPU.margin is None else row(GPU.margin), learned_scale=row(GPU.learned_scale))


BY_RECIPE = (
    replace(setting_by("cpu", cost.CPU, "at quarter width on 20,480 images, on two CPU cores"),
            network="ResNet18, quarter width"),
    setting_by("paper", cost.GPU, "by the paper's protocol as far as stated, on a GPU"),
    setting_by("paper-code", cost.GPU, "by the paper's released code, which chooses on test images, on a GPU"))

WRITTEN = (EVIDENCE, GPU)
"""The settings that this project's pages describe, measured or not."""
SETTINGS = (*WRITTEN, *BY_RECIPE)


def setting_of(plan: str) -> Setting:
    """Returns the setting of a plan.

    Example:
        >>> setting_of("gpu").recipe
        'honest'
    """
    (found,) = (at for at in SETTINGS if at.plan == plan)
    return found
