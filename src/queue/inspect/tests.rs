//! Looking into files of all conditions, and deleting from them.

use std::fs;

use fieldflow_contract::{Batch, Record, Tag, Value};
use tempfile::TempDir;

use super::*;
use crate::queue::file::Group;

const DAY: i64 = 86_400_000_000;

/// A file with `batches` batches of two records in the edge `p/a.out/b`, one received each day, and one in `p/a.out/c`.
fn filled(dir: &TempDir, batches: i64) -> (PathBuf, QueueFile) {
    let path = dir.path().join("state.db");
    let mut file = QueueFile::open(&path).unwrap();
    let found = file.register(&["p/a.out/b".to_owned(), "p/a.out/c".to_owned()]).unwrap();
    let puts = (1..=batches).map(|n| (found[0].id, batch(n))).chain([(found[1].id, batch(7))]).collect();
    file.commit(&Group { puts, ..Group::default() }).unwrap();
    (path, file)
}

fn batch(n: i64) -> Batch {
    let record = |tag| Record::good(Tag::new(tag).unwrap(), Timestamp(n), Value::I64(n));
    Batch::new(vec![record("inspect.x"), record("inspect.y")], Timestamp(n * DAY)).unwrap()
}

fn positions(inspector: &Inspector, edge: &Backlog) -> Vec<u64> {
    inspector.batches(edge).flat_map(Result::unwrap).map(|waiting| waiting.position).collect()
}

fn names(dir: &TempDir) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_look_leaves_nothing_beside_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let (path, file) = filled(&dir, 3);
    drop(file);
    assert_eq!(names(&dir), ["state.db"]);
    let inspector = Inspector::open(&path).unwrap();
    let edge = &inspector.edges().unwrap()[0];
    assert_eq!((edge.name.as_str(), edge.records, edge.oldest), ("p/a.out/b", 6, Some(Timestamp(DAY))));
    let pile = inspector.count(What::Edge(edge), None).unwrap();
    assert_eq!((pile.batches, pile.records, pile.bytes, pile.oldest), (3, Some(6), edge.bytes, edge.oldest));
    assert_eq!(positions(&inspector, edge), [1, 2, 3]);
    assert_eq!(names(&dir), ["state.db"]);
}

#[test]
fn what_a_hard_stop_left_is_read_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let (path, file) = filled(&dir, 3);
    let stopped = tempfile::tempdir().unwrap();
    for name in names(&dir) {
        fs::copy(dir.path().join(&name), stopped.path().join(&name)).unwrap();
    }
    drop(file);
    assert_eq!(names(&dir), ["state.db"], "{}", path.display());
    let path = stopped.path().join("state.db");
    let before: Vec<Vec<u8>> =
        names(&stopped).iter().map(|name| fs::read(stopped.path().join(name)).unwrap()).collect();
    let inspector = Inspector::untouched(&path).unwrap();
    let edges = inspector.edges().unwrap();
    assert_eq!(positions(&inspector, &edges[0]), [1, 2, 3]);
    let after: Vec<Vec<u8>> = names(&stopped).iter().map(|name| fs::read(stopped.path().join(name)).unwrap()).collect();
    assert!(before == after, "not a byte was changed");

    fs::remove_file(stopped.path().join("state.db-shm")).unwrap();
    assert!(Inspector::untouched(&path).is_err(), "without its index the log cannot be read");
    assert_eq!(names(&stopped), ["state.db", "state.db-wal"]);
    let inspector = Inspector::open(&path).unwrap();
    assert_eq!(positions(&inspector, &edges[0]), [1, 2, 3]);
}

#[test]
fn beside_a_writer_new_tags_are_known_and_the_log_can_be_emptied() {
    let dir = tempfile::tempdir().unwrap();
    let (path, mut file) = filled(&dir, 1);
    let long = |tag: &str| {
        let record = Record::good(Tag::new(tag).unwrap(), Timestamp(1), Value::Bytes(vec![0; 200_000].into()));
        Batch::new(vec![record], Timestamp(1)).unwrap()
    };
    let put = |tag| Group { puts: vec![(1, long(tag))], ..Group::default() };
    file.commit(&Group { puts: (0..8).map(|_| (1, long("inspect.x"))).collect(), ..Group::default() }).unwrap();
    let inspector = Inspector::untouched(&path).unwrap();
    let edge = Backlog { last: 10, ..inspector.edges().unwrap().remove(0) };
    let mut slices = inspector.batches(&edge);
    assert!(slices.next().unwrap().unwrap().len() < 9);
    file.commit(&put("inspect.later")).unwrap();
    let writer = Connection::open(&path).unwrap();
    let busy: i64 = writer.query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), |row| row.get(0)).unwrap();
    assert_eq!(busy, 0);
    let rest: Vec<Waiting> = slices.flat_map(Result::unwrap).collect();
    assert_eq!(rest.last().unwrap().position, 10);
    assert!(rest.iter().all(|waiting| waiting.batch.is_ok()), "{rest:?}");
}

