-- The store of one run. Arrays are little-endian float64 or int64 blobs; units are eV, angstrom, e.
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

CREATE TABLE molecules (
    position    INTEGER PRIMARY KEY,           -- order of the campaign file
    molecule_id TEXT NOT NULL UNIQUE,
    name        TEXT NOT NULL,
    held_out    INTEGER NOT NULL,              -- 1: only tested on
    record      TEXT NOT NULL                  -- JSON
);

CREATE TABLE structures (
    structure_id   TEXT PRIMARY KEY,
    molecule_id    TEXT NOT NULL REFERENCES molecules (molecule_id),
    atomic_numbers BLOB NOT NULL,              -- (N,) int64
    positions      BLOB NOT NULL,              -- (N, 3) float64
    charge         INTEGER NOT NULL,
    multiplicity   INTEGER NOT NULL,
    sampler        TEXT NOT NULL,
    parent_id      TEXT,
    seed           INTEGER,
    is_start       INTEGER NOT NULL DEFAULT 0  -- 1: samplers start from it
) WITHOUT ROWID;
CREATE INDEX starts ON structures (molecule_id) WHERE is_start = 1;

CREATE TABLE candidates (
    rung         INTEGER NOT NULL,
    structure_id TEXT NOT NULL REFERENCES structures (structure_id),
    molecule_id  TEXT NOT NULL,
    purpose      TEXT NOT NULL,
    status       TEXT NOT NULL,                -- waiting, chosen, labelled, failed, quarantined
    rho_kcal_mol REAL,
    force_sigma_kcal_mol_angstrom REAL,
    energy_ev    REAL,                         -- predicted, or the label of the rung below; NULL: neither
    excess       REAL,                         -- disagreement over the threshold; NULL: not judged
    judged_by    INTEGER,                      -- version of the committee; NULL: none yet
    reason       TEXT NOT NULL,
    chosen_by    INTEGER,                      -- newest committee when it was chosen; 0: none
    PRIMARY KEY (rung, structure_id)
) WITHOUT ROWID;
-- Queries name the index that they need: SQLite, left to itself, would read all of a rung.
CREATE INDEX candidates_by_status ON candidates (rung, status, molecule_id, purpose);
CREATE INDEX waiting_by_excess ON candidates (rung, excess, purpose, molecule_id)
    WHERE status = 'waiting';
CREATE INDEX waiting_by_judge ON candidates (rung, judged_by, purpose) WHERE status = 'waiting';
CREATE INDEX waiting_by_id ON candidates (rung, structure_id, purpose) WHERE status = 'waiting';
CREATE INDEX chosen_by ON candidates (rung, chosen_by, molecule_id, purpose);

-- How many candidates there are of each kind: counted as they change, never by reading them all.
CREATE TABLE tallies (
    rung INTEGER NOT NULL, status TEXT NOT NULL, purpose TEXT NOT NULL, molecule_id TEXT NOT NULL,
    n    INTEGER NOT NULL,
    PRIMARY KEY (rung, status, purpose, molecule_id)
) WITHOUT ROWID;
CREATE TRIGGER candidate_comes AFTER INSERT ON candidates BEGIN
    INSERT INTO tallies VALUES (new.rung, new.status, new.purpose, new.molecule_id, 1)
        ON CONFLICT DO UPDATE SET n = n + 1;
END;
CREATE TRIGGER candidate_changes AFTER UPDATE OF status, purpose ON candidates BEGIN
    UPDATE tallies SET n = n - 1 WHERE rung = old.rung AND status = old.status
        AND purpose = old.purpose AND molecule_id = old.molecule_id;
    INSERT INTO tallies VALUES (new.rung, new.status, new.purpose, new.molecule_id, 1)
        ON CONFLICT DO UPDATE SET n = n + 1;
END;

CREATE TABLE levels (level_id TEXT PRIMARY KEY, name TEXT NOT NULL) WITHOUT ROWID;

CREATE TABLE labels (
    structure_id TEXT NOT NULL REFERENCES structures (structure_id),
    level_id     TEXT NOT NULL REFERENCES levels (level_id),
    energy       REAL NOT NULL,
    forces       BLOB,                         -- (N, 3) float64, minus the gradient; NULL: not computed
    dipole       BLOB,                         -- (3,) float64
    components   TEXT NOT NULL,                -- JSON {name: eV or {"energy": eV, "forces": [[eV/Å]]}}
    diagnostics  TEXT NOT NULL,                -- JSON {name: number}
    provenance   TEXT NOT NULL,                -- JSON
    cpu_seconds  REAL NOT NULL,
    findings     TEXT NOT NULL DEFAULT '[]',   -- JSON list: what the quality gates measured
    quarantine   TEXT,                         -- why it is not trained on; NULL: it is
    second       TEXT,                         -- a second opinion: "due", or what it said; NULL: none
    PRIMARY KEY (structure_id, level_id)
) WITHOUT ROWID;
CREATE INDEX second_opinions_due ON labels (level_id) WHERE second = 'due';
CREATE INDEX quarantined_labels ON labels (level_id) WHERE quarantine IS NOT NULL;

