//! `generate`: records out of nothing, for trying out a pipeline and for measuring it.

mod config;
mod pace;
mod signal;

use std::path::Path;
use std::sync::Arc;

use fieldflow_contract::{
    Batch, BuildContext, BuildError, Carries, Clock, Delivery, Facts, Findings, Node, NodeError, NodeSpec, Ports,
    Record, Role, Source, Tag, Tags, Tally, Timestamp, Yield,
};
use tokio::time::Instant;

use config::{Config, Rate};
use pace::Pace;
use signal::Wave;

/// So many records are made at one go before other tasks get their turn: about half a millisecond's work.
const TURN: u64 = 16_384;

/// How far the time of day may run away from the schedule before record times follow it, in microseconds. Within it the
/// times of records are evenly spread.
const DRIFT: u64 = 1_000;

/// `type: generate`
pub(crate) struct Generate;

impl NodeSpec for Generate {
    const TYPE: &'static str = "generate";
    const ROLE: Role = Role::Source;
    const EXAMPLE: &'static str = "\
rate: 1000
tags:
  parts: { counter: {} }
  temperature: { sine: { period: 10s, amplitude: 5, offset: 20 } }
  level: { ramp: { from: 0, to: 100, period: 1m } }
  vibration: { noise: { mean: 0, sigma: 0.2 } }
";
    type Config = Config;

    fn ports(_: &Config) -> Ports {
        Ports::source(Carries::Values)
    }

    fn facts(config: &Config, _: &Path) -> Facts {
        let most = u64::from(config.batch);
        let (yields, batch) = match config.rate {
            // No record waits longer than a tenth of a second for its batch to fill.
            Rate::PerSecond(rate) => (Yield::PerSecond(rate), most.min((rate / 10.0).ceil() as u64).max(1)),
            Rate::Max => (Yield::AsTaken, most),
        };
        let batches = if let Yield::PerSecond(rate) = yields { Some(rate / batch as f64) } else { None };
        let tags = Tags::These(config.tags.keys().cloned().collect());
        Facts { yields, batch: Some(batch), batches, tags, ..Facts::default() }
    }

    fn check(config: &Config, findings: &mut Findings) {
        config::check(config, findings);
    }

    fn build(config: Config, context: &BuildContext) -> Result<Node, BuildError> {
        Generator::new(&config, context).map(Node::source)
    }
}

struct Generator {
    lanes: Vec<(Tag, Wave)>,
    /// Whose turn it is.
    lane: usize,
    /// `None` for as fast as it goes.
    pace: Option<Pace>,
    batch: u64,
    /// Records still to be made; `None` for no end.
    left: Option<u64>,
    start: Instant,
    /// The time of day at `start`, as far as the clock says now.
    origin: Timestamp,
    /// Records since other tasks had their turn.
    in_turn: u64,
    clock: Arc<dyn Clock>,
    tally: Tally,
}

impl Generator {
    fn new(config: &Config, context: &BuildContext) -> Result<Self, BuildError> {
        let lane = |(name, signal): (&String, &config::Signal)| {
            let tag = Tag::new(name).map_err(|error| BuildError(error.to_string()))?;
            Ok((tag, Wave::new(signal, config.seed, name)))
        };
        let lanes = config.tags.iter().map(lane).collect::<Result<Vec<_>, _>>()?;
        if lanes.is_empty() {
            return Err(BuildError("there is no tag to make records of: name one under `tags`".to_owned()));
        }
        let batch = u64::from(config.batch.max(1));
        let pace = match config.rate {
            Rate::PerSecond(rate) => Some(Pace::new(rate, batch)),
            Rate::Max => None,
        };
        Ok(Self {
            lanes,
            lane: 0,
            batch: pace.as_ref().map_or(batch, Pace::batch),
            pace,
            left: config.count,
            start: Instant::now(),
            origin: context.clock.now(),
            in_turn: 0,
            clock: Arc::clone(&context.clock),
            tally: context.tally.clone(),
        })
    }

    /// So many records; `due` says how many seconds after the start each of them is due.
    fn make(&mut self, records: u64, due: impl Fn(u64) -> f64) -> Vec<Record> {
        let make = |n| {
            let at = self.lane;
            self.lane = if at + 1 == self.lanes.len() { 0 } else { at + 1 };
            let (tag, wave) = &mut self.lanes[at];
            let seconds = due(n);
            let time = Timestamp(self.origin.0.saturating_add((seconds * 1e6 + 0.5) as i64));
            Record::good(*tag, time, wave.next(seconds))
        };
        (0..records).map(make).collect()
    }
}

impl Source for Generator {
    async fn connect(&mut self) -> Result<(), NodeError> {
        (self.start, self.origin) = (Instant::now(), self.clock.now());
        Ok(())
    }

    async fn read(&mut self) -> Result<Delivery, NodeError> {
        let records = self.left.map_or(self.batch, |left| left.min(self.batch));
        if records == 0 {
            return Err(NodeError::Ended);
        }
        // All waiting comes before the first change, for this future may be dropped while it waits.
        if let Some(pace) = &self.pace {
            pace.wait(self.start, records).await;
        }
        if TURN <= self.in_turn {
            self.in_turn = 0;
            tokio::task::yield_now().await;
        }
        self.in_turn += records;
        self.left = self.left.map(|left| left - records);

        let (elapsed, now) = (self.start.elapsed(), self.clock.now());
        let origin = now - elapsed;
        if DRIFT < origin.0.abs_diff(self.origin.0) {
            self.origin = origin;
        }
        let made = match &mut self.pace {
            Some(pace) => {
                let (first, missed) = pace.take(elapsed, records);
                if missed != 0 {
                    self.tally.add("missed", missed);
                }
                let rate = pace.rate();
                self.make(records, |n| first.saturating_add(n) as f64 / rate)
            }
            None => self.make(records, |_| elapsed.as_secs_f64()),
        };
        Batch::new(made, now).map(Delivery::unacked).ok_or(NodeError::Ended)
    }
}

#[cfg(test)]
mod tests;
