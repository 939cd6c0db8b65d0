-- What a node keeps over a restart: one document, which only a node of the same type takes up again. The checksum is of all
-- three, because SQLite has none of its pages.
CREATE TABLE node_state(
  node TEXT PRIMARY KEY, type TEXT NOT NULL, document BLOB NOT NULL, checksum INTEGER NOT NULL) STRICT;
