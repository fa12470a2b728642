"""The tables of a ledger, as SQLite is told them; another layout is another `runs.schema.LEDGER_FORMAT`.

sum: the row's checksum, `runs.row_sums`.
"""

TABLES = """
CREATE TABLE calls (
    id INTEGER PRIMARY KEY,
    key BLOB NOT NULL,
    scope TEXT NOT NULL,
    purpose TEXT NOT NULL,
    model TEXT NOT NULL,
    outcome TEXT NOT NULL CHECK (outcome IN ('answered', 'unusable', 'failed')),
    reason TEXT,
    request TEXT,
    answer TEXT,
    structured TEXT,
    input_tokens INTEGER,
    output_tokens INTEGER,
    cost REAL,
    seconds REAL NOT NULL,
    at TEXT NOT NULL,
    sum BLOB NOT NULL
);
CREATE INDEX calls_by_key ON calls (key) WHERE outcome = 'answered';
CREATE INDEX calls_by_scope ON calls (scope);
CREATE TABLE judgments (
    key BLOB PRIMARY KEY,
    level INTEGER,
    quote TEXT NOT NULL,
    expected REAL,
    call INTEGER REFERENCES calls (id),
    sum BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE lacking (
    model TEXT NOT NULL,
    feature TEXT NOT NULL,
    at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP,
    PRIMARY KEY (model, feature)
) WITHOUT ROWID;
CREATE TABLE reused (
    scope TEXT NOT NULL,
    purpose TEXT NOT NULL,
    model TEXT NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (scope, purpose, model)
) WITHOUT ROWID;
CREATE TABLE clocks (scope TEXT PRIMARY KEY, seconds REAL NOT NULL) WITHOUT ROWID;
"""
