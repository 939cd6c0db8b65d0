//! `stale`: says so when nothing more is heard of a tag.

use fieldflow_contract::{
    At, Batch, BuildContext, BuildError, Carries, Cause, Findings, Node, NodeSpec, Outputs, Ports, Quality, Record,
    Role, Span, Tag, TagMap, TagSelector, Timestamp, Transform, Value,
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::transform::kit::batches::Frame;
use crate::transform::kit::deadlines::Deadlines;
use crate::transform::kit::quality::worse;
use crate::transform::kit::rules::{self, Rules};

/// `type: stale`
pub(crate) struct Stale;

/// Repeats the last value of a tag as uncertain when no record of it has come for a while.
///
/// Every record passes untouched. When a tag has been silent for `after`, its last value leaves once more with `quality` and
/// with the time of the machine; its next record ends that by itself. It is told once for each silence, or again `every` so
/// often. A tag of `expect` that was never heard of leaves as `null` with `bad:no_data`. The first rule that names a tag is
/// used; one that no rule names is not watched.
///
/// Where the clock of the device is behind that of the machine, what is told here may bear a later time than the records that
/// follow. A batch that waited on disk counts as heard of when it comes by.
///
/// Bad quality: a Bad record is a record, so the tag is not silent. If the last record was worse than `quality`, what is told
/// has the quality of that record; it never becomes better by getting old.
/// Restart: nothing is kept over it; what is expected is waited for anew, other tags from their first record on.
/// Time: the time of the machine.
/// Memory: one value for each tag that came by or is expected, bounded by the table of tags.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// The rules, at least one; the first that names a tag is used for it.
    #[schemars(length(min = 1))]
    pub(crate) rules: Vec<Rule>,
    /// The names of tags that are to come: they are waited for from the start, not only from their first record on. A rule has
    /// to name each of them. Default: none.
    #[serde(default)]
    pub(crate) expect: Vec<String>,
}

/// How long some tags may be silent.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rule {
    /// The tags that the rule is for: a name, a pattern such as `press.*`, or a list of them.
    pub(crate) tags: TagSelector,
    /// Longest silence that is still normal, such as `30s`: three times the interval of the source is a good choice. Longer
    /// than zero.
    pub(crate) after: Span,
    /// How often it is told again while the tag stays silent. Longer than zero. Default: it is told once.
    #[serde(default)]
    pub(crate) every: Option<Span>,
    /// The quality that the last value gets, such as `bad:no_communication`. Default `uncertain:last_usable`.
    #[serde(default = "last_usable")]
    pub(crate) quality: Quality,
}

fn last_usable() -> Quality {
    Quality::UNCERTAIN_LAST_USABLE
}

