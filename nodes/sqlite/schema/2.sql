-- How far each durable edge was taken: written in the transaction of the rows.
CREATE TABLE positions(
    edge     TEXT PRIMARY KEY,
    epoch    INTEGER NOT NULL,
    sequence INTEGER NOT NULL
) STRICT;

-- Rows that left hot together: sorted once, written once, deleted together.
CREATE TABLE runs(
    id     INTEGER PRIMARY KEY, -- counts up: the smallest is the oldest
    stored INTEGER NOT NULL,    -- when they left hot; all times are in microseconds since 1970 in UTC
    rows   INTEGER NOT NULL,
    first  INTEGER NOT NULL,    -- the earliest time of a row in it
    last   INTEGER NOT NULL     -- and the latest
) STRICT;

-- A run is appended as a whole and lies together, clustered by tag and time. Without the run in front, each move would touch a
-- page a tag in the middle of the file, and deleting the oldest would as well.
CREATE TABLE cold(
    run     INTEGER NOT NULL,
    tag     INTEGER NOT NULL,
    time    INTEGER NOT NULL,
    seq     INTEGER NOT NULL, -- order of arrival within the run
    value   ANY,
    quality INTEGER NOT NULL,
    PRIMARY KEY(run, tag, time, seq)
) STRICT, WITHOUT ROWID;

DROP VIEW samples;
CREATE VIEW samples(tag, time, value, quality) AS
    SELECT tags.name, cold.time, cold.value, cold.quality
    -- CROSS: run by run, so that a tag and a range of time are found by the key.
    FROM runs CROSS JOIN cold ON cold.run = runs.id JOIN tags ON tags.id = cold.tag
    UNION ALL
    SELECT tags.name, hot.time, hot.value, hot.quality FROM hot JOIN tags ON tags.id = hot.tag;
