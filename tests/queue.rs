//! `queue`: what waits in durable edges, beside a running pipeline and without one.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use fieldflow_contract::from_json_line;
use rusqlite::Connection;

use crate::cli::{Site, Started, ask};
use crate::generated::{root, up_to_date};

/// A pipeline with a thousand records in ten batches, all stuck in a durable edge: the sink's place is unusable.
pub(crate) struct Stalled {
    site: Site,
    name: String,
    running: Started,
}

/// The same when it no longer runs.
pub(crate) struct Stopped {
    site: Site,
    name: String,
}

fn yaml(name: &str, edge: &str, store: &str) -> String {
    let sink = edge.rsplit(' ').next().unwrap();
    format!(
        "version: 1\nname: {name}\nnodes:\n  gen: {{ type: generate, rate: max, count: 1000, tags: {{ a: {{ counter: {{}} }} }} }}\n  \
         {sink}: {{ type: sqlite, path: \"{store}\" }}\nedges:\n  - {edge}: {{ durable: true }}\n"
    )
}

impl Stalled {
    pub(crate) fn named(name: &str) -> Self {
        let site = Site::of(&yaml(name, "gen -> store", "/proc/x/x.db"));
        let running = Started::new(&mut site.run(&["--listen", "off", "--grace", "1ms"]));
        let stalled = Self { site, name: name.to_owned(), running };
        // Each look is a process of its own, so this is no busy loop; the count is bound to be reached.
        for _ in 0..1000 {
            if stalled.site.queue(&["ls"], &["--format", "json"]).1.contains("\"records\": 1000") {
                return stalled;
            }
        }
        panic!("the records never came to the edge");
    }

    pub(crate) fn stop(self) -> Stopped {
        self.running.signal("-TERM");
        assert_eq!(self.running.end().0, 0);
        let stopped = Stopped { site: self.site, name: self.name };
        // The last connection to close takes the log into the file.
        stopped.sql("UPDATE meta SET value = value");
        stopped
    }
}

impl Stopped {
    pub(crate) fn state(&self) -> PathBuf {
        self.site.data().join(&self.name).join("state.db")
    }

    fn sql(&self, sql: &str) {
        Connection::open(self.state()).unwrap().execute_batch(sql).unwrap();
    }

    fn queue(&self, verb: &[&str], more: &[&str]) -> (i32, String, String) {
        self.site.queue(verb, more)
    }

    fn write(&self, edge: &str, store: &str) {
        fs::write(&self.site.file, yaml(&self.name, edge, store)).unwrap();
    }

    /// Makes all that has an age three days and a bit older than now.
    fn age(&self) {
        let then = "(unixepoch('now') - 3 * 86400 - 5400) * 1000000";
        self.sql(&format!(
            "UPDATE batches SET received = {then}; UPDATE dead_letters SET time = {then}; UPDATE damaged SET found = {then}"
        ));
    }
}

impl Site {
    /// A verb of `queue` with this site's file behind it, then more.
    fn queue(&self, verb: &[&str], more: &[&str]) -> (i32, String, String) {
        let data = self.data();
        let place = [self.file.to_str().unwrap(), "--data-dir", data.to_str().unwrap()];
        ask(&[&["queue"], verb, &place, more].concat())
    }
}

#[test]
fn a_backlog_is_listed_shown_and_exported_beside_a_running_pipeline() {
    let stalled = Stalled::named("beside");
    let site = &stalled.site;
    let (code, shown, said) = site.queue(&["show"], &["gen -> store", "--limit", "2"]);
    assert_eq!((code, said.as_str(), shown.lines().count()), (0, "", 2));
    assert!(shown.starts_with("{\"position\":1,\"received\":\"20") && shown.contains("\"value\":1}"), "{shown}");

    let (code, exported, said) = site.queue(&["export"], &["gen/store"]);
    assert_eq!((code, said.as_str()), (0, ""));
    let values: Vec<f64> = exported.lines().map(|line| from_json_line(line).unwrap().value.as_f64().unwrap()).collect();
    assert_eq!(values, (0..1000).map(f64::from).collect::<Vec<_>>());

    let (code, _, said) = site.queue(&["purge"], &["gen/store", "--yes"]);
    assert_eq!(code, 1);
    assert!(said.contains(&format!("running, as process {}", stalled.running.child.id())), "{said}");

    let out = stalled.site.dir.path().join("backlog.csv");
    assert_eq!(site.queue(&["export"], &["beside/gen.out/store", "--out", out.to_str().unwrap()]).0, 0);
    let stopped = stalled.stop();
    let csv = fs::read_to_string(out).unwrap();
    assert_eq!((csv.lines().count(), csv.lines().next()), (1001, Some("tag,time,value,quality")));
    assert_eq!(stopped.queue(&["export"], &["gen.out/store"]).1, exported, "and the same when it has ended");
    assert!(!stopped.site.data().join("beside/state.db-wal").exists(), "what only reads leaves nothing behind");
}

