-- The state of a pipeline: what waits in its durable edges, and what could be delivered to nobody.
CREATE TABLE meta(key TEXT PRIMARY KEY, value ANY NOT NULL) STRICT, WITHOUT ROWID;
-- Which queue this is: a position that was stored elsewhere counts for this file only.
INSERT INTO meta VALUES ('epoch', (random() & 0x7FFFFFFFFFFFFFFF) | 1);
-- `taken`: everything up to and with this batch is done. `last`: the last batch that was ever put in; numbers are not used
-- again. `records` and `bytes` are what waits, so that opening a large backlog reads none of it.
CREATE TABLE edges(
  id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, taken INTEGER NOT NULL DEFAULT 0, last INTEGER NOT NULL DEFAULT 0,
  records INTEGER NOT NULL DEFAULT 0, bytes INTEGER NOT NULL DEFAULT 0) STRICT;
-- The checksum keeps a damaged name from giving its values to another tag.
CREATE TABLE tags(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, checksum INTEGER NOT NULL) STRICT;
-- id = edge << 47 | sequence: one range of keys an edge, appended at its end.
CREATE TABLE batches(
  id INTEGER PRIMARY KEY, received INTEGER NOT NULL, records INTEGER NOT NULL, bytes INTEGER NOT NULL, body BLOB NOT NULL
) STRICT;
-- Batches that cannot be decoded, as they were found.
CREATE TABLE damaged(id INTEGER PRIMARY KEY, found INTEGER NOT NULL, reason TEXT NOT NULL, body BLOB NOT NULL) STRICT;
-- Batches that a sink refused for good with nobody wired to take them: `records` holds JSON lines.
CREATE TABLE dead_letters(
  id INTEGER PRIMARY KEY, time INTEGER NOT NULL, node TEXT NOT NULL, reason TEXT NOT NULL, records TEXT NOT NULL) STRICT;