impl NodeSpec for Stale {
    const TYPE: &'static str = "stale";
    const ROLE: Role = Role::Transform;
    const EXAMPLE: &'static str = "\
rules:
  - { tags: \"press.*\", after: 30s }
  - { tags: \"meters.*\", after: 1h, every: 1h, quality: bad:no_communication }
expect: [press.temperature, press.pressure]
";
    type Config = Config;

    fn ports(_: &Config) -> Ports {
        Ports::transform(Carries::Any, Carries::Same)
    }

    fn check(config: &Config, findings: &mut Findings) {
        rules::check_order(config.rules.iter().map(|rule| &rule.tags), findings);
        for (n, rule) in config.rules.iter().enumerate() {
            let at = At::from("rules").index(n);
            if rule.after.0.is_zero() {
                findings
                    .error(at.clone().key("after"), "every tag is silent for no time at all")
                    .help("say about three times the interval of the source, such as 30s");
            }
            if rule.every.is_some_and(|every| every.0.is_zero()) {
                findings
                    .error(at.clone().key("every"), "it cannot be told again after no time at all")
                    .help("say how often, such as 10m, or leave the option out to be told once");
            }
            if rule.quality.is_good() {
                findings.warning(at.key("quality"), "a value that is stale and good looks like a live one");
            }
        }
        for (n, name) in config.expect.iter().enumerate() {
            let at = At::from("expect").index(n);
            match Tag::new(name) {
                Err(wrong) => {
                    findings.error(at, wrong.to_string());
                }
                Ok(tag) if !config.rules.iter().any(|rule| rule.tags.selects(tag)) => {
                    findings
                        .error(at, format!("no rule names `{name}`, so nobody knows how long to wait for it"))
                        .help("names are meant here, not patterns; add a rule whose `tags` take it in");
                }
                Ok(_) => {}
            }
        }
    }

    fn build(config: Config, _: &BuildContext) -> Result<Node, BuildError> {
        let expect = config.expect.iter().map(|name| Tag::new(name));
        let expect = expect.collect::<Result<_, _>>().map_err(|full| BuildError(full.to_string()))?;
        let rules = config.rules.into_iter().map(|rule| (rule.tags.clone(), rule));
        Ok(Node::transform(Watcher::new(Rules::new(rules), expect)))
    }
}

struct Watcher {
    rules: Rules<Rule>,
    last: TagMap<Last>,
    deadlines: Deadlines,
}

/// The last record of a tag.
struct Last {
    value: Value,
    quality: Quality,
    time: Timestamp,
}

impl Watcher {
    fn new(mut rules: Rules<Rule>, expect: Vec<Tag>) -> Self {
        let mut deadlines = Deadlines::default();
        for tag in expect {
            if let Some(rule) = rules.of(tag) {
                // The first look tells when the waiting begins.
                deadlines.set(tag, rule.after.0, Timestamp(i64::MIN));
            }
        }
        Self { rules, last: TagMap::default(), deadlines }
    }
}

impl Rule {
    fn tell(&self, tag: Tag, last: Option<&Last>, now: Timestamp) -> Record {
        let Some(Last { value, quality, .. }) = last else { return Record::bad(tag, now, Quality::BAD_NO_DATA) };
        Record { tag, quality: worse(self.quality, *quality), time: now, value: value.clone() }
    }
}

impl Transform for Watcher {
    fn apply(&mut self, batch: Batch, out: &mut Outputs) -> Result<(), Cause> {
        for record in batch.records() {
            let Some(rule) = self.rules.of(record.tag) else { continue };
            let last = self.last.slot(record.tag);
            // What waited on disk may be older than what is known.
            if !batch.is_replayed() || last.as_ref().is_none_or(|last| last.time <= record.time) {
                let Record { value, quality, time, .. } = record;
                *last = Some(Last { value: value.clone(), quality: *quality, time: *time });
            }
            self.deadlines.set(record.tag, rule.after.0, batch.received());
        }
        out.emit(batch);
        Ok(())
    }

    fn due(&self) -> Option<Timestamp> {
        self.deadlines.next()
    }

    fn tick(&mut self, now: Timestamp, out: &mut Outputs) {
        self.deadlines.look(now);
        let mut told = Vec::new();
        while let Some((tag, waited)) = self.deadlines.pop(now) {
            let Some(rule) = self.rules.of(tag) else { continue };
            told.push(rule.tell(tag, self.last.get(tag), now));
            if let Some(every) = rule.every {
                self.deadlines.extend(tag, waited.saturating_add(every.0));
            }
        }
        Frame::at(now).emit(told, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transform::kit::testing::{at, build, emitted, play};
    use proptest::prelude::*;
    use serde_json::json;

    fn seconds(seconds: i64) -> Timestamp {
        Timestamp(seconds * 1_000_000)
    }

    #[test]
    fn what_is_expected_is_waited_for_from_the_first_tick_on() {
        let options = json!({ "rules": [{ "tags": "*", "after": "5s" }], "expect": ["stale.expected"] });
        let mut node = build(&Stale, options);
        assert!(node.due().is_some_and(|due| due <= seconds(0)));
        let mut out = Outputs::default();
        node.tick(seconds(100), &mut out);
        assert_eq!((node.due(), emitted(&mut out)), (Some(seconds(105)), vec![]));
        node.tick(seconds(105), &mut out);
        let told = Record::bad(Tag::new("stale.expected").unwrap(), seconds(105), Quality::BAD_NO_DATA);
        assert_eq!((node.due(), emitted(&mut out)), (None, vec![told]));
    }

    #[test]
    fn records_of_one_tag_leave_one_time_to_look_at() {
        let mut node = build(&Stale, json!({ "rules": [{ "tags": "*", "after": "5s" }] }));
        for second in 0..4 {
            play(&mut *node, vec![at("stale.queue", second, Value::I64(second))]);
        }
        let (mut out, mut looks) = (Outputs::default(), 0);
        while let Some(due) = node.due() {
            node.tick(due, &mut out);
            looks += 1;
        }
        assert_eq!((looks, emitted(&mut out).len()), (2, 1));
    }

    proptest! {
        #[test]
        fn a_silence_is_told_once_and_exactly_when_it_is_one(gaps in prop::collection::vec(1..12_i64, 1..40)) {
            let mut node = build(&Stale, json!({ "rules": [{ "tags": "*", "after": "5s" }] }));
            let (mut time, mut told, mut expected) = (0, Vec::new(), Vec::new());
            let mut out = Outputs::default();
            for gap in gaps {
                play(&mut *node, vec![at("stale.model", time, Value::I64(time))]);
                if 5 <= gap {
                    expected.push(time + 5);
                }
                time += gap;
                while let Some(due) = node.due().filter(|due| *due <= seconds(time)) {
                    node.tick(due, &mut out);
                    prop_assert_ne!(node.due(), Some(due));
                }
                told.extend(emitted(&mut out).iter().map(|record| record.time.0 / 1_000_000));
            }
            prop_assert_eq!(told, expected);
        }
    }
}