#[test]
fn lists_look_as_they_did() {
    let stopped = Stalled::named("plant").stop();
    stopped.sql(
        "INSERT INTO dead_letters(time, node, reason, records) VALUES (1, 'store', 'no', '{}'), (1, 'store', 'no', '{}');
         INSERT INTO damaged SELECT id, 1, 'torn', zeroblob(70) FROM batches LIMIT 1;
         UPDATE edges SET bytes = 70 * last; UPDATE batches SET bytes = 70",
    );
    stopped.age();
    let placeless = |text: &str| text.replace(stopped.site.dir.path().to_str().unwrap(), "");
    let golden = |name: &str, text: &str| up_to_date(&root().join("tests/cli/queue").join(name), &placeless(text));
    golden("ls.table", &stopped.queue(&["ls"], &[]).1);
    let json = stopped.queue(&["ls"], &["--format", "json"]).1;
    let timeless = |line: &&str| !line.contains("\"oldest\"") && !line.contains("age_seconds");
    golden("ls.json", &json.split_inclusive('\n').filter(timeless).collect::<String>());
    stopped.write("gen -> stash", "/proc/x/x.db");
    golden("ls.renamed.table", &stopped.queue(&["ls"], &[]).1);
    golden("ls.state.table", &ask(&["queue", "ls", "--state", stopped.state().to_str().unwrap()]).1);
}

#[test]
fn what_is_left_after_a_purge_by_age_is_sent_once_and_in_order() {
    let stopped = Stalled::named("aged").stop();
    let old = "UPDATE batches SET received = received - 8 * 86400 * 1000000 WHERE id & 0xFF <= 4 OR id & 0xFF = 7";
    stopped.sql(old);
    let (code, _, said) = stopped.queue(&["purge"], &["gen/store", "--older", "7d", "--yes"]);
    assert_eq!(code, 0);
    assert!(said.contains("deleted 400 records in 4 batches"), "{said}");
    let (code, _, said) = stopped.queue(&["purge"], &["gen/store", "--older", "7d", "--yes"]);
    assert!(code == 0 && said.contains("nothing to delete"), "{said}");

    stopped.write("gen -> store", "good.db");
    assert!(stopped.site.run(&["--listen", "off"]).output().unwrap().status.success());
    let database = Connection::open(stopped.site.data().join("aged/good.db")).unwrap();
    let ask = |sql| database.query_row(sql, (), |row| row.get::<_, i64>(0)).unwrap();
    // The second run brought a thousand of its own.
    assert_eq!(
        (ask("SELECT count(*) FROM samples"), ask("SELECT sum(value) FROM samples")),
        (1600, 999 * 500 * 2 - 399 * 200)
    );
    assert!(stopped.queue(&["ls"], &["--format", "json"]).1.contains("\"records\": 0"));
    let (code, shown, said) = stopped.queue(&["show"], &["gen/store"]);
    assert_eq!((code, shown.as_str()), (0, ""));
    assert!(said.contains("nothing waits in `gen -> store`"), "{said}");
}

