//! The last values of other tags, for `last`, `last_or` and `age`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fieldflow_contract::{Level, Quality, Record, Tag, TagMap, TagTableFull, Timestamp};
use rhai::{Dynamic, Engine, EvalAltResult, Position};

use super::dynamic;
use crate::transform::kit::quality::worse;

/// What is remembered of the tags that expressions read. It is shared with the functions of the engine; nobody else is there
/// to wait for.
#[derive(Debug, Default)]
pub(super) struct Others {
    watched: TagMap<()>,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Debug, Default)]
struct Seen {
    /// By the names that stand in the expressions, and so bounded by them.
    last: HashMap<Box<str>, Option<Last>>,
    /// The worst quality that was read since `begin`.
    worst: Quality,
    /// The time of the record that is evaluated.
    now: Timestamp,
}

#[derive(Debug)]
struct Last {
    /// `None`: bytes, which no expression can read.
    value: Option<Dynamic>,
    quality: Quality,
    time: Timestamp,
}

impl Others {
    pub(super) fn watch(&mut self, name: &str) -> Result<(), TagTableFull> {
        *self.watched.slot(Tag::new(name)?) = Some(());
        self.seen().last.entry(name.into()).or_default();
        Ok(())
    }

    pub(super) fn saw(&mut self, record: &Record) {
        if self.watched.get(record.tag).is_some()
            && let Some(last) = self.seen().last.get_mut(record.tag.name())
        {
            *last = Some(Last { value: dynamic(&record.value), quality: record.quality, time: record.time });
        }
    }

    pub(super) fn begin(&mut self, now: Timestamp) {
        let mut seen = self.seen();
        (seen.worst, seen.now) = (Quality::GOOD, now);
    }

    pub(super) fn worst(&self) -> Quality {
        self.seen().worst
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        lock(&self.seen)
    }

    pub(super) fn register(&self, engine: &mut Engine) {
        let seen = Arc::clone(&self.seen);
        engine.register_fn("last", move |name: &str| lock(&seen).read(name).or_else(no_result));
        let seen = Arc::clone(&self.seen);
        engine.register_fn("last_or", move |name: &str, other: Dynamic| lock(&seen).read(name).unwrap_or(other));
        let seen = Arc::clone(&self.seen);
        engine.register_fn("age", move |name: &str| {
            let seen = lock(&seen);
            let last =
                seen.last.get(name).and_then(Option::as_ref).map_or_else(|| no_result(Quality::BAD_NO_DATA), Ok)?;
            Ok::<_, Box<EvalAltResult>>(seen.now.0.saturating_sub(last.time.0) as f64 / 1e6)
        });
    }
}

impl Seen {
    /// The last value of a tag, if it can be used; else the reason why not.
    fn read(&mut self, name: &str) -> Result<Dynamic, Quality> {
        let Some(Some(last)) = self.last.get(name) else { return Err(Quality::BAD_NO_DATA) };
        if last.quality.level() == Level::Bad {
            return Err(last.quality);
        }
        let value = last.value.clone().ok_or(Quality::BAD_TYPE_MISMATCH)?;
        self.worst = worse(self.worst, last.quality);
        Ok(value)
    }
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

fn no_result<T>(reason: Quality) -> Result<T, Box<EvalAltResult>> {
    Err(Box::new(EvalAltResult::ErrorRuntime(Dynamic::from_int(i64::from(reason.0)), Position::NONE)))
}
