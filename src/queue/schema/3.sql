-- What nodes wrote to devices: who, when, what, where, and how it ended. The newest are kept.
CREATE TABLE writes(
  id INTEGER PRIMARY KEY, time INTEGER NOT NULL, node TEXT NOT NULL, tag TEXT NOT NULL, device TEXT NOT NULL,
  address TEXT NOT NULL, value TEXT NOT NULL, raw TEXT NOT NULL, old TEXT, outcome TEXT NOT NULL, reason TEXT NOT NULL) STRICT;
