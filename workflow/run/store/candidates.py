"""Candidates: structures that may be labelled, what committees say of them, what is chosen."""

import sqlite3
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from chemistry.records.potential import Threshold
from chemistry.records.structure import StructureKind, kind_made_by
from workflow.planning.records import Candidate, Purpose
from workflow.planning.selection import Choice, excess
from workflow.run.store import rows
from workflow.run.store.database import Database, WritableDatabase
from workflow.run.store.records import CandidateStatus, JudgeDetail, NoDetail, SampleDetail
from workflow.run.store.tasks import add_to_sweep, insert_task
from workflow.run.store.waiting import IDS_AT_ONCE, StoredWaiting
from workflow.work.results import Cost, Judgement


@dataclass(frozen=True)
class CandidateReader:
    """The candidates of all rungs, to be read."""

    database: Database

    def waiting(self, rung: int) -> StoredWaiting:
        """Return the candidates of a rung that nobody has chosen yet."""
        return StoredWaiting(self.database, rung)

    def tally(self, rung: int) -> Counter[tuple[str, Purpose, str]]:
        """Count the candidates of a rung by (status, purpose, molecule_id)."""
        found = self.database.all(
            "SELECT status, purpose, molecule_id, n FROM tallies WHERE rung = ? AND n > 0", rung
        )
        return Counter({(row[0], row[1], row[2]): row[3] for row in found})

    def find(self, rung: int, structure_id: str) -> Candidate | None:
        """Return one candidate, or None."""
        found = self.database.all(
            "SELECT * FROM candidates JOIN structures USING (structure_id)"
            " WHERE rung = ? AND structure_id = ?",
            rung,
            structure_id,
        )
        return rows.candidate_from(found[0]) if found else None

    def history(self, structure_id: str) -> list[dict[str, Any]]:
        """Return what became of a structure at each rung: the columns of its candidates."""
        found = self.database.all(
            "SELECT rung, status, purpose, reason, judged_by, rho_kcal_mol,"
            " force_sigma_kcal_mol_angstrom, excess, chosen_by FROM candidates"
            " WHERE structure_id = ? ORDER BY rung",
            structure_id,
        )
        return [dict(row) for row in found]

    def to_label(self, rung: int) -> list[tuple[str, Purpose]]:
        """Return the chosen candidates that have no answer yet: (structure_id, purpose), by id."""
        found = self.database.all(
            "SELECT structure_id, purpose FROM candidates INDEXED BY candidates_by_status"
            " WHERE rung = ? AND status = 'chosen' ORDER BY structure_id",
            rung,
        )
        return [(row[0], row[1]) for row in found]

    def chosen_by(self, rung: int, version: int) -> Counter[str]:
        """Count, by molecule, what was chosen while `version` was the newest committee.

        What failed does not count: it brings the next training nothing.
        """
        found = self.database.all(
            "SELECT molecule_id, count(*) FROM candidates"
            " WHERE rung = ? AND chosen_by = ? AND purpose IN ('active', 'random')"
            " AND status NOT IN ('failed', 'quarantined') GROUP BY 1",
            rung,
            version,
        )
        return Counter({row[0]: row[1] for row in found})


