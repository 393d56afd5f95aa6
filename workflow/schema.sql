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
    purpose      TEXT NOT NULL,
    status       TEXT NOT NULL,                -- waiting, chosen, dropped
    rho_kcal_mol REAL,
    force_sigma_kcal_mol_angstrom REAL,
    judged_by    INTEGER,                      -- version of the committee; NULL: none yet
    reason       TEXT NOT NULL,
    chosen_by    INTEGER,                      -- newest committee when it was chosen; 0: none
    PRIMARY KEY (rung, structure_id)
) WITHOUT ROWID;
CREATE INDEX candidates_by_status ON candidates (rung, status);

CREATE TABLE levels (level_id TEXT PRIMARY KEY, name TEXT NOT NULL) WITHOUT ROWID;

CREATE TABLE labels (
    structure_id TEXT NOT NULL REFERENCES structures (structure_id),
    level_id     TEXT NOT NULL REFERENCES levels (level_id),
    energy       REAL NOT NULL,
    forces       BLOB,                         -- (N, 3) float64, minus the gradient; NULL: not computed
    dipole       BLOB,                         -- (3,) float64
    components   TEXT NOT NULL,                -- JSON {name: eV}
    diagnostics  TEXT NOT NULL,                -- JSON {name: number}
    provenance   TEXT NOT NULL,                -- JSON
    cpu_seconds  REAL NOT NULL,
    PRIMARY KEY (structure_id, level_id)
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

CREATE TABLE tasks (                           -- finished tasks of every kind
    key         TEXT PRIMARY KEY,
    rung        INTEGER NOT NULL,
    kind        TEXT NOT NULL,                 -- sample, label, train, judge
    detail      TEXT NOT NULL,                 -- JSON: counts of a sample, and the like
    worker      TEXT NOT NULL,
    started_at  REAL NOT NULL,
    finished_at REAL NOT NULL,
    cpu_seconds REAL NOT NULL
) WITHOUT ROWID;
CREATE INDEX tasks_by_kind ON tasks (rung, kind);

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
