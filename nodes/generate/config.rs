//! The options of `generate`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use fieldflow_contract::{At, Findings, Span, Tag};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};

/// Makes records up, at a set rate or as fast as the edges take them: counters, sines, ramps and noise.
///
/// The tags take turns, sorted by name. The same options give the same values: noise comes from the seed and the name of the
/// tag, and the phase of a sine or a ramp is that of the schedule (record n is due n / rate seconds after the start). With
/// `rate: max` there is no schedule, and the phase is that of the clock.
///
/// With a rate, a batch is sent when its last record is due, each record bears the time at which it was due, and no record
/// waits more than a tenth of a second for its batch to fill. If the edges hold the node up, it catches up on the last second
/// at most; records missed beyond that are never made and are counted as `missed`. A counter has no holes even then.
/// With `rate: max`, all records of a batch bear the time at which it was made.
///
/// Bad quality: never; all records are Good.
/// Restart: nothing is kept over it; counters begin at 0 again.
/// Memory: one batch.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// Records a second over all tags together: a positive number, or `max` for as many as the edges take.
    pub(crate) rate: Rate,
    /// Most records in a batch. Default 100. Range 1 to 65536.
    #[serde(default = "default_batch")]
    #[schemars(range(min = 1, max = 65536))]
    pub(crate) batch: u32,
    /// Where noise begins: another seed, other noise. Default 0.
    #[serde(default)]
    pub(crate) seed: u64,
    /// Stop after so many records over all tags, at least 1. Default: never stop.
    #[serde(default)]
    #[schemars(range(min = 1))]
    pub(crate) count: Option<u64>,
    /// What each tag shows, by the tag's name; at least one.
    pub(crate) tags: BTreeMap<String, Signal>,
}

fn default_batch() -> u32 {
    100
}

/// What a tag shows.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Signal {
    /// Counts 0, 1, 2 and so on, as an integer and without holes.
    Counter {},
    /// offset + amplitude · sin(2π · time / period), as a double.
    Sine {
        /// How long one wave takes. Longer than zero. Default 10s.
        #[serde(default = "ten_seconds")]
        period: Span,
        /// How far the wave goes to each side of the offset. Default 1.
        #[serde(default = "one")]
        amplitude: f64,
        /// The middle of the wave. Default 0.
        #[serde(default)]
        offset: f64,
    },
    /// Goes straight from one value to another and jumps back, again and again, as a double.
    Ramp {
        /// Where it begins. Default 0.
        #[serde(default)]
        from: f64,
        /// Where it goes, without ever being there. Default 100.
        #[serde(default = "hundred")]
        to: f64,
        /// How long that takes. Longer than zero. Default 1m.
        #[serde(default = "one_minute")]
        period: Span,
    },
    /// Random values of the normal distribution, as doubles.
    Noise {
        /// The middle of the values. Default 0.
        #[serde(default)]
        mean: f64,
        /// Their standard deviation, 0 or more. Default 1.
        #[serde(default = "one")]
        #[schemars(range(min = 0.0))]
        sigma: f64,
    },
}

fn ten_seconds() -> Span {
    Span(std::time::Duration::from_secs(10))
}

fn one_minute() -> Span {
    Span(std::time::Duration::from_secs(60))
}

fn one() -> f64 {
    1.0
}

fn hundred() -> f64 {
    100.0
}

/// How many records a second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Rate {
    /// So many; finite and above 0.
    PerSecond(f64),
    /// As many as the edges take.
    Max,
}

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl de::Visitor<'_> for Visitor {
            type Value = Rate;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a positive number of records a second, or `max`")
            }
            fn visit_f64<E: de::Error>(self, rate: f64) -> Result<Rate, E> {
                if rate.is_finite() && 0.0 < rate {
                    Ok(Rate::PerSecond(rate))
                } else {
                    Err(E::invalid_value(de::Unexpected::Float(rate), &self))
                }
            }
            fn visit_u64<E: de::Error>(self, rate: u64) -> Result<Rate, E> {
                self.visit_f64(rate as f64)
            }
            fn visit_i64<E: de::Error>(self, rate: i64) -> Result<Rate, E> {
                self.visit_f64(rate as f64)
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Rate, E> {
                if text == "max" { Ok(Rate::Max) } else { Err(E::invalid_value(de::Unexpected::Str(text), &self)) }
            }
        }

        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for Rate {
    fn schema_name() -> Cow<'static, str> {
        "Rate".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [{ "type": "number", "exclusiveMinimum": 0 }, { "const": "max" }],
            "examples": [1000, "max"],
        })
    }
}

/// What the schema cannot see.
pub(super) fn check(config: &Config, findings: &mut Findings) {
    if config.tags.is_empty() {
        findings
            .error("tags", "there is no tag to make records of")
            .help("name at least one, such as `n: { counter: {} }`");
    }
    for (name, signal) in &config.tags {
        let at = At::from("tags").key(name);
        if let Err(error) = Tag::new(name) {
            findings.error(at.clone(), error.to_string());
        }
        match signal {
            Signal::Counter {} | Signal::Noise { .. } => {}
            Signal::Sine { period, .. } => check_period(*period, &at.key("sine"), findings),
            Signal::Ramp { period, .. } => check_period(*period, &at.key("ramp"), findings),
        }
    }
}

fn check_period(period: Span, at: &At, findings: &mut Findings) {
    if period.0.is_zero() {
        findings.error(at.clone().key("period"), "a period is longer than zero").help("say a time such as 10s");
    }
}