@dataclass(frozen=True)
class CandidateWriter(CandidateReader):
    """Keeps what is offered, judged and chosen."""

    database: WritableDatabase

    def inherit(self, key: str, rung: int, *, level_below: str, with_waiting: bool = False) -> None:
        """Make candidates of a rung what the rung below has labelled; held-out stays held-out.

        Their energies are the labels of the level below, until a committee predicts others.
        `with_waiting`: all else that it sampled, too, with the energies that were predicted.
        """
        now = time.time()
        cost = Cost(worker="driver", started_at=now, finished_at=now, cpu_seconds=0.0)
        with self.database.write() as db:
            db.execute(
                "INSERT OR IGNORE INTO candidates"
                " SELECT ?, structure_id, molecule_id,"
                "  CASE purpose WHEN 'held_out' THEN 'held_out' ELSE 'initial' END,"
                "  'waiting', NULL, NULL,"
                "  coalesce((SELECT energy FROM labels"
                "   WHERE labels.structure_id = candidates.structure_id AND level_id = ?),"
                "   energy_ev),"
                "  NULL, NULL, status || ' on the rung below', NULL"
                " FROM candidates WHERE rung = ?"
                " AND (status = 'labelled' OR (? AND status = 'waiting'))",
                (rung, level_below, rung - 1, with_waiting),
            )
            insert_task(db, key, rung, "inherit", NoDetail(), cost)

    def commit_sample(
        self,
        key: str,
        rung: int,
        candidates: Sequence[Candidate],
        *,
        are_starts: bool,
        threshold: Threshold | None,
        detail: SampleDetail,
        cost: Cost,
    ) -> None:
        """Keep what a sampler offered; a structure that is known already stays as it is.

        But that samplers start from one is kept of a known one, too: its label may be imported.
        """
        with self.database.write() as db:
            db.executemany(
                "INSERT INTO structures VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
                " ON CONFLICT (structure_id)"
                " DO UPDATE SET is_start = max(is_start, excluded.is_start)",
                [rows.structure_row(c.structure, is_start=are_starts) for c in candidates],
            )
            db.executemany(
                "INSERT OR IGNORE INTO candidates"
                " VALUES (?, ?, ?, ?, 'waiting', ?, ?, ?, ?, ?, ?, NULL)",
                [_candidate_row(rung, candidate, threshold) for candidate in candidates],
            )
            is_new = insert_task(db, key, rung, "sample", detail, cost)
            if is_new and detail.purpose == "explore":
                add_to_sweep(db, detail)

    def commit_judgement(
        self,
        key: str,
        rung: int,
        version: int,
        judgements: Sequence[Judgement],
        *,
        threshold: Threshold,
        cost: Cost,
        is_broken: bool = False,
    ) -> None:
        """Keep what a committee says of waiting candidates."""
        kinds = self._kinds([j.structure_id for j in judgements])
        excesses = [
            threshold.on(kinds[j.structure_id]).times_over(j.rho_kcal_mol, j.force_sigma)
            for j in judgements
        ]
        with self.database.write() as db:
            db.executemany(
                "UPDATE candidates SET rho_kcal_mol = ?, force_sigma_kcal_mol_angstrom = ?,"
                " energy_ev = ?, excess = ?, judged_by = ?"
                " WHERE rung = ? AND structure_id = ? AND status = 'waiting'",
                [
                    (
                        j.rho_kcal_mol,
                        j.force_sigma,
                        j.energy_ev,
                        excess,
                        version,
                        rung,
                        j.structure_id,
                    )
                    for j, excess in zip(judgements, excesses, strict=True)
                ],
            )
            detail = JudgeDetail(
                rung=rung,
                version=version,
                judged=len(judgements),
                over_threshold=sum(excess > 1 for excess in excesses),
                is_broken=is_broken,
            )
            insert_task(db, key, rung, "judge", detail, cost)

    def hold_to(self, rung: int, version: int, threshold: Threshold) -> None:
        """Hold what a committee has judged and nobody has chosen against another threshold."""
        judged = self.database.all(
            "SELECT structure_id, sampler, rho_kcal_mol, force_sigma_kcal_mol_angstrom"
            " FROM candidates JOIN structures USING (structure_id)"
            " WHERE rung = ? AND judged_by = ? AND status = 'waiting'",
            rung,
            version,
        )
        with self.database.write() as db:
            db.executemany(
                "UPDATE candidates SET excess = ? WHERE rung = ? AND structure_id = ?",
                [
                    (threshold.on(kind_made_by(sampler)).times_over(rho, force), rung, structure_id)
                    for structure_id, sampler, rho, force in judged
                ],
            )

    def _kinds(self, ids: Sequence[str]) -> dict[str, StructureKind]:
        """Return which structures are anchors."""
        found: dict[str, StructureKind] = {}
        for first in range(0, len(ids), IDS_AT_ONCE):
            part = ids[first : first + IDS_AT_ONCE]
            marks = ", ".join("?" * len(part))
            found |= {
                row[0]: kind_made_by(row[1])
                for row in self.database.all(
                    f"SELECT structure_id, sampler FROM structures WHERE structure_id IN ({marks})",
                    *part,
                )
            }
        return found

    def choose(self, rung: int, choices: Iterable[Choice], version: int) -> None:
        """Mark candidates for labelling; `version` is the newest committee's, 0 for none."""
        with self.database.write() as db:
            _choose(db, rung, choices, version)

    def commit_design(self, key: str, rung: int, choices: Iterable[Choice], cost: Cost) -> None:
        """Mark a first set for labelling, unless that is done."""
        with self.database.write() as db:
            if insert_task(db, key, rung, "design", NoDetail(), cost):
                _choose(db, rung, choices, version=0)


def _choose(db: sqlite3.Connection, rung: int, choices: Iterable[Choice], version: int) -> None:
    db.executemany(
        "UPDATE candidates SET status = 'chosen', purpose = ?, reason = ?, chosen_by = ?"
        " WHERE rung = ? AND structure_id = ?",
        [(c.purpose, c.reason, version, rung, c.structure_id) for c in choices],
    )


def set_status(
    db: sqlite3.Connection, rung: int, structure_id: str, status: CandidateStatus
) -> None:
    """Say what became of a candidate."""
    db.execute(
        "UPDATE candidates SET status = ? WHERE rung = ? AND structure_id = ?",
        (status, rung, structure_id),
    )


def _candidate_row(rung: int, candidate: Candidate, threshold: Threshold | None) -> tuple[Any, ...]:
    rho, force = candidate.rho_kcal_mol, candidate.force_sigma_kcal_mol_angstrom
    over = None if rho is None or threshold is None else excess(candidate, threshold)
    return (
        rung,
        candidate.structure.structure_id,
        candidate.structure.molecule_id,
        candidate.purpose,
        rho,
        force,
        candidate.energy_ev,
        over,
        candidate.judged_by,
        candidate.reason,
    )
