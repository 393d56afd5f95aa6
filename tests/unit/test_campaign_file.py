"""The campaign file: what it means, what is refused and in which words, when a run goes on."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import yaml

from chemistry.engines import ENGINES
from chemistry.errors import EngineNotInstalled, InputError
from chemistry.readers.molecules import molecule_from_smiles
from chemistry.records.molecule import Molecule
from chemistry.records.structure import Structure
from workflow.run.resume import differences, require_same_campaign
from workflow.settings.backend import Backend, read_backend
from workflow.settings.campaign import Campaign, read_campaign
from workflow.settings.molecules import check_levels, read_campaign_molecules, rung_level
from workflow.settings.templates import write_templates

MINIMAL = {"name": "x", "molecules": ["O"], "rungs": [{"level": "hf/sto-3g"}]}


def campaign(**changes) -> Campaign:
    return Campaign.model_validate({**MINIMAL, **changes})


def put(folder: Path, text: str, name: str = "campaign.yaml") -> Path:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return file


def text_of(name="x", molecules="[O]", rungs="[{level: hf/sto-3g}]", more="") -> str:
    return f"name: {name}\nmolecules: {molecules}\nrungs: {rungs}\n{more}\n"


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        (text_of(more="held_outt: {structures: 4}"), 4, ["held_outt", "did you mean `held_out`?"]),
        (text_of(rungs="[{level: hf/sto-3g, initial_label: 4}]"), 3, ["`initial_labels`?"]),
        (text_of(rungs="[{level: hf/sto-3g, stop: {sweep: 4}}]"), 3, ["`sweeps`?"]),
        (text_of(more="select: {threshold: 0.2}"), 4, ["`threshold_kcal_mol`?"]),
        (text_of(more="train: {member: 2}"), 4, ["train.member", "`members`?"]),
        (text_of(more="explore: [{kind: normal_mode}]"), 4, ["`normal_modes`?"]),
        (text_of(more="explore: [{kind: langevin, step: 3}]"), 4, ["`steps`?"]),
        (text_of(more="exports: [extxzy]"), 4, ["exports.0", "did you mean `extxyz`?"]),
        (text_of(more="bootstrap: gfn2xtb"), 4, ["bootstrap", "did you mean `gfn2-xtb`?"]),
        (text_of(molecules="[NO]"), 2, ["molecules.0", "quote the SMILES"]),
        (text_of(molecules="[{smiles: NO}]"), 2, ["molecules.0.smiles", 'quote it, "NO"']),
        (text_of(molecules="[[OH-]]"), 2, ["molecules.0", "a list"]),
        (text_of(molecules="[{smiles: O, file: a.smi}]"), 2, ["either `smiles` or `file`"]),
        (text_of(molecules="[{name: water}]"), 2, ["either `smiles` or `file`"]),
        (text_of(molecules="[{smiles: O, multiplicity: 0}]"), 2, ["at least 1"]),
        (text_of(molecules="[{smiles: O, states: [{chrage: 1}]}]"), 2, ["states.0", "`charge`?"]),
        (text_of(molecules="[{smiles: O, charge: 1, states: [{}]}]"), 2, ["either `states`"]),
        (text_of(molecules="[]"), 2, ["molecules", "at least 1"]),
        (text_of(rungs="[{}]"), 3, ["rungs.0.level is missing"]),
        (text_of(rungs="[{level: hf/sto-3g, budget: {labels: 0}}]"), 3, ["budget.labels"]),
        (
            text_of(rungs="[{level: hf/sto-3g, initial_labels: 9, budget: {labels: 8}}]"),
            3,
            ["initial_labels", "budget.labels"],
        ),
        (text_of(name="../elsewhere"), 1, ["name should be text that matches"]),
        (text_of(name="no"), 1, ["name should be text", 'quote it, "no"']),
        (text_of(more="seed: -1"), 4, ["seed should be at least 0"]),
        (text_of(more="select: {threshold_kcal_mol: .inf}"), 4, ["threshold_kcal_mol", "finite"]),
    ],
)
def test_a_wrong_campaign_file_is_refused(tmp_path, text, line, said):
    with pytest.raises(InputError) as caught:
        read_campaign(put(tmp_path, text))
    message = str(caught.value)
    assert f"campaign.yaml, line {line}: " in message
    assert all(part in message for part in said), message
    assert "\n" not in message


def test_an_empty_file_and_no_file_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"campaign\.yaml: the file is empty"):
        read_campaign(put(tmp_path, "# only a comment\n"))
    with pytest.raises(InputError, match=r"other\.yaml: there is no such file"):
        read_campaign(tmp_path / "other.yaml")


@pytest.mark.parametrize(
    ("rung", "field", "said"),
    [
        ({"level": "gfn3-xtb"}, "rungs.0.level", "'gfn2-xtb'"),
        ({"level": "wb97x/6-32g*"}, "rungs.0.level", "'6-31g*'"),
        ({"level": "wb98x/6-31g*"}, "rungs.0.level", "'wb97x'"),
        ({"level": "hf/sto-3g", "engine": "pyscff"}, "rungs.0.engine", "'pyscf'"),
        ({"level": "hf/sto-3g", "engine": "tblite"}, "rungs.0.level", "take engine pyscf"),
    ],
)
def test_an_unknown_level_or_engine_is_refused_with_the_nearest_name(rung, field, said):
    with pytest.raises(InputError) as caught:
        rung_level(campaign(rungs=[rung]), 0)
    assert str(caught.value).startswith(f"{field}: ")
    assert said in str(caught.value)


def test_an_engine_that_is_not_installed_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(ENGINES.ours, "absent", "a_program_that_is_not_here:Engine")
    with pytest.raises(EngineNotInstalled, match=r"rungs\.0\.engine: .*pip install absent"):
        rung_level(campaign(rungs=[{"level": "hf/sto-3g", "engine": "absent"}]), 0)


def test_an_element_that_the_level_lacks_is_refused():
    gold = molecule_from_smiles("[AuH]", name="gold hydride")
    with pytest.raises(InputError, match=r"hf/sto-3g has no Au, .* gold hydride .* leave the mol"):
        check_levels(campaign(), [molecule_from_smiles("O"), gold])
    check_levels(campaign(rungs=[{"level": "gfn2-xtb"}]), [gold])


def test_an_open_shell_is_refused_where_the_level_takes_none():
    hydroxyl, water = molecule_from_smiles("[OH]"), molecule_from_smiles("O")
    truncated = campaign(rungs=[{"level": "fno-ccsd(t)*/cbs"}])
    check_levels(truncated, [water])
    with pytest.raises(InputError, match=r"\[OH\]: fno-ccsd\(t\)\*/cbs is for closed shells, and"):
        check_levels(truncated, [water, hydroxyl])
    check_levels(campaign(rungs=[{"level": "ccsd(t)*/cbs"}]), [hydroxyl])


def test_a_molecule_without_bonds_is_checked_too():
    atom = Structure(atomic_numbers=np.array([79]), positions=np.zeros((1, 3)), charge=1)
    ion = Molecule(
        molecule_id="id",
        name="gold ion",
        mol_block=None,
        charge=1,
        multiplicity=1,
        geometries=(atom,),
    )
    with pytest.raises(InputError, match="hf/sto-3g has no Au, which molecule gold ion contains"):
        check_levels(campaign(), [ion])
    check_levels(campaign(rungs=[{"level": "gfn2-xtb"}]), [ion])


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("C(", "entry 2: 'C(' is not a SMILES"),
        ({"smiles": "O", "multiplicity": 2}, "entry 2: 'O': multiplicity 2 does not fit"),
        ({"smiles": "O", "charge": 11}, "entry 2: 'O': charge"),
        ("[Na+].[Cl-]", "entry 2: '[Na+].[Cl-]' holds several molecules"),
        ("Xx", "entry 2: 'Xx' is not a SMILES"),
    ],
)
def test_a_molecule_that_cannot_be_is_refused_by_the_number_of_its_entry(entry, said):
    with pytest.raises(InputError) as caught:
        read_campaign_molecules(campaign(molecules=["C", entry]))
    assert said in str(caught.value)


def test_charge_and_multiplicity_default_to_what_the_smiles_says():
    found = read_campaign_molecules(
        campaign(molecules=["[OH-]", "[CH3]", {"smiles": "[O][O]", "multiplicity": 1}])
    )
    assert [(m.charge, m.multiplicity) for m, _ in found] == [(-1, 1), (0, 2), (0, 1)]


def test_molecule_files_are_relative_to_the_campaign_file(tmp_path, monkeypatch):
    put(tmp_path, "O water\nC methane\n", "here/lists/two.smi")
    put(tmp_path, "N ammonia\n", "one.smi")
    file = put(
        tmp_path,
        text_of(
            molecules="[{file: lists/two.smi}, {file: ../one.smi, name: stink}, "
            f"{{file: {tmp_path / 'one.smi'}}}]"
        ),
        "here/campaign.yaml",
    )
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    campaign_read = read_campaign(Path("../here/campaign.yaml"))
    assert all(entry.file.is_absolute() for entry in campaign_read.molecules)
    monkeypatch.chdir("/")
    names = [molecule.name for molecule, _ in read_campaign_molecules(campaign_read)]
    assert names == ["water", "methane", "stink"]
    assert file.exists()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, r"m\.smi: there is no such file"),
        ("", r"m\.smi: there is no molecule in the file"),
        ("O\nC(\n", r"m\.smi:2: 'C\(' is not a SMILES"),
    ],
)
def test_a_molecule_file_that_cannot_be_used_is_named_with_its_line(tmp_path, content, said):
    if content is not None:
        put(tmp_path, content, "m.smi")
    file = put(tmp_path, text_of(molecules="[{file: m.smi}]"))
    with pytest.raises(InputError, match=said):
        read_campaign_molecules(read_campaign(file))


def test_one_name_for_the_many_molecules_of_a_file_is_refused(tmp_path):
    put(tmp_path, "O\nC\n", "m.smi")
    file = put(tmp_path, text_of(molecules="[{file: m.smi, name: many}]"))
    with pytest.raises(InputError, match=r"entry 1: .*m\.smi holds 2 molecules.*leave `name` out"):
        read_campaign_molecules(read_campaign(file))


def test_bad_entries_of_a_file_are_left_out_only_where_the_campaign_says_so(tmp_path):
    put(tmp_path, "O\nC(\nN\n", "m.smi")
    file = put(tmp_path, text_of(molecules="[{file: m.smi, skip_bad: true}]"))
    skipped = []
    found = read_campaign_molecules(read_campaign(file), skipped)
    assert [molecule.name for molecule, _ in found] == ["O", "N"]
    assert [str(error).split(": ")[0] for error in skipped] == [f"{tmp_path / 'm.smi'}:2"]


def test_held_out_molecules_are_named_as_people_call_them():
    molecules = [{"smiles": "O", "name": "water"}, "CO"]
    found = read_campaign_molecules(campaign(molecules=molecules, held_out={"molecules": ["CO"]}))
    assert [(m.name, held_out) for m, held_out in found] == [("water", False), ("CO", True)]
    with pytest.raises(InputError, match=r"held_out.molecules: .*`watr`: did you mean `water`"):
        read_campaign_molecules(campaign(molecules=molecules, held_out={"molecules": ["watr"]}))
    with pytest.raises(InputError, match="no molecule is left to train on"):
        read_campaign_molecules(
            campaign(molecules=molecules, held_out={"molecules": ["water", "CO"]})
        )


STATES = [{}, {"charge": 1}, {"charge": -1}, {"multiplicity": 3}]


def test_states_of_an_entry_are_molecules_with_names_of_their_own():
    found = read_campaign_molecules(campaign(molecules=[{"smiles": "C=O", "states": STATES}]))
    assert [(m.name, m.charge, m.multiplicity) for m, _ in found] == [
        ("C=O", 0, 1),
        ("C=O charge=1 multiplicity=2", 1, 2),
        ("C=O charge=-1 multiplicity=2", -1, 2),
        ("C=O charge=0 multiplicity=3", 0, 3),
    ]
    assert len({m.molecule_id for m, _ in found}) == 4


def test_entries_of_one_name_and_several_states_are_told_apart():
    cation = {"smiles": "C=O", "name": "formaldehyde", "charge": 1}
    found = read_campaign_molecules(campaign(molecules=[{**cation, "charge": 0}, cation, "C"]))
    assert [m.name for m, _ in found] == [
        "formaldehyde",
        "formaldehyde charge=1 multiplicity=2",
        "C",
    ]


def test_a_name_holds_out_all_its_states_and_that_of_a_state_this_one():
    molecules = ["C", {"smiles": "C=O", "states": STATES}]
    for name, expected in (
        ("C=O", [False, True, True, True, True]),
        ("C=O charge=1 multiplicity=2", [False, False, True, False, False]),
    ):
        found = read_campaign_molecules(
            campaign(molecules=molecules, held_out={"molecules": [name]})
        )
        assert [held_out for _, held_out in found] == expected


def test_states_of_a_file_start_from_its_geometry(tmp_path):
    put(tmp_path, "3\n\nO 0 0 0\nH 0 0 0.96\nH 0.93 0 -0.24\n", "water.xyz")
    file = put(
        tmp_path,
        text_of(molecules="[{file: water.xyz, states: [{}, {charge: 1, multiplicity: 2}]}]"),
    )
    found = [molecule for molecule, _ in read_campaign_molecules(read_campaign(file))]
    assert [(m.charge, m.multiplicity) for m in found] == [(0, 1), (1, 2)]
    assert [(m.geometries[0].charge, m.geometries[0].multiplicity) for m in found] == [
        (0, 1),
        (1, 2),
    ]


# What `rung init` writes


def test_the_templates_are_valid_and_say_the_defaults(tmp_path):
    written = write_templates(tmp_path / "new")
    assert [path.name for path in written] == ["campaign.yaml", "backend.yaml"]
    template = read_campaign(written[0])
    required = {
        "name": template.name,
        "molecules": [entry.model_dump() for entry in template.molecules],
        "rungs": [
            {"level": template.rungs[0].level},
            template.rungs[1].model_dump(exclude_unset=True),
        ],
        "train": {"architecture": template.train.architecture},
    }
    assert [rung.level for rung in template.rungs] == ["ccsd*/cc-pvtz", "ccsd(t)*/cbs"]
    assert differences(Campaign.model_validate(required), template) == []
    assert read_backend(written[1]) == Backend()
    assert [m.name for m, _ in read_campaign_molecules(template)] == ["methanol", "acetaldehyde"]
    check_levels(template, [molecule_from_smiles("CO")])


def test_what_the_templates_have_as_comments_is_valid_too(tmp_path):
    (campaign_file, _) = write_templates(tmp_path / "new")
    text = campaign_file.read_text()
    # A comment that is a line of YAML has its `key:` after the mark; prose has none.
    shown = re.sub(r"(?m)^( +)# ((?:- )?[a-z_]+: |  [a-z_]+: )", r"\1\2", text)
    shown = shown.replace("  # molecules: ", "  molecules: ")
    assert shown.count("#") < text.count("#") - 5
    full = read_campaign(put(tmp_path, shown, "full.yaml"))
    assert full.molecules[2].file == tmp_path / "molecules.sdf"
    assert (full.molecules[3].charge, full.molecules[3].multiplicity) == (-1, 1)
    assert full.rungs[0].budget.cpu_hours == 10
    assert full.rungs[1].transfer == "linear"
    assert full.rungs[0].stop.force_mae_kcal_mol_angstrom == 1.0
    assert full.held_out.molecules == ("acetaldehyde",)


def test_the_schemas_beside_the_templates_are_those_of_the_models(tmp_path):
    write_templates(tmp_path / "new")
    for name, model in (("campaign", Campaign), ("backend", Backend)):
        schema = json.loads((tmp_path / "new" / f"{name}.schema.json").read_text())
        assert schema == model.model_json_schema()
        template = (tmp_path / "new" / f"{name}.yaml").read_text()
        assert template.startswith(f"# yaml-language-server: $schema={name}.schema.json\n")
        assert set(yaml.safe_load(template)) <= set(schema["properties"])


def test_the_schema_allows_a_molecule_to_be_just_its_smiles():
    items = Campaign.model_json_schema()["properties"]["molecules"]["items"]
    assert "string" in [alternative.get("type") for alternative in items["anyOf"]]


def test_templates_never_overwrite(tmp_path):
    put(tmp_path, "mine", "new/backend.yaml")
    with pytest.raises(InputError, match=r"backend\.yaml exists already"):
        write_templates(tmp_path / "new")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["backend.yaml"]
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="file"):
        write_templates(tmp_path / "file" / "below")


# Going on with a run


def test_differences_name_the_fields():
    old = campaign(held_out={"structures": 4}, exports=["extxyz"])
    new = campaign(
        held_out={"structures": 5},
        exports=["extxyz", "ani-hdf5"],
        rungs=[{"level": "gfn2-xtb", "budget": {"cpu_hours": 2}}],
        molecules=[{"smiles": "O", "name": "water"}],
    )
    assert differences(old, old) == []
    found = differences(old, new)
    assert "held_out.structures: 4 -> 5" in found
    assert "rungs.0.level: hf/sto-3g -> gfn2-xtb" in found
    assert "rungs.0.budget.cpu_hours: None -> 2.0" in found
    assert "molecules.0.name: None -> water" in found
    assert any(line.startswith("exports: ") for line in found)
    assert len(found) == 5


def test_budgets_stop_rules_and_exports_may_change_and_nothing_else(tmp_path):
    old = campaign()
    rung = {
        "level": "hf/sto-3g",
        "budget": {"labels": 900, "cpu_hours": 7},
        "stop": {"uncertain_share": None, "trainings": 9},
    }
    require_same_campaign(old, campaign(rungs=[rung], exports=["extxyz"]), tmp_path)
    for change in (
        {"seed": 2},
        {"molecules": ["O", "C"]},
        {"rungs": [{"level": "hf/sto-3g", "initial_labels": 41}]},
        {"train": {"members": 3}},
    ):
        with pytest.raises(InputError) as caught:
            require_same_campaign(old, campaign(**change), tmp_path / "run")
        (line,) = differences(old, campaign(**change))
        assert line in str(caught.value)
        assert str(tmp_path / "run") in str(caught.value)
        assert "--force-new" in str(caught.value)


def test_two_rungs_of_one_level_are_refused():
    twice = campaign(rungs=[{"level": "hf/sto-3g"}, {"level": "HF/STO-3G"}])
    with pytest.raises(InputError, match=r"rungs\.1\.level: .* is the level of rungs\.0"):
        check_levels(twice, [molecule_from_smiles("O")])


def test_a_campaign_survives_its_json(tmp_path):
    put(tmp_path, "O\n", "m.smi")
    full = read_campaign(put(tmp_path, text_of(molecules="[{file: m.smi}, {smiles: CO}]")))
    assert Campaign.model_validate_json(full.model_dump_json()) == full
