-- The read model's tables. Keys grow with the log, so that almost every insert is an append: random pages are what costs.
--
-- Conventions: an entry is named by its sequence. A learner is named by one number, epoch * 4294967296 + number of its key
-- (K1-42 is 4294967338). Days count from 1970-01-01, instants are microseconds from 1970-01-01T00:00:00Z. What is personal
-- stands here as ciphertext only, what is looked up as HMAC only.

-- Which log this is a fold of, and how far.
CREATE TABLE meta (
    only            INTEGER PRIMARY KEY CHECK (only = 1),
    log             BLOB NOT NULL,
    applied_through INTEGER NOT NULL,   -- how many entries are folded in
    last_leaf       BLOB                -- leaf hash of the last of them: tells a rejoined log from the one folded
) STRICT;

CREATE TABLE learner (
    id           INTEGER PRIMARY KEY,
    opened_at    INTEGER NOT NULL,      -- the LearnerEnrolled that opened the record
    uln          BLOB,                  -- tokens, as of the last entry
    person       BLOB NOT NULL,
    identity     BLOB NOT NULL,
    told_at      INTEGER NOT NULL,      -- the last LearnerEnrolled, and what it said of the person, sealed
    nonce        BLOB,
    ciphertext   BLOB,
    merged_into  INTEGER                -- who stands for them, where they were merged into somebody
) STRICT;

-- Tokens by which a learner was found before the entry `sequence` changed them.
CREATE TABLE former (
    learner  INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    uln      BLOB,
    person   BLOB NOT NULL,
    identity BLOB NOT NULL,
    PRIMARY KEY (learner, sequence)
) STRICT, WITHOUT ROWID;

-- What was amended; `nonce` and `ciphertext` hold the new value and the reason.
CREATE TABLE amendment (
    sequence     INTEGER PRIMARY KEY,
    learner      INTEGER NOT NULL,
    effective_on INTEGER,
    field        TEXT NOT NULL,
    class        TEXT NOT NULL,
    nonce        BLOB,
    ciphertext   BLOB
) STRICT;

CREATE TABLE registration (
    sequence      INTEGER PRIMARY KEY,  -- the LearnerEnrolled that made it; with `epoch` the number R1-48213
    epoch         INTEGER NOT NULL,
    learner       INTEGER NOT NULL,
    centre        TEXT NOT NULL,
    brand         TEXT NOT NULL,
    qualification TEXT NOT NULL,
    start_on      INTEGER NOT NULL,
    expires_on    INTEGER NOT NULL,
    state         TEXT NOT NULL,        -- by the fact that is effective last; expiry is computed from the date
    state_since   INTEGER NOT NULL,
    state_at      INTEGER NOT NULL,     -- the entry that gave the state
    last_at       INTEGER NOT NULL      -- the last entry about it
) STRICT;

-- The life of a learner: every entry that concerns them, refused, held and duplicate rows included, but for the one that
-- opened it, which is `learner.opened_at`.
CREATE TABLE fact (
    learner  INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    PRIMARY KEY (learner, sequence)
) STRICT, WITHOUT ROWID;

-- Whom a fact concerns that is no enrolment; for enrolments see `registration`. A duplicate names only the fact.
CREATE TABLE subject (
    sequence INTEGER PRIMARY KEY,
    learner  INTEGER NOT NULL
) STRICT;

CREATE TABLE certificate (
    number       TEXT NOT NULL PRIMARY KEY,
    registration INTEGER NOT NULL,      -- sequence of the registration
    learner      INTEGER NOT NULL,
    state        TEXT NOT NULL,
    state_since  INTEGER NOT NULL,
    attempts     INTEGER NOT NULL,
    last_at      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE file (
    arrival     INTEGER PRIMARY KEY,    -- its FileReceived; also the receipt's number
    received_at INTEGER NOT NULL,
    folder      TEXT NOT NULL,
    centre      TEXT NOT NULL,
    brand       TEXT NOT NULL,
    kind        TEXT,
    sha256      BLOB NOT NULL,
    bytes       INTEGER NOT NULL,
    same_as     INTEGER,
    key         INTEGER NOT NULL,       -- seals the name, which `nonce` and `ciphertext` hold
    nonce       BLOB,
    ciphertext  BLOB,
    state       TEXT NOT NULL,          -- received, parsed, rejected, held, refused, processed
    rows        INTEGER,
    accepted    INTEGER,
    rejected    INTEGER,
    duplicate   INTEGER,
    held        INTEGER,
    receipts    INTEGER NOT NULL DEFAULT 0, -- how many were issued
    answered_at INTEGER,                -- when the last receipt was issued, and how safe its facts were
    level       TEXT,
    filed       TEXT                    -- where the original went
) STRICT;

-- What was not taken from a drop folder.
CREATE TABLE refused_arrival (
    sequence    INTEGER PRIMARY KEY,
    recorded_at INTEGER NOT NULL,
    folder      TEXT NOT NULL,
    centre      TEXT NOT NULL,
    reason      TEXT NOT NULL
) STRICT;

-- What waits for a person, and what became of it. Without a line it is a whole file.
CREATE TABLE held (
    sequence    INTEGER PRIMARY KEY,
    recorded_at INTEGER NOT NULL,
    arrival     INTEGER,
    line        INTEGER,
    kind        TEXT,
    learner     INTEGER,
    against     INTEGER,
    resolved_by INTEGER,                -- the HeldReleased or HeldRefused
    released    INTEGER
) STRICT;
CREATE INDEX held_open ON held (sequence) WHERE resolved_by IS NULL;

CREATE TABLE alarm (
    sequence   INTEGER PRIMARY KEY,
    raised_at  INTEGER NOT NULL,
    alarm      TEXT NOT NULL,
    detail     TEXT NOT NULL,
    cleared_by INTEGER
) STRICT;
CREATE INDEX alarm_open ON alarm (sequence) WHERE cleared_by IS NULL;

CREATE TABLE scrub (
    sequence    INTEGER PRIMARY KEY,
    recorded_at INTEGER NOT NULL,
    entries     INTEGER NOT NULL,
    root        BLOB NOT NULL,
    originals   INTEGER NOT NULL,
    keys        INTEGER NOT NULL,
    faults      INTEGER NOT NULL
) STRICT;

CREATE TABLE config (
    sequence    INTEGER PRIMARY KEY,
    recorded_at INTEGER NOT NULL
) STRICT;

-- How many entries there are of each type, and `learners`: counted as they come, since counting a million rows takes time.
CREATE TABLE tally (
    name    TEXT NOT NULL PRIMARY KEY,
    entries INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The same for the eye: numbers as they are printed, days as dates.
CREATE VIEW registrations AS SELECT
    'R' || epoch || '-' || sequence AS number,
    'K' || (learner >> 32) || '-' || (learner & 4294967295) AS learner,
    centre, brand, qualification,
    date(start_on * 86400, 'unixepoch') AS start_on,
    date(expires_on * 86400, 'unixepoch') AS expires_on,
    state, date(state_since * 86400, 'unixepoch') AS state_since, state_at, last_at
FROM registration;
CREATE VIEW files AS SELECT
    arrival, strftime('%Y-%m-%dT%H:%M:%SZ', received_at / 1000000, 'unixepoch') AS received_at,
    folder, centre, brand, kind, lower(hex(sha256)) AS sha256, bytes, same_as, state,
    rows, accepted, rejected, duplicate, held,
    strftime('%Y-%m-%dT%H:%M:%SZ', answered_at / 1000000, 'unixepoch') AS answered_at, level, filed
FROM file;
