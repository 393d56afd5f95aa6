"""What a person reads when a YAML file is wrong: one sentence, the place, and the way out."""

from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import Field, model_validator

from chemistry.errors import InputError
from workflow.settings.yaml_file import StrictModel, parse_yaml_model, read_yaml_model


class Here(StrictModel):
    kind: Literal["local"]
    workers: Annotated[int, Field(ge=1)] | Literal["auto"] = "auto"


class There(StrictModel):
    kind: Literal["slurm"]
    partition: str


class Entry(StrictModel):
    smiles: str
    file: Path | None = None


class Example(StrictModel):
    name: str
    walltime: str | None = None
    pools: dict[str, Annotated[Here | There, Field(discriminator="kind")]] = Field(default={})
    entries: tuple[Entry, ...] = ()
    share: float = Field(0.5, ge=0, le=1)
    size: float = Field(1.0, gt=0)
    quality: Literal["draft", "final"] = "draft"
    verbose: bool = False

    @model_validator(mode="after")
    def _no_draft_called_final(self) -> "Example":
        if self.name == "final" and self.quality == "draft":
            raise ValueError("a draft must not be called final")
        return self


GOOD = """
name: water
walltime: "1:30:00"
pools:
  main: {kind: local, workers: auto}
  big: {kind: slurm, partition: cpu}
entries:
  - smiles: O
    file: water.xyz
share: 1e-3
quality: final
"""


def test_a_good_file_becomes_the_model(tmp_path: Path) -> None:
    file = tmp_path / "good.yaml"
    file.write_text(GOOD)
    example = read_yaml_model(file, Example)
    assert example.walltime == "1:30:00"
    assert example.share == 1e-3
    assert example.entries[0].file == Path("water.xyz")
    assert example.pools["big"] == There(kind="slurm", partition="cpu")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "f.yaml: the file is empty"),
        ("# only a comment\n", "f.yaml: the file is empty"),
        ("- a\n- b", "f.yaml: should be a mapping of `key: value` lines, not a list"),
        ("water", "f.yaml: should be a mapping of `key: value` lines, not `water`"),
        ("name: a\n\nname: b", "f.yaml, line 3: the key `name` is given twice: keep one"),
        (
            "name: a\nentries:\n  - {smiles: O, smiles: C}",
            "f.yaml, line 3: the key `smiles` is given twice: keep one",
        ),
        ("name: [a", "f.yaml, line 1: expected ',' or ']', but got '<stream end>'"),
        (
            "name: a\nqualty: final",
            "f.yaml, line 2: qualty is an unknown key: did you mean `quality`?",
        ),
        (
            "nmae: a",
            "f.yaml, line 1: nmae is an unknown key: did you mean `name`? "
            "(and 1 more field to correct)",
        ),
        (
            "name: a\nentries:\n  - smils: O",
            "f.yaml, line 3: entries.0.smils is an unknown key: did you mean `smiles`? "
            "(and 1 more field to correct)",
        ),
        (
            "name: a\nentries:\n  - {smiles: O, colour: red}",
            "f.yaml, line 3: entries.0.colour is an unknown key: use one of `smiles`, `file`",
        ),
        (
            "name: a\npools:\n  main:\n    kind: local\n    worker: 2",
            "f.yaml, line 5: pools.main.worker is an unknown key: did you mean `workers`?",
        ),
        (
            "name: a\npools: {main: {kind: locl}}",
            "f.yaml, line 2: pools.main.kind is unknown (`locl`): did you mean `local`?",
        ),
        (
            "name: a\npools: {main: {workers: 2}}",
            "f.yaml, line 2: pools.main.kind is missing: it is one of `local`, `slurm`",
        ),
        (
            "name: a\npools: {main: {kind: slurm}}",
            "f.yaml, line 2: pools.main.partition is missing",
        ),
        (
            "name: a\npools: {main: {kind: local, workers: atuo}}",
            "f.yaml, line 2: pools.main.workers is unknown (`atuo`): did you mean `auto`? "
            "(or give a whole number)",
        ),
        (
            "name: a\npools: {main: {kind: local, workers: 1.5}}",
            "f.yaml, line 2: pools.main.workers should be a whole number or `auto`, not `1.5`",
        ),
        (
            "name: a\npools: {main: {kind: local, workers: 0}}",
            "f.yaml, line 2: pools.main.workers should be at least 1 or `auto`, not `0`",
        ),
        (
            "name: a\nquality: finla",
            "f.yaml, line 2: quality is unknown (`finla`): did you mean `final`?",
        ),
        ("name: a\nshare: 1.5", "f.yaml, line 2: share should be at most 1.0, not `1.5`"),
        ("name: a\nshare: -1", "f.yaml, line 2: share should be at least 0.0, not `-1`"),
        ("name: a\nsize: 0", "f.yaml, line 2: size should be more than 0.0, not `0`"),
        ("name: a\nsize: .inf", "f.yaml, line 2: size should be a finite number, not `inf`"),
        ("name: a\nsize: big", "f.yaml, line 2: size should be a number, not `big`"),
        ("name: a\nverbose: 7", "f.yaml, line 2: verbose should be true or false, not `7`"),
        (
            "name: a\nentries: {smiles: O}",
            "f.yaml, line 2: entries should be a list (lines that start with `- `), not a mapping",
        ),
        (
            "name: a\nentries:",
            "f.yaml, line 2: entries should be a list (lines that start with `- `), not nothing",
        ),
        ("walltime: x", "f.yaml, line 1: name is missing"),
        (
            "name: a\nwalltime: 1:30:00",
            "f.yaml, line 2: walltime should be text: YAML reads 1:30:00 as `5400`: "
            'quote it, "1:30:00"',
        ),
        (
            "name: NO",
            'f.yaml, line 1: name should be text: YAML reads NO as `false`: quote it, "NO"',
        ),
        ("name: 2024", 'f.yaml, line 1: name should be text: quote it, "2024"'),
        ("name: final", "f.yaml, line 1: a draft must not be called final"),
    ],
)
def test_what_is_wrong_is_told_in_one_sentence(text: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_yaml_model(text, Example, source="f.yaml")
    assert str(caught.value) == message


@pytest.mark.parametrize(
    "text",
    [
        "name: !!python/object/apply:os.system [ls]",
        "name: *unknown",
        "{a: b}: c",
        "name: a\n---\nname: b",
        "name: 2024-13-45",
        "[" * 3000,
        "name: \x00",
    ],
)
def test_yaml_that_cannot_be_read_is_an_input_error_and_runs_nothing(text: str) -> None:
    with pytest.raises(InputError, match=r"^f\.yaml"):
        parse_yaml_model(text, Example, source="f.yaml")


def test_a_file_that_is_not_there_or_no_text_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"absent\.yaml: there is no such file"):
        read_yaml_model(tmp_path / "absent.yaml", Example)
    with pytest.raises(InputError, match="cannot be read"):
        read_yaml_model(tmp_path, Example)
    (tmp_path / "latin.yaml").write_bytes("name: Ångström".encode("latin-1"))
    with pytest.raises(InputError, match="UTF-8"):
        read_yaml_model(tmp_path / "latin.yaml", Example)
