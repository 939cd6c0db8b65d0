-- What nodes wrote to devices: who, when, what, where, and how it ended. The newest are kept.
CREATE TABLE writes(
  id INTEGER PRIMARY KEY, time INTEGER NOT NULL, node TEXT NOT NULL, tag TEXT NOT NULL, target TEXT NOT NULL,
  value TEXT NOT NULL, outcome TEXT NOT NULL, detail TEXT NOT NULL) STRICT;
