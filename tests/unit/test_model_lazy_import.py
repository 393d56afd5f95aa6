"""Importing model must not load torch: the command line starts without it."""

import subprocess
import sys

import pytest


def test_model_and_settings_do_not_load_torch_or_ase():
    code = (
        "import sys, model, model.settings; "
        "print([m for m in ('torch', 'ase', 'scipy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_name_that_does_not_exist_is_an_attribute_error():
    import model

    with pytest.raises(AttributeError, match="absent"):
        model.absent  # noqa: B018
    assert all(getattr(model, name) for name in model.__all__)
