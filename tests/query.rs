//! `query` and `export`: what they show of a database, and that they hold nobody up.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rusqlite::Connection;

use crate::cli::{Site, ask, fieldflow};
use crate::generated::{root, up_to_date};

/// A database with the view that the sink promises, in a folder of its own.
struct Plant {
    dir: tempfile::TempDir,
    path: PathBuf,
    writer: Connection,
}

impl Plant {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("plant.db");
        let writer = Connection::open(&path).unwrap();
        let schema = "PRAGMA journal_mode = wal; CREATE TABLE s(tag, time, value, quality);
            CREATE VIEW samples AS SELECT * FROM s";
        writer.execute_batch(schema).unwrap();
        Self { dir, path, writer }
    }

    /// A few samples of all kinds, on the first day of 2026.
    fn with_samples() -> Self {
        let plant = Self::new();
        let start = 1_767_225_600_000_000_i64;
        let rows = "INSERT INTO s SELECT column1, ?1 + column2 * 1000000, column3, column4 FROM (VALUES
            ('press.temperature', 0, 78.4, 0), ('press.temperature', 30, 80.0, 0), ('press.temperature', 45, NULL, 0x800A0000),
            ('press.temperature', 60, 81.5, 0), ('press.temperature', 90, 99.0, 0x40000000), ('press.temperature', 200, 79.0, 0),
            ('press.count', 10, 41, 0), ('press.count', 70, 42, 0), ('press.count', 80, '18446744073709551615', 0),
            ('press.state', 5, 'run', 0), ('press.state', 65, 'stop, \"quick\"', 0), ('press.state', 66, '', 0),
            ('meter.raw', 1, x'0103ff', 0), ('meter.raw', 2, 'NaN', 0), ('meter.raw', 3, char(27) || '[31mred', 0))";
        plant.writer.execute(rows, [start]).unwrap();
        plant
    }

    fn ask(&self, verb: &str, more: &[&str]) -> (i32, String, String) {
        ask(&[&[verb, "--db", self.path.to_str().unwrap()], more].concat())
    }

    fn out(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

#[test]
fn answers_look_as_they_did() {
    let plant = Plant::with_samples();
    let day = ["--from", "2026-01-01", "--to", "2026-01-02"];
    let every =
        [&day[..], &["--every", "1m", "--agg", "avg,min,max,sum,count,first,last,time_avg,good_percent"]].concat();
    for (name, args) in [("last", &[][..]), ("range", &day), ("buckets", &every)] {
        for format in ["table", "csv", "jsonl"] {
            let (code, found, said) = plant.ask("query", &[args, &["--format", format]].concat());
            assert_eq!((code, said.as_str()), (0, ""));
            assert!(!found.contains('\x1b') || format == "csv", "a value can steer the terminal");
            up_to_date(&root().join("tests/cli/query").join(format!("{name}.{format}")), &found);
        }
    }
    let piped = plant.ask("query", &[]).1;
    assert_eq!(piped, plant.ask("query", &["--format", "csv"]).1, "csv is what a pipe gets");
}

#[test]
fn patterns_ranges_and_limits_choose_rows() {
    let plant = Plant::with_samples();
    let rows = |args: &[&str]| {
        let (code, found, said) = plant.ask("query", args);
        assert_eq!(code, 0, "{said}");
        found.lines().skip(1).map(|line| line.split(",2026").next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(rows(&["press.*"]), ["press.count", "press.state", "press.temperature"]);
    assert_eq!(rows(&["meter.raw", "*.r?w", "press.count"]), ["meter.raw", "press.count"], "each once");
    assert_eq!(
        rows(&["press.count", "--from", "2026-01-01T00:01:10"]),
        ["press.count"; 2],
        "from is part of the range"
    );
    assert_eq!(rows(&["press.count", "--to", "2026-01-01T00:01:10Z"]), ["press.count"; 1], "to is not");
    assert_eq!(
        rows(&["press.*", "--from", "2026-01-01", "--limit", "4"]),
        ["press.count", "press.count", "press.count", "press.state"]
    );
    let newest = plant.ask("query", &["press.temperature", "--last=2", "--to", "2026-01-01T00:01:31Z"]).1;
    assert!(
        newest.lines().nth(1).unwrap().contains(",81.5,") && newest.lines().nth(2).unwrap().contains(",99.0,uncertain"),
        "{newest}"
    );
    let (code, found, said) = plant.ask("query", &["--from", "-1m"]);
    assert_eq!((code, found.as_str()), (0, "tag,time,value,quality\n"));
    assert!(said.contains("no samples"), "{said}");
}

#[test]
fn what_the_sink_stored_is_found_by_the_pipeline_file_and_sums_up_as_in_sql() {
    let site = Site::of(
        "version: 1\nname: gen\nnodes:\n  gen: { type: generate, rate: max, count: 30000, tags: { a: { counter: {} }, b: { noise: {} } } }\n  \
         store: { type: sqlite, path: \"made/gen.db\" }\nedges: [gen -> store]\n",
    );
    assert!(site.run(&["--listen", "off"]).output().unwrap().status.success());
    let database = Connection::open(site.data().join("gen/made/gen.db")).unwrap();
    let (file, data) = (site.file.to_str().unwrap(), site.data());
    let of_file = |verb, more: &[&str]| ask(&[&[verb, file, "--data-dir", data.to_str().unwrap()], more].concat());

    let (code, exported, said) = of_file("export", &[]);
    assert_eq!(code, 0, "{said}");
    let mut found: Vec<(String, String)> = exported
        .lines()
        .skip(1)
        .map(|line| line.split(',').collect::<Vec<_>>())
        .map(|fields| (fields[0].to_owned(), fields[2].to_owned()))
        .collect();
    let mut statement = database.prepare("SELECT tag, value FROM samples").unwrap();
    let plain = |value: rusqlite::types::Value| match value {
        rusqlite::types::Value::Integer(value) => value.to_string(),
        rusqlite::types::Value::Real(value) => format!("{value:?}"),
        other => panic!("{other:?}"),
    };
    let stored = statement.query_map((), |row| Ok((row.get(0)?, plain(row.get(1)?)))).unwrap();
    let mut stored: Vec<(String, String)> = stored.map(Result::unwrap).collect();
    assert_eq!(found.len(), 30_000);
    found.sort_unstable();
    stored.sort_unstable();
    assert!(found == stored, "the rows of the export are those of the view");

    let sums = "SELECT tag || ',' || count(*) || ',' || min(value) || ',' || max(value)
        FROM samples GROUP BY tag, time / 10000 ORDER BY tag, time";
    let wanted: Vec<String> =
        database.prepare(sums).unwrap().query_map((), |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    let (_, summed, _) = of_file("query", &["a", "--every", "10ms", "--agg", "count,min,max"]);
    let without_time = |line: &str| {
        line.split(',')
            .enumerate()
            .filter(|(n, _)| *n != 1)
            .map(|(_, field)| field.to_owned())
            .collect::<Vec<_>>()
            .join(",")
    };
    let found: Vec<String> = summed.lines().skip(1).map(without_time).collect();
    assert_eq!(found, wanted.into_iter().filter(|line| line.starts_with("a,")).collect::<Vec<_>>());
}

#[test]
fn what_cannot_be_answered_is_told_with_a_cure() {
    let plant = Plant::with_samples();
    let (db, here) = (plant.path.to_str().unwrap(), plant.dir.path().to_str().unwrap());
    let text = plant.out("text.db");
    fs::write(&text, "not a database ".repeat(1000)).unwrap();
    let theirs = plant.out("theirs.db");
    Connection::open(&theirs).unwrap().execute_batch("CREATE TABLE t(a)").unwrap();
    let two = Site::of(
        "version: 1\nname: two\nnodes:\n  gen: { type: generate, rate: 1, tags: { a: { counter: {} } } }\n  \
         one: { type: sqlite, path: 1.db }\n  other: { type: sqlite, path: 2.db }\nedges: [gen -> one, gen -> other]\n",
    );
    let two = two.file.to_str().unwrap();
    let cases: &[(&[&str], i32, &str)] = &[
        (&["query"], 2, "--db"),
        (&["query", "no/such.yaml"], 2, "no/such.yaml"),
        (&["query", "--db", "no/such.db"], 2, "no such file"),
        (&["query", "--db", here], 2, "is a folder"),
        (&["query", "--db", text.to_str().unwrap()], 2, "not an SQLite database"),
        (&["query", "--db", theirs.to_str().unwrap()], 2, "no view `samples`"),
        (&["query", db], 2, "say --db"),
        (&["query", "--db", db, "press.temprature"], 1, "did you mean `press.temperature`?"),
        (&["query", "--db", db, "press.*", "boiler.*"], 1, "no tag in"),
        (&["query", "--db", db, "--from", "yesterday"], 2, "such as -1h"),
        (&["query", "--db", db, "--from", "2026-01-02", "--to", "2026-01-01"], 2, "is not before --to"),
        (&["query", "--db", db, "--every", "0s"], 2, "longer than nothing"),
        (&["query", "--db", db, "--every", "1 week"], 2, "`week` is none of"),
        (&["query", "--db", db, "--agg", "avg"], 2, "--every"),
        (&["query", two], 2, "--node one|other"),
        (&["query", two, "--node", "oter"], 2, "did you mean `other`?"),
        (&["query", two, "--node", "one", "--data-dir", here], 2, "has not run yet"),
        (&["export", "--db", db, "--out", db], 2, "is the database"),
        (&["export", "--db", db, "--out", here], 2, "is a folder"),
        (&["export", "--db", db, "--out", "/dev/null"], 2, "no ordinary file"),
        (&["export", "--db", db, "--out", "no/such/folder/x.csv"], 2, "make it first"),
        #[cfg(not(feature = "parquet"))]
        (&["export", "--db", db, "--out", "x.parquet"], 2, "--features parquet"),
    ];
    for (args, wanted, words) in cases {
        let (code, stdout, said) = ask(args);
        assert_eq!((code, stdout.as_str()), (*wanted, ""), "{args:?}: {said}");
        assert!(said.contains(words), "{args:?}: {said}");
    }
    assert!(!root().join("x.parquet.tmp").exists());
}

#[test]
fn the_rest_of_a_file_may_be_wrong() {
    // As where the password is known to the service alone.
    let plant = Plant::with_samples();
    let site = Site::of(
        "version: 1\nname: plant\nnodes:\n  plc: { type: modbus, url: \"${env:FIELDFLOW_NOT_SET}\", every: 1s, tags: { a: { at: \"coil:0\" } } }\n  \
         store: { type: sqlite, path: plant.db }\nedges: [plc -> store]\n",
    );
    fs::create_dir_all(site.data().join("plant")).unwrap();
    fs::copy(&plant.path, site.data().join("plant/plant.db")).unwrap();
    fs::copy(plant.out("plant.db-wal"), site.data().join("plant/plant.db-wal")).unwrap();
    let (code, found, said) =
        ask(&["query", site.file.to_str().unwrap(), "press.count", "--data-dir", site.data().to_str().unwrap()]);
    assert_eq!((code, found.lines().count()), (0, 2), "{said}");
}

#[test]
fn a_file_is_whole_or_not_there() {
    let plant = Plant::with_samples();
    let out = plant.out("all.jsonl");
    fs::write(&out, "older").unwrap();
    let link = plant.out("link.jsonl");
    std::os::unix::fs::symlink(&out, &link).unwrap();
    let (code, stdout, said) = plant.ask("export", &["--out", link.to_str().unwrap()]);
    assert_eq!((code, stdout.as_str(), said.as_str()), (0, "", ""));
    assert_eq!(fs::read_to_string(&out).unwrap(), plant.ask("export", &["--format", "jsonl"]).1);
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert!(leftovers(plant.dir.path()).is_empty());
}

#[test]
fn a_stopped_export_leaves_nothing() {
    for signal in ["-INT", "-TERM"] {
        let plant = Plant::new();
        // So many rows, made anew for every slice, that nobody waits for the end.
        let endless = "DROP VIEW samples; CREATE TABLE tags(name); INSERT INTO tags VALUES ('a');
            CREATE VIEW samples(tag, time, value, quality) AS
            WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000) SELECT 'a', i, i, 0 FROM n";
        plant.writer.execute_batch(endless).unwrap();
        let out = plant.out("all.csv");
        let mut export = fieldflow(&["export", "--db", plant.path.to_str().unwrap(), "--out", out.to_str().unwrap()]);
        let mut child = export.stderr(Stdio::piped()).spawn().unwrap();
        while leftovers(plant.dir.path()).is_empty() {
            assert!(child.try_wait().unwrap().is_none(), "it ended before it began");
            std::thread::yield_now();
        }
        assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
        let mut said = String::new();
        child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(1), "{said}");
        assert!(said.contains("was not written"), "{said}");
        assert!(leftovers(plant.dir.path()).is_empty() && !out.exists());
    }
}

/// The files of exports that are not whole.
fn leftovers(folder: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|end| end == "tmp")).collect()
}

