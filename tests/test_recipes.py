import pytest

from keras_fixhead.config import TrainConfig, resolve
from keras_fixhead.errors import ArgumentError
from keras_fixhead.recipes import RECIPES, build_config

every_recipe = pytest.mark.parametrize("name", RECIPES)


@every_recipe
def test_a_recipe_gives_a_configuration_with_its_values_and_its_name(name):
    config = build_config({"recipe": name})

    assert config.recipe == name
    assert config == TrainConfig.from_dict({**RECIPES[name].values, "recipe": name})


@every_recipe
def test_a_recipe_states_its_source_and_expected_result(name):
    recipe = RECIPES[name]

    assert recipe.summary and recipe.source and recipe.expect and recipe.cost
    assert "\n" not in recipe.summary


def test_the_default_recipe_equals_the_defaults():
    assert TrainConfig.recipe == "honest"
    assert build_config({}) == TrainConfig() == build_config({"recipe": "honest"})


def test_the_cpu_recipe_is_the_one_measured_in_the_readme():
    config = build_config({"recipe": "cpu", "dataset": "cifar10"})

    assert (config.width, config.limit_train, config.epochs, config.batch_size) == (0.25, 20_480, 10, 128)
    assert (config.schedule, config.lr, config.selection, config.scale) == ("one_cycle", 0.2, "last", 1.0)


def test_explicit_values_override_the_file_the_recipe_and_the_defaults():
    recipe = RECIPES["cpu"].values
    config = build_config({"epochs": 3}, {"recipe": "cpu", "epochs": 4, "lr": 0.7})

    assert config.epochs == 3  # explicit value over file and recipe
    assert config.lr == 0.7  # file, over recipe
    assert config.width == recipe["width"] != TrainConfig.width  # recipe, over default
    assert config.momentum == TrainConfig.momentum


def test_a_recipe_can_be_combined_with_a_file_that_names_none_or_the_same():
    config = build_config({"recipe": "smoke"}, {"width": 0.5})

    assert (config.recipe, config.width) == ("smoke", 0.5)
    assert config.epochs == RECIPES["smoke"].values["epochs"]
    assert build_config({"recipe": "cpu"}, {"recipe": "cpu", "width": 0.5}).width == 0.5


def test_the_file_is_not_modified():
    file = TrainConfig().as_dict()
    before = dict(file)
    build_config({"seed": 3, "schedule": "plateau"}, file)

    assert file == before


@pytest.mark.parametrize("explicit, file, message", [
    ({"recipe": "cpuu"}, None, "Unknown recipe 'cpuu'.* Did you mean 'cpu'?"),
    ({}, {"recipe": "nothing at all"}, "Unknown recipe 'nothing at all'"),
    ({"recipe": ["cpu"]}, None, "Unknown recipe"),
    ({"epoch": 3}, None, "Did you mean 'epochs'?"),
    ({}, {"epochs": "three"}, "epochs must be int or float, got 'three'"),
])
def test_wrong_names_and_values_are_refused(explicit, file, message):
    with pytest.raises(ArgumentError, match=message):
        build_config(explicit, file)


@pytest.mark.parametrize("head, fixed, lr, decay, vector_decay, norms, bias", [
    ("dot", True, 0.1, 5e-4, 0.0, True, "fixed"), ("dot", False, 0.001, 5e-4, 5e-4, True, "learned"),
    ("cos", True, 0.1, 0.0, 0.0, False, "fixed"), ("cos", False, 0.1, 0.0, 0.0, False, "learned"),
])
def test_paper_code_has_the_released_hyperparameters_of_each_arm(head, fixed, lr, decay, vector_decay, norms, bias,
                                                                 monkeypatch, tmp_path):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))  # the whole set, as in the catalog
    found = resolve(build_config({"recipe": "paper-code", "dataset": "stl10", "head": head, "fixed": fixed}))
    config = found.config

    assert (config.lr, config.weight_decay, config.vector_weight_decay, config.decay_norms, config.bias) == (
        lr, decay, vector_decay, norms, bias)
    assert (config.epochs, config.batch_size, config.schedule, config.plateau_patience, config.plateau_factor) == (
        80, 32, "plateau", 3, 0.2)
    assert (config.selection, config.hold_out, config.normalization, config.pooling, config.class_vectors) == (
        "test", False, "half", "4x4", "cube")
    assert (config.crop_padding, config.flip, config.signed_features, config.warmup_fraction) == (10, True, False, 0)
    assert found.steps_per_epoch == 157  # for 5,000 images, the last batch has 8


def test_an_explicit_value_overrides_that_of_an_arm():
    config = build_config({"recipe": "paper-code", "head": "dot", "fixed": False, "lr": 0.01})

    assert (config.lr, config.bias) == (0.01, "learned")


@pytest.mark.parametrize("name", [name for name in RECIPES if name != "paper-code"])
def test_all_arms_of_the_other_recipes_have_the_same_hyperparameters(name):
    values = [{field: value for field, value in build_config({"recipe": name, "head": head, "fixed": fixed}).as_dict()
               .items() if field not in ("head", "fixed")} for head in ("dot", "cos") for fixed in (True, False)]

    assert values[0] == values[1] and values[2] == values[3]
    assert values[0] == {**values[2], "scale": 0.2 if name in ("fast", "fast-90") else 1.0}


@pytest.mark.parametrize("name", RECIPES)
def test_test_images_select_epochs_only_if_the_recipe_says_so(name):
    config = build_config({"recipe": name})

    assert (config.selection == "test") == ("TEST" in RECIPES[name].summary)


def test_a_recipe_that_alternates_flips_trains_data_that_are_never_mirrored():
    config = resolve(build_config({"recipe": "fast", "dataset": "digits"})).config

    assert (config.flip, config.flip_mode) == (False, "random")
    assert resolve(build_config({"recipe": "fast", "dataset": "cifar10"})).config.flip_mode == "alternating"