#[test]
fn an_edge_that_is_gone_is_reported_until_nothing_waits_in_it() {
    let stopped = Stalled::named("gone").stop();
    let (file, data) = (stopped.site.file.to_str().unwrap(), stopped.site.data());
    let validate = |more: &[&str]| ask(&[&["validate", file, "--data-dir", data.to_str().unwrap()], more].concat());
    let run = || {
        let mut run = stopped.site.run(&["--listen", "off", "--for", "100ms", "--log", "human"]);
        String::from_utf8(run.output().unwrap().stderr).unwrap()
    };
    assert!(validate(&[]).2.contains("well"));
    stopped.write("gen -> stash", "good.db");
    let (code, _, said) = validate(&[]);
    assert_eq!(code, 0);
    let placeless = |text: &str| text.replace(stopped.site.dir.path().to_str().unwrap(), "");
    up_to_date(&root().join("tests/cli/queue/renamed.validate"), &placeless(&said));
    assert_eq!(validate(&["--deny-warnings"]).0, 1);
    assert!(validate(&["--format", "json"]).1.contains("fieldflow queue export"));
    let said = run();
    assert!(said.contains("no longer in the pipeline file") && said.contains("records=1000"), "{said}");

    let plain =
        fs::read_to_string(&stopped.site.file).unwrap().replace("gen -> stash: { durable: true }", "gen -> store");
    fs::write(&stopped.site.file, plain.replace("stash:", "store:")).unwrap();
    up_to_date(&root().join("tests/cli/queue/not_durable.validate"), &placeless(&validate(&[]).2));
    assert!(run().contains("no longer durable"), "also where no edge is durable any more");

    assert_eq!(stopped.queue(&["purge"], &["gen/store", "--yes"]).0, 0);
    assert!(validate(&[]).2.contains("well"));
    assert!(!run().contains("queue ls"));
}

#[test]
fn dead_letters_and_damaged_batches_come_out_and_go() {
    let stopped = Stalled::named("letters").stop();
    let letter = r#"{"t":"2026-01-01T00:00:00.000000Z","tag":"a","value":1}"#;
    let other = r#"{"t":"2026-01-01T00:00:01.000000Z","tag":"b","value":"x,y","quality":"bad:timeout"}"#;
    stopped.sql(&format!(
        "INSERT INTO dead_letters(time, node, reason, records) VALUES
           (1000000, 'store', 'no, \"never\"', '{letter}\n{other}\n'),
           (unixepoch('now') * 1000000, 'letters/gen.out/store', 'it failed twice', '{letter}\ntorn')"
    ));
    let (code, exported, said) = stopped.queue(&["export"], &["--dead-letters"]);
    assert!(code == 1 && said.contains("1 batches are damaged"), "{said}");
    stopped
        .sql("UPDATE dead_letters SET records = substr(records, 1, length(records) - 4), time = 2000000 WHERE id = 2");
    let (code, whole, said) = stopped.queue(&["export"], &["--dead-letters"]);
    assert_eq!((code, said.as_str(), whole.lines().count(), exported.lines().count()), (0, "", 3, 3));
    up_to_date(&root().join("tests/cli/queue/letters.jsonl"), &whole);
    let csv = stopped.queue(&["export"], &["--dead-letters", "--format", "csv"]).1;
    up_to_date(&root().join("tests/cli/queue/letters.csv"), &csv);

    stopped.sql("UPDATE dead_letters SET time = unixepoch('now') * 1000000 WHERE id = 2");
    let (code, _, said) = stopped.queue(&["purge"], &["--dead-letters", "--older", "1d", "--yes"]);
    assert!(code == 0 && said.contains("deleted 1 batch,"), "{said}");
    assert_eq!(stopped.queue(&["export"], &["--dead-letters"]).1.lines().count(), 1);

    stopped.sql("INSERT INTO damaged SELECT id, 1, 'torn', body FROM batches LIMIT 3");
    let (code, _, said) = stopped.queue(&["purge"], &["--damaged", "--yes"]);
    assert!(code == 0 && said.contains("deleted 3 batches,"), "{said}");
    assert!(stopped.queue(&["ls"], &[]).1.contains("1,000"), "what waits is not touched");
}

#[test]
fn a_damaged_batch_is_shown_as_damaged_and_left_out_of_an_export_which_says_so() {
    let stopped = Stalled::named("torn").stop();
    stopped.sql(
        "UPDATE batches SET body = zeroblob(99) WHERE id & 0xFF = 1; UPDATE batches SET body = x'' WHERE id & 0xFF = 2",
    );
    let (code, shown, _) = stopped.queue(&["show"], &["gen/store", "--limit", "3"]);
    let lines: Vec<&str> = shown.lines().collect();
    assert_eq!((code, lines.len()), (0, 3));
    assert!(lines[0].contains("\"records\":100,\"damaged\":\"the checksum does not fit\""), "{shown}");
    assert!(
        lines[1].contains("\"damaged\":") && lines[2].contains("\"position\":3") && lines[2].contains("\"value\":200")
    );
    let table = stopped.queue(&["show"], &["gen/store", "--limit", "1", "--format", "table"]).1;
    assert!(table.contains("damaged, 100 records: the checksum does not fit"), "{table}");
    let (code, exported, said) = stopped.queue(&["export"], &["gen/store"]);
    assert_eq!((code, exported.lines().count()), (1, 800));
    assert!(said.contains("2 batches are damaged"), "{said}");
}

