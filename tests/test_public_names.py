import importlib
import pkgutil
import subprocess
import sys

import pytest

import keras_fixhead

FRAMEWORK_FREE = ["errors", "vectors", "json_files", "analysis", "figures", "catalog", "hardware", "head_config",
                  "data", "config", "recipes", "runs", "runs.result", "robustness", "experiments.plan",
                  "experiments.run", "experiments.compare", "reproduction.pages.evidence", "reproduction.running.run",
                  "reproduction.studies", "run_analysis"]

BLOCKED = """
import sys
for name in ("keras", "tensorflow", "jax", "torch", "tensorflow_datasets", "scipy", "PIL", "sklearn", "matplotlib"):
    sys.modules[name] = None
import importlib
import keras_fixhead
for name in sys.argv[1:]:
    importlib.import_module(f"keras_fixhead.{name}")
from keras_fixhead.config import TrainConfig, resolve
from keras_fixhead.runs import create_run
print(keras_fixhead.class_vectors("uniform", 2, 3).shape, resolve(TrainConfig()).class_vectors_digest[:8])
print(keras_fixhead.TrainConfig is TrainConfig)
"""


def test_everything_up_to_runs_works_with_every_framework_blocked():
    done = subprocess.run([sys.executable, "-c", BLOCKED, *FRAMEWORK_FREE], capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0].startswith("(2, 3) ") and done.stdout.splitlines()[1] == "True"


def test_importing_the_package_loads_no_framework():
    code = "import sys, keras_fixhead; print(sorted({'keras', 'tensorflow', 'numpy', 'scipy'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", keras_fixhead.__all__)
def test_every_public_name_exists_and_has_a_docstring(name):
    found = getattr(keras_fixhead, name)

    assert name in dir(keras_fixhead)
    assert name == "__version__" or found.__doc__


def test_public_names_are_the_objects_of_their_modules():
    for name, module in keras_fixhead._PUBLIC.items():
        assert getattr(keras_fixhead, name) is getattr(importlib.import_module(module), name)


def test_a_name_that_is_not_public_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'keras_fixhead' has no attribute 'no_such_name'"):
        _ = keras_fixhead.no_such_name
    assert not hasattr(keras_fixhead, "no_such_name")


def test_every_module_imports_and_has_a_docstring():
    names = [module.name for module in pkgutil.walk_packages(keras_fixhead.__path__, "keras_fixhead.")]

    assert len(names) > 30
    for name in names:
        assert importlib.import_module(name).__doc__ or name.endswith("_version"), name
    for package in (name for name in names if hasattr(sys.modules[name], "__all__")):
        for public in sys.modules[package].__all__:
            assert hasattr(sys.modules[package], public), f"{package}.{public}"


def test_errors_form_one_tree_and_have_a_message_and_a_hint():
    from keras_fixhead import errors

    classes = [each for each in vars(errors).values() if isinstance(each, type)]
    assert all(issubclass(each, (errors.FixheadError, errors.FixheadWarning)) for each in classes)
    assert all(each.__name__ in errors.__doc__ for each in classes)
    error = errors.DataError("No data.", hint="Get some.")
    assert (str(error), error.what, error.hint) == ("No data. Get some.", "No data.", "Get some.")
    assert str(errors.RequestError("Refused.", status=404)) == "Refused."
    assert issubclass(errors.ArgumentError, ValueError)