#[test]
fn damage_is_told_and_no_more() {
    let dir = tempfile::tempdir().unwrap();
    let (path, file) = filled(&dir, 3);
    drop(file);
    let other = Connection::open(&path).unwrap();
    other.execute_batch("UPDATE batches SET body = substr(body, 1, 5), records = -1 WHERE id & 0xFF = 2").unwrap();
    drop(other);
    let inspector = Inspector::open(&path).unwrap();
    let edge = &inspector.edges().unwrap()[0];
    let found: Vec<Waiting> = inspector.batches(edge).flat_map(Result::unwrap).collect();
    assert!(found[0].batch.is_ok() && found[2].batch.is_ok());
    assert_eq!(found[1].batch.as_ref().unwrap_err(), "the checksum does not fit");
    assert_eq!(found[1].records, 0);
}

#[test]
fn a_purge_takes_from_the_front_and_no_number_is_used_again() {
    let dir = tempfile::tempdir().unwrap();
    let (path, file) = filled(&dir, 5000);
    drop(file);
    let inspector = Inspector::open(&path).unwrap();
    let edge = &inspector.edges().unwrap()[0];
    let before = Some(Timestamp(3001 * DAY));
    let pile = inspector.count(What::Edge(edge), before).unwrap();
    let purged = purge(&path, What::Edge(edge), &pile, before).unwrap();
    assert_eq!((pile.batches, purged.batches, purged.records, purged.bytes), (3000, 3000, Some(6000), pile.bytes));
    let edges = inspector.edges().unwrap();
    assert_eq!((edges[0].records, edges[0].bytes, edges[1].records), (4000, edge.bytes - pile.bytes, 2));
    assert_eq!(positions(&inspector, edge), (3001..=5000).collect::<Vec<_>>());

    let pile = inspector.count(What::Edge(edge), None).unwrap();
    let mut file = QueueFile::open(&path).unwrap();
    file.register(&["p/a.out/b".to_owned()]).unwrap();
    file.commit(&Group { puts: vec![(1, batch(1))], ..Group::default() }).unwrap();
    drop(file);
    purge(&path, What::Edge(edge), &pile, None).unwrap();
    let mut file = QueueFile::open(&path).unwrap();
    let found = file.register(&["p/a.out/b".to_owned()]).unwrap().remove(0);
    assert_eq!((found.taken, found.last, found.records), (5000, 5001, 2), "what came after the question stays");
    let put = file.commit(&Group { puts: vec![(1, batch(1))], ..Group::default() }).unwrap();
    assert_eq!(put.puts[0].0, 5002);
}

#[test]
fn a_purge_gives_the_disk_space_back() {
    let dir = tempfile::tempdir().unwrap();
    let (path, file) = filled(&dir, 20_000);
    drop(file);
    let before = fs::metadata(&path).unwrap().len();
    let inspector = Inspector::open(&path).unwrap();
    let edge = &inspector.edges().unwrap()[0];
    purge(&path, What::Edge(edge), &inspector.count(What::Edge(edge), None).unwrap(), None).unwrap();
    assert!(fs::metadata(&path).unwrap().len() < before / 10);
    assert_eq!(positions(&inspector, &inspector.edges().unwrap()[1]), [1], "the other edge has what it had");
}

#[test]
fn dead_letters_and_damaged_batches_are_counted_and_deleted_by_age() {
    let dir = tempfile::tempdir().unwrap();
    let (path, mut file) = filled(&dir, 1);
    let letter = |n| crate::queue::file::Letter { node: format!("n{n}"), reason: "no".to_owned(), batch: batch(n) };
    for n in 1..=3 {
        let damaged = vec![(2, u64::from(n == 1), "torn".to_owned())];
        let group = Group { letters: vec![letter(n)], damaged, now: Timestamp(n * DAY), ..Group::default() };
        file.commit(&group).unwrap();
    }
    drop(file);
    let inspector = Inspector::open(&path).unwrap();
    let letters: Vec<Letter> = inspector.letters().unwrap().flat_map(Result::unwrap).collect();
    assert_eq!(letters.iter().map(|letter| letter.node.as_str()).collect::<Vec<_>>(), ["n1", "n2", "n3"]);
    let text: u64 = letters.iter().map(|letter| letter.records.len() as u64).sum();
    for (what, count, bytes, left) in [(What::DeadLetters, 3, text, 2), (What::Damaged, 1, 0, 0)] {
        let pile = inspector.count(what, None).unwrap();
        assert_eq!((pile.batches, pile.oldest), (count, Some(Timestamp(DAY))), "{what:?}");
        assert!(pile.bytes == bytes || bytes == 0 && pile.bytes != 0);
        let before = Some(Timestamp(2 * DAY));
        let old = inspector.count(what, before).unwrap();
        assert_eq!((old.batches, purge(&path, what, &old, before).unwrap().batches), (1, 1));
        let pile = inspector.count(what, None).unwrap();
        assert_eq!(pile.batches, left);
        purge(&path, what, &pile, None).unwrap();
        assert_eq!(inspector.count(what, None).unwrap(), Pile::default());
    }
}