#[test]
fn a_purge_asks_on_a_terminal() {
    let stopped = Stalled::named("asks").stop();
    let (file, data) = (stopped.site.file.to_str().unwrap(), stopped.site.data());
    let verb = format!(
        "{} queue purge {file} gen/store --data-dir {}",
        env!("CARGO_BIN_EXE_fieldflow"),
        data.to_str().unwrap()
    );
    for (answer, left) in [("n\n", "1,000"), ("\n", "1,000"), ("y\n", " 0 ")] {
        let script = Command::new("script")
            .args(["-q", "-e", "-c", &verb, "/dev/null"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        let Ok(mut child) = script else {
            return eprintln!("SKIPPED a purge on a terminal: there is no `script` here");
        };
        child.stdin.take().unwrap().write_all(answer.as_bytes()).unwrap();
        let ended = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&ended.stdout);
        assert!(said.contains("1,000 records in 10 batches") && said.contains("[y/N]"), "{said}");
        assert_eq!(ended.status.success(), answer == "y\n", "{said}");
        let list = stopped.queue(&["ls"], &[]).1;
        assert!(list.contains(left), "{list}");
    }
}

#[test]
fn what_cannot_be_answered_is_told_with_a_cure() {
    let stopped = Stalled::named("cures").stop();
    let (here, state) = (stopped.site.dir.path().to_str().unwrap().to_owned(), stopped.state());
    let state = state.to_str().unwrap();
    let text = stopped.site.dir.path().join("text.db");
    fs::write(&text, "not a database ".repeat(1000)).unwrap();
    let theirs = stopped.site.dir.path().join("theirs.db");
    Connection::open(&theirs).unwrap().execute_batch("CREATE TABLE t(a)").unwrap();
    let cases: &[(&[&str], i32, &str)] = &[
        (&["ls"], 2, "--state"),
        (&["ls", "no/such.yaml"], 2, "no/such.yaml"),
        (&["ls", state], 2, "say --state"),
        (&["ls", "--state", "no/such.db"], 2, "no such file"),
        (&["ls", "--state", &here], 2, "is a folder"),
        (&["ls", "--state", text.to_str().unwrap()], 2, "not an SQLite database"),
        (&["ls", "--state", theirs.to_str().unwrap()], 2, "not the state of a fieldflow pipeline"),
        (&["show", "--state", state], 2, "which edge?"),
        (&["show", "--state", state, "gen/stroe"], 1, "did you mean `gen -> store`?"),
        (&["show", "--state", state, "boiler"], 1, "there is `gen -> store`"),
        (&["show", "--state", state, "x.yaml", "gen/store"], 2, "leave x.yaml out"),
        (&["show", "pipelines/demo.yaml", "a/b", "--data-dir", &here], 2, "has no durable edge"),
        (&["export", "--state", state, "gen/store", "--dead-letters"], 2, "belong to no edge"),
        (&["export", "--state", state, "gen/store", "--out", state], 2, "is the database"),
        (&["export", "--state", state, "gen/store", "--out", "no/such/x.csv"], 2, "make it first"),
        (&["purge", "--state", state], 2, "which edge?"),
        (&["purge", "--state", state, "gen/store", "--damaged"], 2, "one thing at a time"),
        (&["purge", "--state", state, "--dead-letters", "--damaged"], 2, "cannot be used with"),
        (&["purge", "--state", state, "gen/store"], 2, "say --yes"),
        (&["purge", "--state", state, "gen/store", "--older", "1 week"], 2, "`week` is none of"),
    ];
    for (args, wanted, words) in cases {
        let (code, stdout, said) = ask(&[&["queue"], *args].concat());
        assert_eq!((code, stdout.as_str()), (*wanted, ""), "{args:?}: {said}");
        assert!(said.contains(words), "{args:?}: {said}");
    }
    let never = Site::of(&yaml("never", "gen -> store", "x.db"));
    let (code, _, said) = never.queue(&["show"], &["gen/store"]);
    assert!(code == 2 && said.contains("has not run yet"), "{said}");
    let (code, listed, said) = never.queue(&["ls"], &["--format", "json"]);
    assert_eq!((code, listed.as_str()), (0, "[]\n"), "{said}");
    assert!(!never.data().exists());
}
