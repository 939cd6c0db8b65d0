//! What a command must pass before it is done: not from before this run, good, fresh, not too soon, in its turn, and noted.

use std::time::Duration;

use fieldflow_contract::{Batch, BuildContext, Findings, Level, Record, Tag, TagMap, Timestamp};
use tokio::time::{Instant, sleep, sleep_until};

use super::book::{Book, Refused};

/// How long to wait before what was not sent is tried again.
pub(crate) const AGAIN: Duration = Duration::from_millis(50);

/// What the options say of commands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// How old a command may be.
    pub(crate) expire: Duration,
    /// Whether records of Uncertain quality are written.
    pub(crate) uncertain: bool,
    /// Most writes in a second; more than 0.
    pub(crate) rate: f64,
}

/// The gates of one node, with its book behind them.
pub(crate) struct Gates {
    limits: Limits,
    /// When something was written last; then when each tag was.
    last: Option<Instant>,
    last_of: TagMap<Instant>,
    /// When this run began.
    began: Timestamp,
    pub(crate) book: Book,
}

/// Reports a rate that is out of bounds.
pub(crate) fn check_rate(rate: f64, what: &str, findings: &mut Findings) {
    if !(0.001..=1000.0).contains(&rate) {
        findings
            .error("rate", format!("{rate} is not between 0.001 and 1000 {what} in a second"))
            .help(format!("write how many {what} the device can take, such as 10"));
    }
}

impl Gates {
    /// Gates of which none has been passed yet.
    pub(crate) fn new(limits: Limits, context: &BuildContext, device: String) -> Self {
        Self {
            limits,
            last: None,
            last_of: TagMap::default(),
            began: context.clock.now(),
            book: Book::new(context, device),
        }
    }

    /// Whether a record may be taken for a command at all: of this run, and of a quality that can be acted upon.
    pub(crate) fn admit(&self, record: &Record, batch: &Batch) -> Result<(), Refused> {
        if batch.is_replayed() && batch.received() < self.began {
            let reason = "it was received before this run began, and may have been written then";
            return Err(("from_before", reason.to_owned()));
        }
        if record.quality.level() == Level::Bad || !(record.quality.is_good() || self.limits.uncertain) {
            return Err(("quality", format!("its quality is {}", record.quality)));
        }
        Ok(())
    }

    /// How long a command may still be written, by the option and by who sent it.
    pub(crate) fn rest(&self, record: &Record, batch: &Batch, why: &str) -> Result<Duration, Refused> {
        let (now, limit) = (self.book.clock.now(), self.limits.expire);
        let age = now.since(record.time.min(batch.received()));
        let expired = |reason| Err(("expired", reason));
        let Some(rest) = limit.checked_sub(age) else {
            return expired(format!("the command is {age:.1?} old and expires after {limit:?}{why}"));
        };
        match batch.expires() {
            Some(end) if end <= now => {
                let ago = now.since(end);
                expired(format!("whoever sent the command let it expire, {ago:.1?} ago{why}"))
            }
            Some(end) => Ok(rest.min(end.since(now))),
            None => Ok(rest),
        }
    }

    /// Whether a tag was written so lately that it is not written again.
    pub(crate) fn not_too_soon(&self, tag: Tag, least: Duration) -> Result<(), Refused> {
        match self.last_of.get(tag).map(Instant::elapsed) {
            Some(ago) if ago < least => {
                let reason = format!("it was written {ago:.1?} ago, and is not written within {least:?}");
                Err(("too_soon", reason))
            }
            _ => Ok(()),
        }
    }

    /// Whether the turn of the next write comes before a command with so much time left has expired.
    pub(crate) fn in_turn(&self, rest: Duration) -> Result<(), Refused> {
        match (self.turn(), Instant::now().checked_add(rest)) {
            (Some(turn), Some(until)) if until < turn => {
                let reason = format!(
                    "it would have had to wait longer for its turn than the {rest:.1?} that it had, see `rate`"
                );
                Err(("expired", reason))
            }
            _ => Ok(()),
        }
    }

    /// Waits for the turn of the next write, and for room in the book for so many.
    pub(crate) async fn wait(&self, writes: usize, until: Option<Instant>) -> Result<(), Refused> {
        if let Some(turn) = self.turn() {
            sleep_until(turn).await;
        }
        while self.book.audit.room() < writes {
            if until.is_some_and(|until| until < Instant::now()) {
                return Err(("not_noted", "the disk does not take the book of writes".to_owned()));
            }
            sleep(AGAIN).await;
        }
        Ok(())
    }

    /// These tags are being written now.
    pub(crate) fn sent(&mut self, tags: impl IntoIterator<Item = Tag>) {
        self.last = Some(Instant::now());
        for tag in tags {
            *self.last_of.slot(tag) = self.last;
        }
    }

    fn turn(&self) -> Option<Instant> {
        self.last.and_then(|last| last.checked_add(Duration::from_secs_f64(1.0 / self.limits.rate)))
    }
}
