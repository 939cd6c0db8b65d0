//! What a case lets go wrong, on the virtual clock.

use std::borrow::Cow;
use std::str::FromStr;
use std::time::Duration;

use fieldflow_contract::{Quality, Role, Span, Timestamp};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};

use crate::graph::Graph;

/// A moment of a case: a time such as `2026-01-01T00:00:10Z`, or so long after the first record, such as `10s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moment {
    After(Duration),
    At(Timestamp),
}

impl Moment {
    pub(super) fn when(self, began: Timestamp) -> Timestamp {
        match self {
            Self::After(span) => began + span,
            Self::At(time) => time,
        }
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        let wrong = || format!("`{text}` is neither a time after the first record, such as 10s, nor a time of day");
        match (Span::from_str(&text), Timestamp::from_str(&text)) {
            (Ok(span), _) => Ok(Self::After(span.0)),
            (_, Ok(time)) => Ok(Self::At(time)),
            _ => Err(de::Error::custom(wrong())),
        }
    }
}

impl JsonSchema for Moment {
    fn schema_name() -> Cow<'static, str> {
        "Moment".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "examples": ["10s", "2026-01-01T00:00:10Z"] })
    }
}

/// Something that goes wrong: exactly one of `disconnect`, `bad_quality`, `sink_down`, `sink_slow`, `sink_rejects`, `restart`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Fault {
    /// When it begins.
    at: Moment,
    /// How long it lasts; all but `restart` need it.
    #[serde(rename = "for")]
    lasts: Option<Span>,
    /// The source whose link is lost: one Bad record for each of its tags; what its file has meanwhile is not read.
    disconnect: Option<String>,
    /// The source whose records have a quality that is not good; a Bad one leaves no value.
    bad_quality: Option<String>,
    /// The quality for `bad_quality`. Default `bad`.
    quality: Option<Quality>,
    /// The sink that cannot be reached.
    sink_down: Option<String>,
    /// The sink that is slow.
    sink_slow: Option<String>,
    /// How long each write of `sink_slow` takes. Default 1s.
    delay: Option<Span>,
    /// The sink that refuses every batch for good.
    sink_rejects: Option<String>,
    /// The process is killed and starts again at once; what was not acknowledged comes again from sources that can
    /// (a subscription, a queue, a file; a polled device cannot).
    restart: Option<bool>,
}

/// A stretch of time, its end not included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) from: Timestamp,
    pub(super) to: Timestamp,
}

impl Window {
    pub(super) fn has(&self, time: Timestamp) -> bool {
        self.from <= time && time < self.to
    }
}

/// What befalls a source.
#[derive(Debug, Clone, Default)]
pub(super) struct SourceFaults {
    pub(super) disconnects: Vec<Window>,
    pub(super) bad: Vec<(Window, Quality)>,
}

/// What befalls a sink.
#[derive(Debug, Clone, Default)]
pub(super) struct SinkFaults {
    pub(super) down: Vec<Window>,
    pub(super) slow: Vec<(Window, Duration)>,
    pub(super) rejects: Vec<Window>,
}

/// Everything that goes wrong in a case.
#[derive(Debug, Default)]
pub(super) struct Faults {
    sources: Vec<(String, SourceFaults)>,
    sinks: Vec<(String, SinkFaults)>,
    pub(super) restarts: Vec<Timestamp>,
    /// When the last of it is over.
    pub(super) over: Option<Timestamp>,
}

impl Fault {
    /// An option of another fault would do nothing.
    fn has_only_its_own(&self) -> Result<(), String> {
        for (option, is_given, fits) in [
            ("for", self.lasts.is_some(), self.restart.is_none()),
            ("quality", self.quality.is_some(), self.bad_quality.is_some()),
            ("delay", self.delay.is_some(), self.sink_slow.is_some()),
        ] {
            if is_given && !fits {
                return Err(format!("`{option}` means nothing here"));
            }
        }
        if self.quality.is_some_and(Quality::is_good) {
            return Err("`quality: good` is no fault".to_owned());
        }
        Ok(())
    }
}

/// What is wrong with a fault, by its place in the list.
fn at(place: usize, reason: &str) -> String {
    format!("case.yaml: faults[{place}]: {reason}")
}

