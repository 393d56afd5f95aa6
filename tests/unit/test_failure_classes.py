"""What becomes of tasks that are lost, of labels that fail, and of labels that a gate refuses."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from scripted_workers import Listener, ScriptedWorkers, scripted_campaign

from chemistry.errors import CampaignFailed, InputError, RunInUse
from chemistry.readers.molecules import molecule_from_smiles
from chemistry.records.label import Label, LabelFailure
from chemistry.records.level import find_level
from workflow.campaign.driver import Driver
from workflow.campaign.retry import retry, unusable_labels
from workflow.planning.keys import LabelKey
from workflow.report.screen import failures_screen
from workflow.report.status_json import failures_json
from workflow.run.folder import RunFolder, locked
from workflow.run.opened import open_run
from workflow.run.store.records import Unusable
from workflow.run.store.store import Store, StoreReader
from workflow.settings.backend import Backend, Roles
from workflow.settings.campaign import Campaign
from workflow.settings.pools.local import LocalPool
from workflow.work.orders import LabelOrder, SampleOrder, TrainOrder
from workflow.work.results import Broken

LEVEL = find_level("hf/sto-3g")
N_LABELS = 16 + 4
BACKEND = Backend()
TWO_POOLS = Backend(
    pools={"small": LocalPool(workers=2), "big": LocalPool(workers=1, memory_per_task_gb=16)},
    roles=Roles(label="small", large_label="big", explore="small", train="small"),
)


class Troubled(ScriptedWorkers):
    """Workers that answer some orders otherwise: `trouble(order, usual answer)`."""

    def __init__(self, run_folder: Path, trouble=lambda order, answer: answer):
        super().__init__(run_folder)
        self._trouble = trouble
        self.orders: list[LabelOrder] = []

    def _answer(self, order):
        if isinstance(order, LabelOrder):
            self.orders.append(order)
        return self._trouble(order, super()._answer(order))


def launch(
    path: Path,
    the_campaign: Campaign,
    trouble=lambda order, answer: answer,
    backend: Backend = BACKEND,
):
    folder = open_run(the_campaign, path)
    workers, listener = Troubled(path, trouble), Listener()
    text = the_campaign.model_dump_json()
    new = not folder.store.exists()
    with Store.create(folder.store, text) if new else Store.open(folder.store) as store:
        store.molecules.add([(molecule_from_smiles("O", name="water"), False)])
        Driver(store, the_campaign, backend, folder, workers, listener).run()
    return workers, listener


def failed(order: LabelOrder, kind: str) -> LabelFailure:
    return LabelFailure(
        structure_id=order.structure.structure_id,
        level_id=order.level.level_id,
        kind=kind,
        message=f"Traceback\n  scripted {kind}",
    )


class Once:
    """Give the first label order trouble, the same structure each time that it comes."""

    def __init__(self, answer, times=10**6, first_only=True):
        self.victim: str | None = None
        self._answer, self._left = answer, times

    def __call__(self, order, usual):
        if not isinstance(order, LabelOrder):
            return usual
        self.victim = self.victim or order.structure.structure_id
        if order.structure.structure_id != self.victim or not self._left:
            return usual
        self._left -= 1
        return self._answer(order, usual)


def listed(path: Path) -> list[Unusable]:
    return unusable_labels(RunFolder(path))


def exported(path: Path, **options) -> set[str]:
    with StoreReader.open(path / "store.sqlite") as store:
        return {row.structure.structure_id for row in store.labels.export_rows(**options)}


# Infrastructure and poison


def test_a_lost_label_is_tried_again_within_the_launch_and_counted_apart(tmp_path):
    trouble = Once(lambda order, _: failed(order, "infrastructure"), times=2)
    workers, listener = launch(tmp_path, scripted_campaign(), trouble)
    assert len(exported(tmp_path)) == N_LABELS
    assert workers.labelled.count(trouble.victim) == 3
    assert listener.last.n_failures == 0
    assert listed(tmp_path) == []
    assert sum("scripted infrastructure): it is tried again" in s for s in listener.heard) == 2
    with StoreReader.open(tmp_path / "store.sqlite") as store:
        assert store.tasks.count_losses() == {"infrastructure": 2}


def test_what_is_lost_three_times_is_poison_until_it_is_put_back(tmp_path):
    trouble = Once(lambda order, _: failed(order, "infrastructure"))
    workers, _ = launch(tmp_path, scripted_campaign(), trouble)
    assert workers.labelled.count(trouble.victim) == 3
    (label,) = listed(tmp_path)
    assert (label.structure_id, label.kind, label.tries) == (trouble.victim, "poison", 3)
    assert (label.molecule_name, label.level_name) == ("water", "hf/sto-3g")
    again, _ = launch(tmp_path, scripted_campaign())
    assert again.labelled == []
    assert retry(RunFolder(tmp_path)) == [label]
    healed, _ = launch(tmp_path, scripted_campaign())
    assert healed.labelled == [trouble.victim]
    assert len(exported(tmp_path)) == N_LABELS
    assert listed(tmp_path) == []


def test_many_lost_tasks_stop_the_launch_with_a_clear_word(tmp_path):
    def lose(order, usual):
        return failed(order, "infrastructure") if isinstance(order, LabelOrder) else usual

    with pytest.raises(CampaignFailed, match=r"\d tasks were lost .*scripted infrastructure"):
        launch(tmp_path, scripted_campaign(failures={"lost_tasks": 5}), lose)
    # The next launch counts anew; only what was lost three times was given up.
    launch(tmp_path, scripted_campaign(failures={"lost_tasks": 5}))
    given_up = listed(tmp_path)
    assert {label.kind for label in given_up} <= {"poison"}
    assert len(exported(tmp_path)) + len(given_up) == N_LABELS


@pytest.mark.parametrize("kind", [SampleOrder, TrainOrder])
def test_other_tasks_that_are_lost_are_tried_again_too(tmp_path, kind):
    lost = []

    def lose_one(order, usual):
        if isinstance(order, kind) and not lost:
            lost.append(order)
            return Broken(kind="infrastructure", message="segmentation fault")
        return usual

    _, listener = launch(tmp_path, scripted_campaign(), lose_one)
    assert len(exported(tmp_path)) == N_LABELS
    assert any("segmentation fault): it is tried again" in s for s in listener.heard)


# Labels that fail


@pytest.mark.parametrize("kind", ["input", "convergence", "resource", "suspect"])
def test_a_failed_label_is_recorded_once_and_not_tried_again(tmp_path, kind):
    trouble = Once(lambda order, _: failed(order, kind))
    workers, _ = launch(tmp_path, scripted_campaign(), trouble)
    assert workers.labelled.count(trouble.victim) == 1
    assert [(f.kind, f.tries) for f in listed(tmp_path)] == [(kind, 1)]
    again, _ = launch(tmp_path, scripted_campaign())
    assert again.labelled == []


def test_a_label_that_needs_more_than_its_pool_gives_is_tried_in_the_larger_one(tmp_path):
    def small_is_too_small(order, usual):
        return usual if order.is_large else failed(order, "resource")

    trouble = Once(small_is_too_small)
    workers, listener = launch(tmp_path, scripted_campaign(), trouble, TWO_POOLS)
    key = LabelKey(structure_id=trouble.victim, level_id=LEVEL.level_id).key
    assert [role for role, one in workers.roles if one == key] == ["label", "large_label"]
    assert {role for role, one in workers.roles if one != key and one.startswith("label-")} == {
        "label"
    }
    assert trouble.victim in exported(tmp_path)
    assert listed(tmp_path) == []
    assert any("pool `big` tries it again" in said for said in listener.heard)
    assert listener.last.n_lost == 0
    with StoreReader.open(tmp_path / "store.sqlite") as store:
        assert store.tasks.count_losses() == {"resource": 1}


def test_what_the_larger_pool_cannot_do_either_has_failed(tmp_path):
    trouble = Once(lambda order, _: failed(order, "resource"))
    workers, _ = launch(tmp_path, scripted_campaign(), trouble, TWO_POOLS)
    assert workers.labelled.count(trouble.victim) == 2
    assert [(f.kind, f.tries) for f in listed(tmp_path)] == [("resource", 2)]


def test_a_try_whose_driver_was_killed_before_the_spool_was_cleared_goes_to_the_larger_pool(
    tmp_path, monkeypatch
):
    trouble = Once(lambda order, usual: usual if order.is_large else failed(order, "resource"))

    def killed(self):
        if trouble.victim is not None and self._store.tasks.count_losses():
            raise KeyboardInterrupt
        usual_clear(self)

    usual_clear = Driver._clear_spool
    monkeypatch.setattr(Driver, "_clear_spool", killed)
    with pytest.raises(KeyboardInterrupt):
        launch(tmp_path, scripted_campaign(), trouble, TWO_POOLS)
    monkeypatch.undo()
    assert list((tmp_path / "spool").glob("label-*.json"))
    launch(tmp_path, scripted_campaign(), trouble, TWO_POOLS)
    assert trouble.victim in exported(tmp_path)
    assert listed(tmp_path) == []


def test_the_budget_of_failures_is_the_campaigns(tmp_path):
    def every_other(order, usual):
        if isinstance(order, LabelOrder) and int(order.structure.structure_id, 16) % 2:
            return failed(order, "convergence")
        return usual

    strict = scripted_campaign(failures={"share": 0.1, "tolerated": 2})
    with pytest.raises(CampaignFailed, match=r"3 of \d+ labels failed or were refused, one of"):
        launch(tmp_path, strict, every_other)
    # With a larger budget the same run goes on.
    launch(tmp_path, scripted_campaign(failures={"share": 1.0}), every_other)
    assert len(exported(tmp_path)) + len(listed(tmp_path)) == N_LABELS


def test_a_campaign_whose_explorations_all_break_has_failed_and_tries_them_again(tmp_path):
    def break_explorations(order, usual):
        if isinstance(order, SampleOrder) and order.threshold is not None:
            return Broken(kind="input", message="no network knows gold")
        return usual

    with pytest.raises(CampaignFailed, match=r"none of the last explorations .* knows gold"):
        launch(tmp_path, scripted_campaign(select={"random_share": 0}), break_explorations)
    launch(tmp_path, scripted_campaign(select={"random_share": 0}))
    assert len(exported(tmp_path)) == N_LABELS


# Quality gates


def test_a_label_that_a_gate_refuses_is_kept_and_listed_but_not_trained_on(tmp_path):
    def pull(_, label):
        return replace(label, forces=np.full((3, 3), 99.0))

    trouble = Once(pull)
    _, listener = launch(tmp_path, scripted_campaign(), trouble)
    assert trouble.victim not in exported(tmp_path)
    assert trouble.victim in exported(tmp_path, with_quarantined=True)
    (label,) = listed(tmp_path)
    assert (label.structure_id, label.kind) == (trouble.victim, "suspect")
    assert label.message == "a force is 171.5 eV/Å (limit 100)"
    assert listener.last.n_quarantined == 1
    with StoreReader.open(tmp_path / "store.sqlite") as store:
        sets = [store.labels.labelled(0, LEVEL.level_id, held_out=held) for held in (False, True)]
    assert trouble.victim not in {r.structure.structure_id for rows in sets for r in rows}
    assert listener.last.newest.n_labels == len(sets[0])
    retry(RunFolder(tmp_path), kinds=["suspect"])
    workers, _ = launch(tmp_path, scripted_campaign())
    assert workers.labelled == [trouble.victim]
    assert trouble.victim in exported(tmp_path)


class Outlier:
    """The first label on which a committee had an opinion is far off; then `second` answers."""

    def __init__(self, second):
        self.victim: str | None = None
        self._second = second
        self.has_committee = False

    def __call__(self, order, usual):
        self.has_committee |= isinstance(order, TrainOrder)
        if not isinstance(order, LabelOrder):
            return usual
        wrong = replace(usual, energy=usual.energy + 10.0)
        if order.is_second:
            assert order.structure.structure_id == self.victim
            return self._second(order, usual, wrong)
        if self.has_committee and self.victim is None:
            self.victim = order.structure.structure_id
            return wrong
        return usual


def energy_of(path: Path, structure_id: str) -> float:
    with StoreReader.open(path / "store.sqlite") as store:
        return store.labels.find(structure_id, LEVEL.level_id).energy


def expecting_workers(path: Path, trouble):
    """Launch with samplers whose committee predicts energies, as scripted ones do not."""
    the_campaign = scripted_campaign(select={"random_share": 0})
    original = ScriptedWorkers._answer

    def answer(order, usual):
        if isinstance(order, SampleOrder) and order.threshold is not None:
            offers = [
                replace(o, energy_ev=float((o.structure.positions**2).sum())) for o in usual.offers
            ]
            usual = replace(usual, offers=tuple(offers))
        return trouble(order, usual)

    assert original is ScriptedWorkers._answer
    return launch(path, the_campaign, answer)


@pytest.mark.parametrize(
    ("second", "is_kept", "has_first_energy", "said"),
    [
        (lambda order, right, wrong: wrong, True, True, "agrees"),
        (lambda order, right, wrong: right, True, False, "second is lower (-230.61 kcal/mol)"),
        (
            lambda order, right, wrong: replace(wrong, energy=wrong.energy + 1.0),
            True,
            True,
            "first is lower (+23.06 kcal/mol)",
        ),
        (
            lambda order, right, wrong: replace(wrong, forces=wrong.forces + 1.0),
            False,
            True,
            "contradicts: +0.000 kcal/mol, or other forces, on the same reference",
        ),
        (
            lambda order, right, wrong: failed(order, "convergence"),
            False,
            True,
            "could not be had (convergence: Traceback\n  scripted convergence)",
        ),
    ],
    ids=["agrees", "lower", "higher", "contradicts", "fails"],
)
def test_an_outlier_is_used_only_as_a_second_opinion_says(
    tmp_path, second, is_kept, has_first_energy, said
):
    trouble = Outlier(second)
    workers, _ = expecting_workers(tmp_path, trouble)
    assert [o.structure.structure_id for o in workers.orders if o.is_second] == [trouble.victim]
    assert (trouble.victim in exported(tmp_path)) == is_kept
    assert (energy_of(tmp_path, trouble.victim) > 5.0) == has_first_energy
    with StoreReader.open(tmp_path / "store.sqlite") as store:
        (opinion,) = store.unusable.second_opinions(LEVEL.level_id)
        assert store.tasks.stages()["check"].tasks == 1
    assert opinion.said == said
    assert [f.kind for f in listed(tmp_path)] == ([] if is_kept else ["suspect"])


def test_what_a_second_opinion_alone_has_found_out_is_kept(tmp_path):
    """It asks of every closed shell whether an unrestricted solution lies below; labels do not."""

    def agrees(order, right, wrong):
        return replace(wrong, diagnostics={**wrong.diagnostics, "uhf_lowering_ev": 0.5})

    trouble = Outlier(agrees)
    expecting_workers(tmp_path, trouble)
    (victim,) = listed(tmp_path)
    assert victim.structure_id == trouble.victim
    assert "an unrestricted solution lies 11.5 kcal/mol lower" in victim.message
    assert trouble.victim not in exported(tmp_path)
    with StoreReader.open(tmp_path / "store.sqlite") as store:
        kept = store.labels.find(trouble.victim, LEVEL.level_id)
        (opinion,) = store.unusable.second_opinions(LEVEL.level_id)
    assert opinion.said == "agrees"
    assert kept.diagnostics["uhf_lowering_ev"] == 0.5


class LateStep:
    """On the upper rung the fourteenth label lies 10 eV above its step; then `second` answers."""

    def __init__(self, second):
        self.victim: str | None = None
        self._second = second
        self._labels = 0

    def __call__(self, order, usual):
        if not isinstance(order, LabelOrder) or order.level.name != "hf/sto-3g":
            return usual
        wrong = replace(usual, energy=usual.energy + 10.0)
        if order.is_second:
            return self._second(order, usual, wrong)
        self._labels += 1
        if self._labels != 14:
            return usual
        self.victim = order.structure.structure_id
        return wrong


@pytest.mark.parametrize(
    ("second", "is_kept", "said"),
    [
        (lambda order, right, wrong: wrong, True, "agrees"),
        (lambda order, right, wrong: right, True, "second is lower (-230.61 kcal/mol)"),
        (
            lambda order, right, wrong: failed(order, "convergence"),
            False,
            "could not be had (convergence: Traceback\n  scripted convergence)",
        ),
    ],
    ids=["agrees", "lower", "fails"],
)
def test_a_step_unlike_the_others_is_used_only_as_a_second_opinion_says(
    tmp_path, second, is_kept, said
):
    lower = {"level": "gfn2-xtb", "initial_labels": 14, "budget": {"labels": 14}}
    upper = {"level": "hf/sto-3g", "initial_labels": 14, "budget": {"labels": 14}}
    trouble = LateStep(second)
    workers, _ = launch(tmp_path, scripted_campaign(rungs=[lower, upper]), trouble)
    assert [o.structure.structure_id for o in workers.orders if o.is_second] == [trouble.victim]
    with StoreReader.open(tmp_path / "store.sqlite") as store:
        (opinion,) = store.unusable.second_opinions(LEVEL.level_id)
        (row,) = [r for r in store.labels.history(trouble.victim) if r["level"] == "hf/sto-3g"]
    assert opinion.said == said
    assert (row["quarantine"] is None) == is_kept
    if not is_kept:
        assert "its step from the rung below is" in row["quarantine"]


def test_a_share_of_labels_is_computed_again_and_both_agree(tmp_path):
    workers, _ = launch(tmp_path, scripted_campaign(gates={"second_share": 0.5}))
    second = [o.structure.structure_id for o in workers.orders if o.is_second]
    assert 0.2 * N_LABELS < len(second) < 0.8 * N_LABELS
    assert len(second) == len(set(second))
    with StoreReader.open(tmp_path / "store.sqlite") as store:
        opinions = store.unusable.second_opinions(LEVEL.level_id)
    assert {o.structure_id for o in opinions} == set(second)
    assert {o.said for o in opinions} == {"agrees"}
    assert len(exported(tmp_path)) == N_LABELS


# What people see and do


def test_failures_are_listed_with_all_that_is_known_of_them(tmp_path):
    def not_converged(order, _):
        return replace(failed(order, "convergence"), attempts=("DIIS", "Newton"))

    trouble = Once(not_converged)
    launch(tmp_path, scripted_campaign(), trouble)
    console = Console(width=160, force_terminal=False)
    with console.capture() as capture:
        console.print(failures_screen(listed(tmp_path)))
    for word in (trouble.victim, "water", "hf/sto-3g", "convergence", "DIIS, Newton", "scripted"):
        assert word in capture.get()
    (row,) = json.loads(json.dumps(failures_json(listed(tmp_path))))["failures"]
    assert row["structure_id"] == trouble.victim
    assert row["attempts"] == ["DIIS", "Newton"]


def test_only_what_is_named_is_put_back(tmp_path):
    kinds = {}

    def several(order, usual):
        if not isinstance(order, LabelOrder):
            return usual
        kind = ["input", "resource", None, None][int(order.structure.structure_id, 16) % 4]
        kinds[order.structure.structure_id] = kind
        return failed(order, kind) if kind else usual

    launch(tmp_path, scripted_campaign(failures={"share": 1.0}), several)
    folder = RunFolder(tmp_path)
    heavy = {i for i, kind in kinds.items() if kind == "resource"}
    bad = sorted(i for i, kind in kinds.items() if kind == "input")
    assert len(heavy) >= 2
    assert len(bad) >= 2
    with pytest.raises(InputError, match="no label of the run failed as `poison`"):
        retry(folder, kinds=["poison"])
    with pytest.raises(InputError, match="no label of a structure nothing… failed"):
        retry(folder, structures=["nothing"])
    with locked(folder), pytest.raises(RunInUse):
        retry(folder)
    assert {label.structure_id for label in retry(folder, kinds=["resource"])} == heavy
    assert [label.structure_id for label in retry(folder, structures=[bad[0][:9]])] == [bad[0]]
    workers, _ = launch(tmp_path, scripted_campaign(failures={"share": 1.0}))
    assert set(workers.labelled) == {*heavy, bad[0]}
    assert {label.structure_id for label in listed(tmp_path)} == set(bad[1:])


def test_a_label_that_is_fine_has_no_findings_that_refuse(tmp_path):
    launch(tmp_path, scripted_campaign())
    with StoreReader.open(tmp_path / "store.sqlite") as store:
        findings = store.database.all("SELECT findings, quarantine FROM labels")
        label = store.labels.find(next(iter(exported(tmp_path))), LEVEL.level_id)
    assert isinstance(label, Label)
    for text, quarantine in map(tuple, findings):
        assert quarantine is None
        assert {f["gate"] for f in json.loads(text)} >= {"topology", "force_ev_angstrom"}
        assert not any(f["refused"] for f in json.loads(text))
