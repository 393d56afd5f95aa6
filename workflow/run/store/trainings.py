"""The trainings of each rung."""

from dataclasses import dataclass

from workflow.planning.records import Training
from workflow.run.store import rows
from workflow.run.store.database import Database, WritableDatabase
from workflow.run.store.records import TrainDetail
from workflow.run.store.tasks import insert_task
from workflow.work.results import Cost


@dataclass(frozen=True)
class TrainingReader:
    """The trainings of all rungs, to be read."""

    database: Database

    def find(self, rung: int, version: int) -> Training | None:
        """Return one training of a rung, or None."""
        found = self.database.all(
            "SELECT * FROM trainings WHERE rung = ? AND version = ?", rung, version
        )
        return rows.training_from(found[0]) if found else None

    def all(self, rung: int) -> list[Training]:
        """Return the trainings of a rung in order."""
        found = self.database.all("SELECT * FROM trainings WHERE rung = ? ORDER BY version", rung)
        return [rows.training_from(row) for row in found]

    def rungs(self) -> list[int]:
        """Return the rungs that have a training, from first to last."""
        return [
            row[0] for row in self.database.all("SELECT DISTINCT rung FROM trainings ORDER BY rung")
        ]


@dataclass(frozen=True)
class TrainingWriter(TrainingReader):
    """Keeps trainings."""

    database: WritableDatabase

    def add_start(self, start: Training) -> None:
        """Note what the first rung's committee begins with."""
        with self.database.write() as db:
            db.execute(
                "INSERT INTO trainings VALUES (0, ?, ?, ?, ?, ?)",
                (start.version, start.checkpoint, start.n_labels, *rows.training_texts(start)),
            )

    def commit_evaluation(self, key: str, start: Training, cost: Cost) -> None:
        """Keep the errors of what the first rung's committee begins with."""
        with self.database.write() as db:
            db.execute(
                "UPDATE trainings SET errors = ?, history = ? WHERE rung = 0 AND version = ?",
                (*rows.training_texts(start), start.version),
            )
            insert_task(db, key, 0, "evaluate", TrainDetail(version=start.version), cost)

    def commit(self, key: str, rung: int, training: Training, cost: Cost) -> None:
        """Keep a training."""
        with self.database.write() as db:
            db.execute(
                "INSERT OR IGNORE INTO trainings VALUES (?, ?, ?, ?, ?, ?)",
                (
                    rung,
                    training.version,
                    training.checkpoint,
                    training.n_labels,
                    *rows.training_texts(training),
                ),
            )
            insert_task(db, key, rung, "train", TrainDetail(version=training.version), cost)

    def commit_part(self, key: str, rung: int, version: int, cost: Cost) -> None:
        """Note that some members of a committee are trained, whose checkpoint waits for others."""
        with self.database.write() as db:
            insert_task(db, key, rung, "train", TrainDetail(version=version), cost)

    def forget_parts(self, rung: int, version: int) -> None:
        """Forget the trained members of a committee that could not be completed."""
        with self.database.write() as db:
            db.execute(
                "DELETE FROM tasks WHERE kind = 'train' AND rung = ? AND version = ?",
                (rung, version),
            )
