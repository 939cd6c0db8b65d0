//! Power cuts: the writes and syncs of a run are recorded, and thousands of disks made of them that a power cut could leave.

use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use crate::account::last;
use crate::engine::{Home, Pipeline};
use crate::journal::{BASE, Journal};
use crate::replay::Log;
use crate::setup::{Setup, figure};
use crate::shim::{environment, shim};

/// Enough for several checkpoints, and few enough for small images.
const RECORDS: u64 = 30_000;

#[test]
fn what_was_acknowledged_with_durability_power_survives_a_power_cut() {
    let mut setup = Setup::in_memory("power cut");
    let Some(shim) = shim() else { return };
    let images: usize = figure("FIELDFLOW_IMAGES", 3000);
    let seen = cut(&mut setup, shim, "power", images);
    assert!(seen.broken.is_empty(), "{} images cannot be read: {}", seen.broken.len(), seen.broken[0]);
    assert!(seen.losses.is_empty(), "{} images lost something: {}", seen.losses.len(), seen.losses[0]);

    // Where nothing waits for the disk, the same harness must see losses, or it sees nothing at all.
    let seen = cut(&mut setup, shim, "process", images.div_ceil(10));
    assert!(seen.broken.is_empty(), "{} images cannot be read: {}", seen.broken.len(), seen.broken[0]);
    assert!(!seen.losses.is_empty(), "no image of `durability: process` has lost anything: this test is blind");
}

/// What was seen in the images.
#[derive(Default)]
struct Seen {
    broken: Vec<String>,
    losses: Vec<String>,
    worst: u64,
}

fn cut(setup: &mut Setup, shim: &Path, durability: &str, images: usize) -> Seen {
    let home = Home::new(setup.folder(durability));
    let log = setup.folder("logs").join(durability);
    let store = format!("durability: {durability}, flush: {{ rows: 20, every: 0s }}");
    let pipeline = Pipeline::into_store(&format!("batch: 20, tags: 7, until: {RECORDS}"), "", &store);
    let mut watched = environment(shim, &home.folder);
    watched.push(("FIELDFLOW_SHIM_LOG", log.display().to_string()));
    let mut engine = home.start(&pipeline, &[], &watched);
    let status = engine.wait(Duration::from_secs(60));
    assert!(status.is_some_and(|status| status.success()), "{status:?}: {}", last(&engine.said()));

    let log = Log::read(&log, &home.folder);
    let calls = log.len();
    let mut moments: Vec<(usize, u64)> = (0..images).map(|_| (setup.dice.usize(..calls), setup.dice.u64(..))).collect();
    moments.sort_unstable();
    let halves: [Vec<_>; 2] = [0, 1].map(|half| moments.iter().skip(half).step_by(2).copied().collect());
    let seen = Mutex::new(Seen::default());
    std::thread::scope(|scope| {
        for (number, half) in halves.iter().enumerate() {
            let place = setup.folder("images").join(format!("{durability}-{number}"));
            let (log, seen) = (&log, &seen);
            scope.spawn(move || log.cut(half, &place, |image, journal, moment| look(image, journal, moment, seen)));
        }
    });
    let seen = seen.into_inner().unwrap();
    setup.says(format_args!(
        "{images} images of {calls} calls, durability {durability}: {} broken, {} that lost something, at worst {} records",
        seen.broken.len(),
        seen.losses.len(),
        seen.worst
    ));
    seen
}

/// Opens an image and compares it with what had been acknowledged by then.
fn look(image: &Path, journal: &Journal, moment: (usize, u64), seen: &Mutex<Seen>) {
    // A single life without failures: what is acknowledged is a beginning of what was sent.
    let mut acked: Vec<_> = journal.acknowledged().collect();
    acked.sort_unstable();
    let told = acked.iter().fold(0, |end, range| if range.first == end { range.end } else { end });
    let store = image.join("data/crash/plant.db");
    let found = if told == 0 && !store.exists() { Ok((0, 0)) } else { open(&store, told) };
    let mut seen = seen.lock().unwrap();
    match found {
        Err(error) => seen.broken.push(format!("{moment:?}: {error}")),
        Ok((rows, sum)) => {
            let lost = told.saturating_sub(rows);
            seen.worst = seen.worst.max(lost);
            if lost != 0 {
                seen.losses.push(format!("{moment:?}: {rows} of {told} acknowledged records"));
            } else if rows != told || sum != told * told.saturating_sub(1) / 2 {
                seen.broken.push(format!("{moment:?}: {rows} rows for {told} records, sum {sum}"));
            }
        }
    }
}

/// How many of the first so many records there are, and the sum of their values.
fn open(store: &Path, told: u64) -> rusqlite::Result<(u64, u64)> {
    let connection = Connection::open_with_flags(store, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let check: String = connection.query_row("PRAGMA quick_check", (), |row| row.get(0))?;
    if check != "ok" {
        return Err(rusqlite::Error::InvalidColumnName(check));
    }
    let tables: u32 = connection.query_row("SELECT count(*) FROM sqlite_master", (), |row| row.get(0))?;
    if tables == 0 {
        return Ok((0, 0));
    }
    let sql = "SELECT count(*), coalesce(sum(value), 0) FROM samples WHERE time < ?";
    connection
        .query_row(sql, [BASE + told as i64], |row| Ok((row.get::<_, i64>(0)? as u64, row.get::<_, i64>(1)? as u64)))
}
