//! What a server made of what it was asked for, where that is something else: requested against revised, kind by kind.

use std::collections::BTreeMap;

use opcua::types::MonitoredItemCreateResult;

use super::ladder::tags;
use super::subscription::{Given, Wanted};
use super::tags::Point;

/// Most pairs of a kind that are told.
const MOST: usize = 3;

/// What was asked for and what was given; of how many tags, and the first of them.
type Pairs = BTreeMap<(String, String), (usize, String)>;

/// What was revised, by kind.
#[derive(Debug, Default)]
pub(super) struct Revised(BTreeMap<&'static str, Pairs>);

impl Revised {
    /// What became of a subscription for so many tags.
    pub(super) fn subscription(&mut self, wanted: Wanted, given: Given, count: usize, first: &str) {
        let asked = wanted.publishing.as_secs_f64() * 1e3;
        if 0.5 < (asked - given.millis).abs() {
            self.note("publishing interval", millis(asked), millis(given.millis), count, first);
        }
        for (kind, asked, given) in [
            ("keep-alive count", wanted.lasting.keep_alive, given.keep_alive),
            ("lifetime count", wanted.lasting.lifetime, given.lifetime),
        ] {
            if asked != given {
                self.note(kind, asked.to_string(), given.to_string(), count, first);
            }
        }
    }

    /// What became of an item.
    pub(super) fn item(&mut self, point: &Point, given: &MonitoredItemCreateResult) {
        let tag = point.tag.name();
        // Who asks for as often as it can be done takes whatever that is.
        let asked = point.sampling.filter(|span| !span.is_zero()).map(|span| span.as_secs_f64() * 1e3);
        let revised = given.revised_sampling_interval;
        if let Some(asked) = asked.filter(|asked| revised.is_nan() || 0.5 < (asked - revised).abs()) {
            self.note("sampling interval", millis(asked), millis(revised), 1, tag);
        }
        let (asked, revised) = (point.queue, given.revised_queue_size);
        if asked != revised {
            self.note("queue size", asked.to_string(), revised.to_string(), 1, tag);
        }
    }

    fn note(&mut self, kind: &'static str, asked: String, given: String, count: usize, first: &str) {
        let pair = self.0.entry(kind).or_default().entry((asked, given)).or_insert_with(|| (0, first.to_owned()));
        pair.0 += count;
    }

    /// A line for each kind.
    pub(super) fn lines(&self) -> Vec<String> {
        let line = |(kind, pairs): (&&str, &Pairs)| {
            let said = |((asked, given), (count, first)): (&(String, String), &(usize, String))| {
                format!("{given} instead of {asked} for {}, such as `{first}`", tags(*count))
            };
            let mut all: Vec<String> = pairs.iter().take(MOST).map(said).collect();
            all.extend(
                pairs
                    .len()
                    .checked_sub(MOST)
                    .filter(|more| *more != 0)
                    .map(|more| format!("and {more} more such pairs")),
            );
            format!("the server has revised the {kind}: {}", all.join("; "))
        };
        self.0.iter().map(line).collect()
    }
}

fn millis(millis: f64) -> String {
    format!("{} ms", (millis * 1e3).round() / 1e3)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::opcua::options::Lasting;

    #[test]
    fn what_was_asked_for_and_what_was_given_stand_beside_each_other() {
        let lasting = Lasting { keep_alive: 10, lifetime: 1200 };
        let wanted = Wanted { publishing: Duration::from_millis(100), lasting };
        let mut revised = Revised::default();
        revised.subscription(wanted, Given { millis: 100.2, keep_alive: 10, lifetime: 1200 }, 5, "a");
        assert_eq!(revised.lines(), Vec::<String>::new());
        revised.subscription(wanted, Given { millis: 250.0, keep_alive: 10, lifetime: 600 }, 5, "a");
        revised.subscription(wanted, Given { millis: 250.0, keep_alive: 10, lifetime: 600 }, 2, "b");
        assert_eq!(
            revised.lines(),
            [
                "the server has revised the lifetime count: 600 instead of 1200 for 7 tags, such as `a`",
                "the server has revised the publishing interval: 250 ms instead of 100 ms for 7 tags, such as `a`",
            ]
        );
    }
}
