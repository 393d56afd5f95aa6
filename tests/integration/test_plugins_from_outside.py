"""One plug-in of each kind from a package that rung does not know, found by its entry points.

The package is installed into a virtual environment of its own, where `rung` and its workers run:
they take nothing from PYTHONPATH. Of the batch system only the command that submits is a fake.
"""

import json
import shutil
import site
import subprocess
import sys
import venv
from pathlib import Path

import pytest
from rung_command import SMALL, environment, put_backend

PLUGINS = Path(__file__).parents[1] / "data" / "outside_plugins"
SHAKEN = {"kind": "shaken", "size_angstrom": 0.08, "made_per_start": 8}
CAMPAIGN = {
    **SMALL,
    "molecules": [{"smiles": "O", "name": "water"}],
    "rungs": [
        {
            "level": "gfn2-xtb",
            "engine": "springs",
            "initial_labels": 6,
            "labels_per_training": 4,
            "budget": {"labels": 10},
            "stop": {"uncertain_share": None, "trainings": 2},
        }
    ],
    "initial": [SHAKEN],
    "explore": [{**SHAKEN, "size_angstrom": 0.15}],
    "select": {"by": "by_id", "random_share": 0.0},
    "exports": ["energies"],
}
FAKE_QSUB = """#!/bin/bash
cat "${@: -1}" > "$SUBMITTED"
echo 7
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory) -> Path:
    """A Python that has what this one has, and the package."""
    home = tmp_path_factory.mktemp("outside") / "venv"
    venv.create(home, with_pip=False)
    [packages] = home.glob("lib/python*/site-packages")
    lines = [f"import site; site.addsitedir({path!r})" for path in site.getsitepackages()]
    (packages / "here.pth").write_text("\n".join(lines))
    shutil.copytree(PLUGINS, packages / PLUGINS.name)
    facts = packages / "outside_plugins-1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: outside-plugins\nVersion: 1.0\n")
    (packages / PLUGINS.name / "entry_points.txt").rename(facts / "entry_points.txt")
    return home / "bin" / "python"


def run(python: Path, *arguments: str | Path, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(python), "-P", *map(str, arguments)],
        cwd=python.parents[2],
        capture_output=True,
        text=True,
        timeout=180,
        env=environment() | more,
    )


def rung(python: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return run(python, "-m", "workflow.cli", *arguments)


@pytest.fixture(scope="module")
def launched(python) -> Path:
    """The run of a campaign whose file names plug-ins of the package."""
    folder = python.parents[2]
    (folder / "campaign.yaml").write_text(json.dumps(CAMPAIGN))
    put_backend(folder)
    done = rung(python, "launch", "campaign.yaml", "--backend", "backend.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "small"


def test_engine_sampler_selector_and_exporter_make_a_campaign(launched):
    from workflow.run.store.store import StoreReader

    with StoreReader.open(launched / "store.sqlite") as store:
        rows = list(store.labels.export_rows(None, with_quarantined=True))
        assert {row.label.provenance.program for row in rows} == {"springs"}
        # The conformers that sampling starts from wait to be chosen, too.
        assert {row.structure.origin.sampler for row in rows} - {"conformers"} == {"shaken"}
        active = [row for row in rows if row.purpose == "active"]
        assert active
        reasons = {
            store.database.one(
                "SELECT reason FROM candidates WHERE structure_id = ?", row.structure_id
            )[0]
            for row in (row.structure for row in active)
        }
        assert reasons == {"first in the alphabet"}
    written = (launched / "exports" / "small.energies.txt").read_text().splitlines()
    energies = dict(line.split() for line in written)
    assert {row.structure.structure_id: repr(row.label.energy) for row in rows} == energies
    assert "eV" in next((launched / "exports").glob("small.energies.txt*.md")).read_text()


def test_the_report_has_the_section_and_the_run_is_read_by_every_command(python, launched):
    page = (launched / "report.html").read_text()
    assert '<section id="sizes"' in page
    assert "Of &lt;all&gt; molecules" in page
    assert page.index('id="explorer-heading"') < page.index('id="sizes-heading"')
    for command in (("status", launched), ("report", launched)):
        done = rung(python, *command)
        assert done.returncode == 0, done.stderr
    exported = rung(python, "export", launched, "--format", "energies", "--output", "again.txt")
    assert exported.returncode == 0, exported.stderr


def test_schema_and_messages_know_what_other_packages_add(python):
    told = json.loads(rung(python, "schema", "campaign").stdout)
    assert "Shaken" in told["$defs"]
    assert "by_id" in told["$defs"]["Selection"]["properties"]["by"]["enum"]
    assert "energies" in told["properties"]["exports"]["items"]["enum"]
    assert "QueuePool" in json.loads(rung(python, "schema", "backend").stdout)["$defs"]
    changes = {
        "explore.0.kind is unknown (`shakn`): did you mean `shaken`?": {
            "explore": [{"kind": "shakn"}]
        },
        "explore.0.size_angstroms is an unknown key: did you mean `size_angstrom`?": {
            "explore": [{"kind": "shaken", "size_angstroms": 1}]
        },
        "explore.0.size_angstrom should be more than 0": {
            "explore": [{"kind": "shaken", "size_angstrom": 0}]
        },
        "select.by is unknown (`by_idd`): did you mean `by_id`?": {"select": {"by": "by_idd"}},
        "exports.0 is unknown (`energy`): did you mean `energies`?": {"exports": ["energy"]},
    }
    code = (
        "import json, sys\n"
        "from chemistry.errors import InputError\n"
        "from workflow.settings.campaign import Campaign\n"
        "from workflow.settings.yaml_file import parse_yaml_model\n"
        "for text in json.loads(sys.argv[1]):\n"
        "    try: parse_yaml_model(text, Campaign, 'wrong.yaml')\n"
        "    except InputError as error: print(error)\n"
    )
    texts = [json.dumps({**CAMPAIGN, **change}) for change in changes.values()]
    done = run(python, "-c", code, json.dumps(texts))
    for said, line in zip(changes, done.stdout.splitlines(), strict=True):
        assert said in line
    wrong = {**CAMPAIGN, "rungs": [{"level": "gfn2-xtb", "engine": "spring"}]}
    (python.parents[2] / "wrong.yaml").write_text(json.dumps(wrong))
    done = rung(python, "launch", "wrong.yaml", "--dry-run")
    assert done.returncode == 2
    assert "the nearest known one is 'springs'" in done.stderr


def test_a_kind_of_pool_has_a_template_and_submits_jobs(python):
    folder = python.parents[2]
    made = rung(python, "init", "new", "--backend", "queue")
    assert made.returncode == 0, made.stderr
    assert "    lane: fast\n" in (folder / "new" / "backend.yaml").read_text()
    commands = folder / "commands"
    commands.mkdir()
    (commands / "qsub").write_text(FAKE_QSUB)
    (commands / "qsub").chmod(0o755)
    code = (
        "from pathlib import Path\n"
        "from workflow.settings.backend import read_backend\n"
        "from workflow.work.pools.config import parsl_config\n"
        "folder = Path('pool'); (folder / 'logs').mkdir(parents=True)\n"
        "[executor] = parsl_config(read_backend(Path('new/backend.yaml')), folder).executors\n"
        "executor.provider.script_dir = str(folder.resolve())\n"
        "print(executor.provider.submit('start the workers', 1, 'block'))\n"
    )
    path = f"{commands}:{environment()['PATH']}"
    done = run(python, "-c", code, PATH=path, SUBMITTED=str(folder / "submitted"))
    assert done.stdout.strip() == "7", done.stderr
    submitted = (folder / "submitted").read_text()
    assert "#$ -l cores=16\n" in submitted
    assert "start the workers" in submitted
    assert (folder / "pool" / "logs" / "jobs.txt").read_text() == "queue 7\n"


def test_help_and_status_of_a_run_of_ours_look_up_no_entry_points():
    asked = (
        "import importlib.metadata as metadata\n"
        "def look(group='', **_):\n"
        "    assert not group.startswith('rung.'), group\n"
        "    return ()\n"
        "metadata.entry_points = look\n"
        "from workflow.settings.backend import Backend\n"
        "from workflow.settings.campaign import Campaign\n"
        "import workflow.report.summary, workflow.report.screen\n"
        "campaign = Campaign.model_validate({'name': 'a', 'molecules': ['O'],\n"
        "    'rungs': [{'level': 'gfn2-xtb'}], 'explore': [{'kind': 'torsions'}]})\n"
        "print(Campaign.model_validate_json(campaign.model_dump_json()) == campaign)\n"
        "print(Backend.model_validate({'pools': {'main': {'kind': 'local'}}}) == Backend())\n"
        "from workflow.cli import app\n"
        "app(['--help'], standalone_mode=False)\n"
    )
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("True\nTrue\n")
    assert "launch" in done.stdout