#[test]
fn whoever_reads_the_export_slowly_does_not_hold_up_the_store() {
    let plant = Plant::new();
    let rows = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50000) INSERT INTO s SELECT 'a', i, i, 0 FROM n";
    plant.writer.execute_batch(rows).unwrap();
    let log = plant.out("plant.db-wal");
    assert_ne!(fs::metadata(&log).unwrap().len(), 0);
    let mut export = fieldflow(&["export", "--db", plant.path.to_str().unwrap()]);
    let mut child = export.stdout(Stdio::piped()).spawn().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    // The first slice is many times what a pipe holds: with one byte taken, the export waits for this test.
    stdout.read_exact(&mut [0]).unwrap();
    for _ in 0..10 {
        plant.writer.execute_batch("INSERT INTO s VALUES ('b', 0, 0, 0)").unwrap();
        let busy: i64 = plant.writer.query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), |row| row.get(0)).unwrap();
        assert_eq!((busy, fs::metadata(&log).unwrap().len()), (0, 0), "the log can be emptied");
    }
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(rest.lines().count(), 50_001, "and the export is whole");
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let plant = Plant::new();
    let rows = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50000) INSERT INTO s SELECT 'a', i, i, 0 FROM n";
    plant.writer.execute_batch(rows).unwrap();
    let mut query = fieldflow(&["query", "--db", plant.path.to_str().unwrap(), "--from", "1970-01-01"]);
    let mut child = query.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdout.take().unwrap().read_exact(&mut [0; 3]).unwrap();
    let ended = child.wait_with_output().unwrap();
    assert_eq!((ended.status.code(), ended.stderr.as_slice()), (Some(0), b"".as_slice()));
}
