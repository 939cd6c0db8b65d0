//! What became of every record: the journal on one side, the store on the other.

use std::fmt;
use std::path::Path;

use rusqlite::{Connection, OpenFlags, types::Value};

use crate::journal::{BASE, Journal, tag_of};

/// The outcome of a comparison. All lists are of numbers, and short.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) sent: u64,
    pub(crate) acknowledged: u64,
    pub(crate) rows: u64,
    /// Acknowledged and not there.
    pub(crate) lost: Vec<u64>,
    /// There more often than it was sent.
    pub(crate) double: Vec<u64>,
    /// Rows too many because a batch was sent again that had been stored: the source's, not the engine's.
    pub(crate) sent_again: u64,
    /// Of Good quality, and not what was sent.
    pub(crate) wrong: Vec<String>,
    /// What SQLite has to say of its file, if not `ok`.
    pub(crate) damage: Option<String>,
    /// Seen for the first time after a later one was.
    pub(crate) out_of_order: Vec<u64>,
}

const LISTED: usize = 8;

impl Account {
    /// Compares a journal with a store, which nobody has open.
    pub(crate) fn of(journal: &Journal, store: &Path, tags: u64) -> Self {
        let mut seen = vec![0; journal.next() as usize];
        let mut account = Self::default();
        if let Err(error) = account.read(store, tags, &mut seen) {
            account.damage = Some(error.to_string());
        }
        account.compare(journal, &seen);
        account
    }

    /// Compares a journal with what the `recorder` wrote.
    pub(crate) fn of_recorded(journal: &Journal, recorded: &str) -> Self {
        let mut seen = vec![0; journal.next() as usize];
        let (mut account, mut newest) = (Self::default(), None);
        for line in recorded.lines().filter_map(|line| line.strip_suffix(';')) {
            account.rows += 1;
            let Some(number) = line.parse().ok().filter(|number: &usize| *number < seen.len()) else {
                account.wrong.push(line.to_owned());
                continue;
            };
            if seen[number] == 0 && Some(number) < newest {
                account.out_of_order.push(number as u64);
            }
            newest = newest.max(Some(number));
            seen[number] += 1;
        }
        account.compare(journal, &seen);
        account
    }

    fn compare(&mut self, journal: &Journal, seen: &[u16]) {
        let (mut sent, mut acked) = (vec![0_u16; seen.len()], vec![false; seen.len()]);
        for range in journal.sent() {
            sent[range.first as usize..range.end as usize].iter_mut().for_each(|times| *times += 1);
        }
        for range in journal.acknowledged() {
            acked[range.first as usize..range.end as usize].fill(true);
        }
        self.sent = seen.len() as u64;
        self.acknowledged = acked.iter().filter(|acked| **acked).count() as u64;
        for number in 0..seen.len() {
            if acked[number] && seen[number] == 0 {
                self.lost.push(number as u64);
            }
            if sent[number] < seen[number] {
                self.double.push(number as u64);
            } else {
                self.sent_again += u64::from(seen[number].saturating_sub(1));
            }
        }
    }

    fn read(&mut self, store: &Path, tags: u64, seen: &mut [u16]) -> rusqlite::Result<()> {
        // Writable, because what a kill left in the log is brought in by whoever opens it first.
        let connection = Connection::open_with_flags(store, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        let check: String = connection.query_row("PRAGMA quick_check", (), |row| row.get(0))?;
        self.damage = (check != "ok").then_some(check);
        let mut statement = connection.prepare("SELECT tag, time, value, quality FROM samples")?;
        let names: Vec<String> = (0..tags).map(|n| tag_of(n, tags)).collect();
        let mut rows = statement.query(())?;
        while let Some(row) = rows.next()? {
            self.rows += 1;
            let (time, quality): (i64, i64) = (row.get(1)?, row.get(3)?);
            let number = time.wrapping_sub(BASE);
            let place = usize::try_from(number).ok().filter(|number| *number < seen.len());
            let (value, tag): (Value, String) = (row.get(2)?, row.get(0)?);
            match place {
                Some(at) if value == Value::Integer(number) && tag == names[at % tags as usize] => seen[at] += 1,
                _ if quality == 0 && self.wrong.len() < LISTED => {
                    self.wrong.push(format!("{tag} at {number} is {value:?}"));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Fails unless everything acknowledged is there and in order, nothing is wrong, and the file is sound.
    #[track_caller]
    pub(crate) fn must_hold_everything(&self, said: &str) {
        assert!(
            self.lost.is_empty() && self.wrong.is_empty() && self.damage.is_none() && self.out_of_order.is_empty(),
            "{self}\nlost {}\nwrong {:?}\ndamage {:?}\nout of order {}\n{}",
            listed(&self.lost),
            self.wrong,
            self.damage,
            listed(&self.out_of_order),
            last(said)
        );
    }

    /// Fails if the engine, not the source, has written anything twice.
    #[track_caller]
    pub(crate) fn must_hold_nothing_twice(&self, said: &str) {
        assert!(self.double.is_empty(), "{self}\ntwice {}\n{}", listed(&self.double), last(said));
    }
}

fn listed(numbers: &[u64]) -> String {
    format!("{} numbers, from {:?} to {:?}", numbers.len(), numbers.first(), numbers.last())
}

/// The end of what a process said.
pub(crate) fn last(said: &str) -> &str {
    let from = said.len().saturating_sub(3000);
    said.get(said.ceil_char_boundary(from)..).unwrap_or_default()
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sent, acknowledged, rows, lost, double, sent_again, .. } = self;
        write!(
            f,
            "{sent} sent, {acknowledged} acknowledged, {rows} rows; {} lost, {} double",
            lost.len(),
            double.len()
        )?;
        write!(f, ", {sent_again} rows sent again by the source")
    }
}
