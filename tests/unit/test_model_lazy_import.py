"""Importing model must not load torch, nor training what it has no use for."""

import subprocess
import sys
from pathlib import Path

import model_examples
import pytest

TRAINS = """
import sys
sys.path.insert(0, sys.argv[1])
from model import train_committee
from model.architectures.ani.settings import AniSettings
from model_examples import ELEMENTS, LEVEL, SMALL, toy_data
settings = AniSettings(members=2, max_epochs=1, hidden_layers=SMALL)
train_committee(toy_data(8), settings, elements=ELEMENTS, level=LEVEL, seed=0)
print("torch._dynamo" in sys.modules)
"""


def test_model_and_settings_do_not_load_torch_or_ase():
    code = (
        "import sys, model, model.settings; "
        "print([m for m in ('torch', 'ase', 'scipy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_training_does_not_load_the_compiler_of_torch():
    examples = str(Path(model_examples.__file__).parent)
    command = [sys.executable, "-c", TRAINS, examples]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_a_name_that_does_not_exist_is_an_attribute_error():
    import model

    with pytest.raises(AttributeError, match="absent"):
        model.absent  # noqa: B018
    assert all(getattr(model, name) for name in model.__all__)