-- What finished labels cost, as the sums of a straight line through (ln electrons, ln seconds).
CREATE TABLE label_costs (
    level_id TEXT PRIMARY KEY,
    n INTEGER NOT NULL, x REAL NOT NULL, y REAL NOT NULL, xx REAL NOT NULL, xy REAL NOT NULL
) WITHOUT ROWID;

CREATE TABLE failures (
    structure_id TEXT NOT NULL REFERENCES structures (structure_id),
    level_id     TEXT NOT NULL REFERENCES levels (level_id),
    kind         TEXT NOT NULL,
    message      TEXT NOT NULL,
    attempts     TEXT NOT NULL,                -- JSON list
    cpu_seconds  REAL NOT NULL,
    PRIMARY KEY (structure_id, level_id)
) WITHOUT ROWID;

-- Tries that ended without an answer, each of a task that was tried again.
CREATE TABLE losses (
    key     TEXT NOT NULL,
    at      REAL NOT NULL,
    kind    TEXT NOT NULL,                     -- infrastructure: worker or process lost; resource
    message TEXT NOT NULL,
    worker  TEXT NOT NULL
);
CREATE INDEX losses_by_key ON losses (key);

CREATE TABLE tasks (                           -- finished tasks of every kind
    key         TEXT PRIMARY KEY,
    rung        INTEGER NOT NULL,
    kind        TEXT NOT NULL,                 -- sample, label, check, train, judge, grow, inherit, design
    version     INTEGER NOT NULL,              -- of the committee that it used; 0: none
    detail      TEXT NOT NULL,                 -- JSON: counts of a sample, and the like
    worker      TEXT NOT NULL,
    started_at  REAL NOT NULL,
    finished_at REAL NOT NULL,
    cpu_seconds REAL NOT NULL
) WITHOUT ROWID;
CREATE INDEX tasks_of_committees ON tasks (rung, version) WHERE kind NOT IN ('label', 'check');
CREATE INDEX tasks_by_kind ON tasks (kind, finished_at, started_at);
CREATE INDEX tasks_by_end ON tasks (finished_at);

-- What each kind of task has cost, added up as they end.
CREATE TABLE stages (
    rung INTEGER NOT NULL, kind TEXT NOT NULL,
    tasks INTEGER NOT NULL, cpu_seconds REAL NOT NULL, wall_seconds REAL NOT NULL,
    PRIMARY KEY (rung, kind)
) WITHOUT ROWID;
CREATE TRIGGER task_ends AFTER INSERT ON tasks BEGIN
    INSERT INTO stages
        VALUES (new.rung, new.kind, 1, new.cpu_seconds, new.finished_at - new.started_at)
        ON CONFLICT DO UPDATE SET tasks = tasks + 1, cpu_seconds = cpu_seconds + new.cpu_seconds,
            wall_seconds = wall_seconds + new.finished_at - new.started_at;
END;

CREATE TABLE sweeps (                          -- what explorations with one committee have found
    rung INTEGER NOT NULL, version INTEGER NOT NULL, number INTEGER NOT NULL,
    tasks INTEGER NOT NULL, broken INTEGER NOT NULL,
    judged INTEGER NOT NULL, over_threshold INTEGER NOT NULL,
    PRIMARY KEY (rung, version, number)
) WITHOUT ROWID;

CREATE TABLE trainings (
    rung       INTEGER NOT NULL,
    version    INTEGER NOT NULL,
    checkpoint TEXT NOT NULL,
    n_labels   INTEGER NOT NULL,
    errors     TEXT,                           -- JSON
    history    TEXT NOT NULL,                  -- JSON
    PRIMARY KEY (rung, version)
) WITHOUT ROWID;

CREATE TABLE launches (
    started_at REAL PRIMARY KEY,
    ended_at   REAL,                           -- NULL: still running, or killed
    slots      INTEGER NOT NULL                -- tasks that the workers could do at once
) WITHOUT ROWID;

CREATE TABLE events (at REAL NOT NULL, kind TEXT NOT NULL, text TEXT NOT NULL);