impl Faults {
    /// A fault before the first record or after the end of the input would never befall anybody.
    pub(super) fn check_times(faults: &[Fault], began: Timestamp, ends: Timestamp) -> Result<(), String> {
        for (n, fault) in faults.iter().enumerate() {
            let from = fault.at.when(began);
            if from < began || ends <= from {
                return Err(at(n, &format!("it never happens: the case goes from {began} to {ends}")));
            }
        }
        Ok(())
    }

    pub(super) fn of_source(&self, name: &str) -> SourceFaults {
        self.sources.iter().find(|(node, _)| node == name).map(|(_, faults)| faults.clone()).unwrap_or_default()
    }

    pub(super) fn of_sink(&self, name: &str) -> SinkFaults {
        self.sinks.iter().find(|(node, _)| node == name).map(|(_, faults)| faults.clone()).unwrap_or_default()
    }

    /// Puts the faults of a case in order; says what is wrong with them.
    pub(super) fn plan(faults: &[Fault], began: Timestamp, graph: &Graph) -> Result<Self, String> {
        let mut plan = Self::default();
        for (n, fault) in faults.iter().enumerate() {
            fault.has_only_its_own().and_then(|()| plan.add(fault, began, graph)).map_err(|reason| at(n, &reason))?;
        }
        plan.restarts.sort_unstable();
        plan.sources.iter_mut().for_each(|(_, faults)| faults.disconnects.sort_unstable_by_key(|window| window.from));
        Ok(plan)
    }

    fn add(&mut self, fault: &Fault, began: Timestamp, graph: &Graph) -> Result<(), String> {
        let named = [
            ("disconnect", &fault.disconnect, Role::Source),
            ("bad_quality", &fault.bad_quality, Role::Source),
            ("sink_down", &fault.sink_down, Role::Sink),
            ("sink_slow", &fault.sink_slow, Role::Sink),
            ("sink_rejects", &fault.sink_rejects, Role::Sink),
        ];
        let mut named = named.iter().filter_map(|(kind, node, role)| Some((*kind, node.as_ref()?, *role)));
        let from = fault.at.when(began);
        let (kind, node, role) = match (named.next(), named.next(), fault.restart) {
            (None, None, Some(true)) => {
                self.restarts.push(from);
                // There is a moment after it, or it would not be seen.
                self.lasts_until(from + Duration::from_millis(1));
                return Ok(());
            }
            (Some(named), None, None) => named,
            _ => {
                return Err(
                    "say exactly one of `disconnect`, `bad_quality`, `sink_down`, `sink_slow`, `sink_rejects` \
                            and `restart: true`"
                        .to_owned(),
                );
            }
        };
        if !graph.nodes().any(|known| known.name == *node && known.kind.role() == role) {
            return Err(format!("`{kind}: {node}`: the pipeline has no {} `{node}`", role.word()));
        }
        let lasts = fault.lasts.ok_or_else(|| format!("`{kind}` needs `for`, such as `for: 30s`"))?;
        let window = Window { from, to: from + lasts.0 };
        self.lasts_until(window.to);
        let quality = fault.quality.unwrap_or(Quality::BAD);
        let delay = fault.delay.map_or(Duration::from_secs(1), |delay| delay.0);
        match kind {
            "disconnect" => entry(&mut self.sources, node).disconnects.push(window),
            "bad_quality" => entry(&mut self.sources, node).bad.push((window, quality)),
            "sink_down" => entry(&mut self.sinks, node).down.push(window),
            "sink_slow" => entry(&mut self.sinks, node).slow.push((window, delay)),
            _ => entry(&mut self.sinks, node).rejects.push(window),
        }
        Ok(())
    }

    fn lasts_until(&mut self, end: Timestamp) {
        self.over = self.over.max(Some(end));
    }
}

fn entry<'a, T: Default>(list: &'a mut Vec<(String, T)>, name: &str) -> &'a mut T {
    let at = list.iter().position(|(known, _)| known == name).unwrap_or_else(|| {
        list.push((name.to_owned(), T::default()));
        list.len() - 1
    });
    &mut list[at].1
}
