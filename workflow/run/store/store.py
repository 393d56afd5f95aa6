"""The store: one SQLite file that holds everything a campaign knows, by subject.

One process and one thread write it, the driver's; anybody reads meanwhile. Each method that writes
is one transaction: it happened, or it did not.
"""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Self

from workflow.run.store.candidates import CandidateReader, CandidateWriter
from workflow.run.store.database import Database, WritableDatabase
from workflow.run.store.diary import DiaryReader, DiaryWriter
from workflow.run.store.labels import LabelReader, LabelWriter
from workflow.run.store.molecules import MoleculeReader, MoleculeWriter
from workflow.run.store.tasks import TaskReader, TaskWriter
from workflow.run.store.trainings import TrainingReader, TrainingWriter
from workflow.run.store.unusable import UnusableReader, UnusableWriter


class StoreReader:
    """One run's store, to be read: `StoreReader.open` in a `with` block.

    Attributes
    ----------
    diary
        The run's facts, launches and events.
    molecules
        Molecules and their structures.
    candidates
        Structures that may be labelled, at each rung.
    labels
        What quantum chemistry has said.
    unusable
        Labels that failed, that were refused, or that wait for a second opinion.
    trainings
        Of the committees of each rung.
    tasks
        What has been computed, what it cost, and what was lost.
    """

    diary: DiaryReader
    molecules: MoleculeReader
    candidates: CandidateReader
    labels: LabelReader
    unusable: UnusableReader
    trainings: TrainingReader
    tasks: TaskReader

    def __init__(self, database: Database) -> None:
        self.database = database
        self.diary = DiaryReader(database)
        self.molecules = MoleculeReader(database)
        self.candidates = CandidateReader(database)
        self.labels = LabelReader(database)
        self.unusable = UnusableReader(database)
        self.trainings = TrainingReader(database)
        self.tasks = TaskReader(database)

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open the store of a run; raises StoreError as `Database.open` does."""
        return cls(Database.open(path))

    @property
    def path(self) -> Path:
        """The file."""
        return self.database.path

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.database.close()


class Store(StoreReader):
    """One run's store, to be read and written: `Store.create` or `Store.open` in a `with` block."""

    database: WritableDatabase
    diary: DiaryWriter
    molecules: MoleculeWriter
    candidates: CandidateWriter
    labels: LabelWriter
    unusable: UnusableWriter
    trainings: TrainingWriter
    tasks: TaskWriter

    def __init__(self, database: WritableDatabase) -> None:
        super().__init__(database)
        self.diary = DiaryWriter(database)
        self.molecules = MoleculeWriter(database)
        self.candidates = CandidateWriter(database)
        self.labels = LabelWriter(database)
        self.unusable = UnusableWriter(database)
        self.trainings = TrainingWriter(database)
        self.tasks = TaskWriter(database)

    @classmethod
    def create(cls, path: Path, campaign: str) -> Self:
        """Make a store for a campaign (its JSON text); raises as `WritableDatabase.create` does."""
        return cls(WritableDatabase.create(path, campaign))

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open the store of a run; raises StoreError as `WritableDatabase.open` does."""
        return cls(WritableDatabase.open(path))

    def together(self) -> AbstractContextManager[None]:
        """Make one transaction of all that is written inside: one wait for the disk."""
        return self.database.together()
