//! Power cuts: the writes and syncs of a run are recorded, and thousands of disks made of them that a power cut could leave.

use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use crate::account::last;
use crate::engine::{Home, Pipeline};
use crate::journal::Journal;
use crate::replay::Log;
use crate::setup::{Setup, figure};
use crate::shim::{environment, shim};

/// Enough for several checkpoints, and few enough for small images.
const RECORDS: u64 = 30_000;

/// Records in a batch, and so in a row of the queue.
const BATCH: u64 = 20;

#[test]
fn what_the_store_acknowledged_with_durability_power_survives_a_power_cut() {
    let mut setup = Setup::in_memory("power cut, source -> store");
    let Some(shim) = shim() else { return };
    let images: usize = figure("FIELDFLOW_IMAGES", 3000);
    let store = |durability| format!("durability: {durability}, flush: {{ rows: {BATCH}, every: 0s }}");
    let seen = Case { name: "power", edge: "", store: store("power"), images: images / 2 }.cut(&mut setup, shim);
    seen.must_be_whole();

    // Where nothing waits for the disk, the same harness must see losses, or it sees nothing at all.
    let seen = Case { name: "process", edge: "", store: store("process"), images: images / 10 }.cut(&mut setup, shim);
    assert!(seen.broken.is_empty(), "{} images cannot be read: {}", seen.broken.len(), seen.broken[0]);
    assert!(!seen.losses.is_empty(), "no image of `durability: process` has lost anything: this test is blind");
}

#[test]
fn what_a_durable_edge_acknowledged_survives_a_power_cut() {
    let mut setup = Setup::in_memory("power cut, source -> durable edge -> store");
    let Some(shim) = shim() else { return };
    let images: usize = figure("FIELDFLOW_IMAGES", 3000);
    let store = "flush: { rows: 200, every: 0s }".to_owned();
    let seen = Case { name: "durable", edge: "durable: true", store, images: images / 2 }.cut(&mut setup, shim);
    seen.must_be_whole();
}

/// A run whose power is cut.
struct Case {
    name: &'static str,
    edge: &'static str,
    store: String,
    images: usize,
}

/// What was seen in the images.
#[derive(Default)]
struct Seen {
    broken: Vec<String>,
    losses: Vec<String>,
    worst: u64,
}

impl Seen {
    fn must_be_whole(&self) {
        assert!(self.broken.is_empty(), "{} images are broken: {}", self.broken.len(), self.broken[0]);
        assert!(self.losses.is_empty(), "{} images lost something: {}", self.losses.len(), self.losses[0]);
    }
}

impl Case {
    fn cut(&self, setup: &mut Setup, shim: &Path) -> Seen {
        let Self { name, edge, store, images } = self;
        let home = Home::new(setup.folder(name));
        let log = setup.folder("logs").join(name);
        let pipeline = Pipeline::into_store(&format!("batch: {BATCH}, tags: 7, until: {RECORDS}"), edge, store);
        let mut watched = environment(shim, &home.folder);
        watched.push(("FIELDFLOW_SHIM_LOG", log.display().to_string()));
        let mut engine = home.start(&pipeline, &[], &watched);
        let status = engine.wait(Duration::from_secs(60));
        assert!(status.is_some_and(|status| status.success()), "{status:?}: {}", last(&engine.said()));

        let log = Log::read(&log, &home.folder);
        let calls = log.len();
        let moments = (0..*images).map(|_| (setup.dice.usize(..calls), setup.dice.u64(..)));
        let mut moments: Vec<(usize, u64)> = moments.collect();
        moments.sort_unstable();
        let halves: [Vec<_>; 2] = [0, 1].map(|half| moments.iter().skip(half).step_by(2).copied().collect());
        let seen = Mutex::new(Seen::default());
        std::thread::scope(|scope| {
            for (number, half) in halves.iter().enumerate() {
                let place = setup.folder("images").join(format!("{name}-{number}"));
                let (log, seen) = (&log, &seen);
                scope.spawn(move || log.cut(half, &place, |image, journal, moment| look(image, journal, moment, seen)));
            }
        });
        let seen = seen.into_inner().unwrap();
        setup.says(format_args!(
            "{name}: {images} images of {calls} calls: {} broken, {} that lost something, at worst {} records",
            seen.broken.len(),
            seen.losses.len(),
            seen.worst
        ));
        seen
    }
}

/// Opens an image and compares it with what had been acknowledged by then.
fn look(image: &Path, journal: &Journal, moment: (usize, u64), seen: &Mutex<Seen>) {
    // A single life without failures: what is acknowledged is a beginning of what was sent.
    let mut acked: Vec<_> = journal.acknowledged().collect();
    acked.sort_unstable();
    let told = acked.iter().fold(0, |end, range| if range.first == end { range.end } else { end });
    let found = survivors(&image.join("data/crash"));
    let mut seen = seen.lock().unwrap();
    match found {
        Err(error) => seen.broken.push(format!("{moment:?}: {error}")),
        Ok(survived) if survived < told => {
            seen.worst = seen.worst.max(told - survived);
            seen.losses.push(format!("{moment:?}: {survived} of {told} acknowledged records"));
        }
        Ok(_) => {}
    }
}

/// Up to where every record is there: in the store, or behind what is in the store, in the queue.
fn survivors(folder: &Path) -> Result<u64, String> {
    let (store, queue) = (folder.join("plant.db"), folder.join("state.db"));
    let stored = open(&store, |connection| {
        let sql = "SELECT count(*), coalesce(sum(value), 0) FROM samples";
        connection.query_row(sql, (), |row| Ok((row.get::<_, i64>(0)? as u64, row.get::<_, i64>(1)? as u64)))
    })?;
    let (rows, sum) = stored.unwrap_or_default();
    // The records are numbered from 0 and hold their number: a beginning of them has this sum and no other.
    if sum != rows * rows.saturating_sub(1) / 2 {
        return Err(format!("{rows} rows in the store, which are no beginning: their sum is {sum}"));
    }
    let queued = open(&queue, |connection| {
        let sql = "SELECT id & ((1 << 47) - 1), records FROM batches ORDER BY id";
        let mut statement = connection.prepare(sql)?;
        let rows = statement.query_map((), |row| Ok((row.get::<_, i64>(0)? as u64, row.get::<_, i64>(1)? as u64)))?;
        rows.collect::<rusqlite::Result<Vec<_>>>()
    })?;
    let mut end = rows;
    for (sequence, records) in queued.unwrap_or_default() {
        let first = (sequence - 1) * BATCH;
        if first <= end {
            end = end.max(first + records);
        }
    }
    Ok(end)
}

/// Opens a file, lets SQLite check it, and asks it something; `None` if there is none, or nothing was committed to it.
fn open<T>(file: &Path, ask: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<Option<T>, String> {
    if !file.exists() {
        return Ok(None);
    }
    let asked = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_WRITE).and_then(|connection| {
        let check: String = connection.query_row("PRAGMA quick_check", (), |row| row.get(0))?;
        let tables: u32 = connection.query_row("SELECT count(*) FROM sqlite_schema", (), |row| row.get(0))?;
        let answer = if tables == 0 { None } else { Some(ask(&connection)?) };
        Ok((check, answer))
    });
    match asked {
        Ok((check, answer)) if check == "ok" => Ok(answer),
        Ok((check, _)) => Err(format!("{}: {check}", file.display())),
        Err(error) => Err(format!("{}: {error}", file.display())),
    }
}
