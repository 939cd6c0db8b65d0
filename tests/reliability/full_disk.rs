//! A disk that somebody else fills and empties again, as a small tmpfs.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rusqlite::Connection;
use tokio::time::Instant;

use crate::account::last;
use crate::engine::{Engine, Home, Pipeline};
use crate::setup::{Setup, figure, say, wait_for};

const TAGS: u64 = 10;

#[test]
fn a_full_disk_holds_the_store_up_until_there_is_room_again() {
    fill_and_free("full disk, source -> store", "");
}

#[test]
fn a_full_disk_holds_a_durable_edge_up_until_there_is_room_again() {
    fill_and_free("full disk, source -> durable edge -> store", "durable: true");
}

fn fill_and_free(name: &'static str, edge: &str) {
    let setup = Setup::new(name);
    let Some(disk) = SmallDisk::mount(setup.folder("disk"), "64m") else { return };
    let mut home = Home::new(setup.folder("home"));
    home.data = disk.0.join("data");
    let source = format!("rate: 20000, batch: 100, tags: {TAGS}");
    let pipeline = Pipeline::into_store(&source, edge, "flush: { every: 20ms }");
    let mut engine = home.start(&pipeline, &["--listen", "127.0.0.1:0"], &[]);
    let said = wait_for(Duration::from_secs(10), || Some(engine.said()).filter(|said| said.contains("/metrics")));
    let said = said.unwrap_or_else(|| panic!("no address: {}", engine.said()));
    let address = said.split("http://").nth(1).and_then(|rest| rest.split('/').next()).unwrap().to_owned();

    let (mut slowest_answer, mut slowest_return) = (Duration::ZERO, Duration::ZERO);
    for _ in 0..figure("FIELDFLOW_FULL_DISKS", 3) {
        assert!(engine.next_ack(Duration::from_secs(10)).is_some(), "nothing goes: {}", last(&engine.said()));
        let stranger = disk.0.join("stranger");
        let held = wait_for(Duration::from_secs(20), || {
            fill(&stranger);
            is_silent(&mut engine).then_some(())
        });
        assert!(held.is_some(), "records are acknowledged on a full disk");
        for page in ["/metrics", "/health"] {
            slowest_answer = slowest_answer.max(answer(&address, page));
        }
        assert!(engine.ended().is_none(), "ended by itself: {}", last(&engine.said()));
        engine.news();
        fs::remove_file(&stranger).unwrap();
        let back = engine.next_ack(Duration::from_secs(20));
        let back = back.unwrap_or_else(|| panic!("does not go on: {}", last(&engine.said())));
        slowest_return = slowest_return.max(back);
    }
    engine.stop();
    // Once more, to send again what was not acknowledged, and to drain.
    let until = home.journal().next();
    let source = format!("batch: 100, tags: {TAGS}, until: {until}");
    let mut engine = home.start(&Pipeline::into_store(&source, edge, "flush: { every: 20ms }"), &[], &[]);
    let status = engine.wait(Duration::from_secs(60));
    assert!(status.is_some_and(|status| status.success()), "{status:?}: {}", last(&engine.said()));
    let account = home.account(TAGS);
    setup.says(format_args!(
        "{account}; on the full disk an answer took {slowest_answer:?} at worst, and it went on {slowest_return:?} after"
    ));
    account.must_hold_everything(&home.said());
    account.must_hold_nothing_twice(&home.said());
    assert!(slowest_answer < Duration::from_secs(1), "an answer took {slowest_answer:?}");
    assert!(slowest_return <= Duration::from_secs(5), "it went on after {slowest_return:?}");
    assert!(!home.said().contains("panic"), "{}", last(&home.said()));
}

#[test]
fn what_a_node_keeps_waits_for_room_while_the_records_pass() {
    let setup = Setup::new("full disk, source -> tally -> recorder");
    let Some(disk) = SmallDisk::mount(setup.folder("disk"), "64m") else { return };
    let mut home = Home::new(setup.folder("home"));
    home.data = disk.0.join("data");
    let recorded = Pipeline::into_record(&format!("rate: 2000, batch: 10, tags: {TAGS}"), "", TAGS, &home.folder);
    let nodes = format!("{}\ntally: {{ type: tally }}", recorded.nodes);
    let pipeline = Pipeline { nodes, edges: "oracle -> tally -> store".to_owned(), ..recorded };
    let mut engine = home.start(&pipeline, &[], &[]);
    let kept = || {
        let state = Connection::open(home.data.join("crash/state.db")).ok()?;
        let kept = state.query_row("SELECT document FROM node_state", (), |row| row.get::<_, Vec<u8>>(0)).ok()?;
        kept.try_into().ok().map(u64::from_le_bytes)
    };
    assert!(wait_for(Duration::from_secs(10), kept).is_some(), "nothing is kept: {}", engine.said());
    let stranger = disk.0.join("stranger");
    for words in ["cannot keep the state", "there is room on the disk again"] {
        let said = wait_for(Duration::from_secs(20), || {
            if words.starts_with("cannot") {
                fill(&stranger);
            }
            engine.said().contains(words).then_some(())
        });
        assert!(said.is_some(), "it does not say `{words}`: {}", last(&engine.said()));
        engine.news();
        assert!(engine.next_ack(Duration::from_secs(1)).is_some(), "the records wait: {}", last(&engine.said()));
        let _ = fs::remove_file(&stranger);
    }
    engine.stop();
    let sent: u64 = home.journal().sent().map(|range| range.end - range.first).sum();
    assert_eq!(kept(), Some(sent), "{}", last(&home.said()));
    setup.says(format_args!("{sent} records counted"));
}

/// Whether nothing is acknowledged for a second.
fn is_silent(engine: &mut Engine) -> bool {
    engine.news();
    engine.next_ack(Duration::from_secs(1)).is_none()
}

/// Takes all the room there is.
fn fill(file: &Path) {
    let mut file = File::options().append(true).create(true).open(file).unwrap();
    for size in [1 << 16, 1 << 12, 1] {
        while file.write_all(&vec![0; size]).is_ok() {}
    }
}

/// How long a page took.
fn answer(address: &str, page: &str) -> Duration {
    let since = Instant::now();
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    write!(stream, "GET {page} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    assert!(text.starts_with("HTTP/1.1 200"), "{text}");
    since.elapsed()
}

/// A tmpfs of its own, which goes with this handle.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Mounting may be forbidden everywhere, in a container of a CI as well: without it the test is skipped, and says so.
    fn mount(at: PathBuf, size: &str) -> Option<Self> {
        let options = format!("size={size},mode=0700");
        let output = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "fieldflow-test"]).arg(&at).output();
        if output.is_ok_and(|output| output.status.success()) {
            return Some(Self(at));
        }
        say("SKIPPED the test of a full disk: a tmpfs cannot be mounted here");
        None
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}
