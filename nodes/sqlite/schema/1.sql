PRAGMA application_id = 0x46464C57;

CREATE TABLE meta(
    key   TEXT PRIMARY KEY,
    value ANY
) STRICT;

CREATE TABLE tags(
    id   INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
) STRICT;

-- In order of arrival. A key that begins with the tag would dirty one page a tag at every commit.
CREATE TABLE hot(
    seq     INTEGER PRIMARY KEY,
    time    INTEGER NOT NULL, -- microseconds since 1970 in UTC
    tag     INTEGER NOT NULL, -- tags.id
    value   ANY,
    quality INTEGER NOT NULL  -- OPC UA status code, 0 is good
) STRICT;

CREATE VIEW samples(tag, time, value, quality) AS
    SELECT tags.name, hot.time, hot.value, hot.quality FROM hot JOIN tags ON tags.id = hot.tag;

INSERT INTO meta VALUES
    ('about', 'written by fieldflow; read it through the view samples(tag, time, value, quality)'),
    ('time', 'microseconds since 1970-01-01 00:00:00 UTC'),
    ('quality', 'OPC UA status code; 0 is good');
