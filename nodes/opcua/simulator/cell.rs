//! A value of the simulated server: of what type it is, and how it moves.

use std::f64::consts::TAU;
use std::time::Duration;

use opcua::types::{Array, DataTypeId, DateTime, NodeId, Variant, VariantScalarTypeId};

use super::super::tags::Point;

/// A variable that moves.
#[derive(Debug, Clone)]
pub(super) struct Cell {
    pub(super) id: NodeId,
    pub(super) kind: Kind,
    /// So that no two move alike.
    pub(super) phase: f64,
    /// Whether it has ever moved.
    pub(super) has_moved: bool,
    /// Whether somebody else has written it: it stands still from then on.
    pub(super) is_written: bool,
}

impl Cell {
    pub(super) fn new(id: NodeId, kind: Kind, phase: f64) -> Self {
        Self { id, kind, phase, has_moved: false, is_written: false }
    }
}

/// Of what type a variable is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A Double, slowly up and down between 40 and 80.
    Wave,
    /// So many of them, as an array.
    Waves(usize),
    /// An Int32 that counts up.
    Count,
    /// A Boolean.
    Switch,
    /// An enumeration.
    State,
    /// A String with a counter in it.
    Text,
    /// A `DateTime`: now.
    Clock,
}

/// The last word of a tag, and what such a tag is.
const WORDS: [(Kind, &[&str]); 5] = [
    (Kind::Count, &["count", "counter", "total", "pieces", "number", "cycles"]),
    (Kind::Switch, &["running", "on", "off", "ok", "active", "enabled", "ready", "open", "closed", "fault", "alarm"]),
    (Kind::State, &["state", "status", "mode", "step"]),
    (Kind::Text, &["name", "text", "message", "recipe", "batch", "order", "product", "serial", "operator"]),
    (Kind::Clock, &["time", "clock", "timestamp"]),
];

/// The names of the enumeration.
pub(super) const STATES: [&str; 4] = ["Stopped", "Starting", "Running", "Fault"];

impl Kind {
    /// What the options of a tag say it is; else what its name says.
    pub(super) fn of(point: &Point) -> Self {
        if let Some(last) = last_element(point) {
            return Self::Waves(last + 1);
        }
        if point.names {
            return Self::State;
        }
        if point.deadband.is_some() {
            return Self::Wave;
        }
        let name = point.tag.name().to_lowercase();
        let word = name.rsplit(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
        let known = WORDS.iter().find(|(_, words)| words.contains(&word));
        known.map_or(Self::Wave, |(kind, _)| *kind)
    }

    /// What two tags of one node are.
    pub(super) fn with(self, other: Self) -> Self {
        match (self, other) {
            (Self::Waves(a), Self::Waves(b)) => Self::Waves(a.max(b)),
            (Self::Waves(_), _) => self,
            (_, Self::Waves(_)) => other,
            (first, _) => first,
        }
    }

    /// The data type, for those that are of the standard.
    pub(super) fn data_type(self) -> Option<DataTypeId> {
        match self {
            Self::Wave | Self::Waves(_) => Some(DataTypeId::Double),
            Self::Count => Some(DataTypeId::Int32),
            Self::Switch => Some(DataTypeId::Boolean),
            Self::Text => Some(DataTypeId::String),
            Self::Clock => Some(DataTypeId::DateTime),
            Self::State => None,
        }
    }

    /// The value at this age of the server.
    pub(super) fn value(self, phase: f64, age: Duration) -> Variant {
        let seconds = age.as_secs_f64() + phase;
        let wave = |phase: f64| 60.0 + 20.0 * (TAU * (seconds + phase) / 30.0).sin();
        match self {
            Self::Wave => Variant::Double(wave(0.0)),
            Self::Waves(count) => {
                let values = (0..count).map(|index| Variant::Double(wave(index as f64))).collect();
                let array = Array { value_type: VariantScalarTypeId::Double, values, dimensions: None };
                Variant::Array(Box::new(array))
            }
            Self::Count => Variant::Int32((seconds * 10.0) as i32),
            Self::Switch => Variant::Boolean(((seconds / 5.0) as u64).is_multiple_of(2)),
            Self::State => Variant::Int32((seconds / 2.0) as i32 % STATES.len() as i32),
            Self::Text => Variant::String(format!("{:04} SIMULATED", seconds as u64 % 10_000).into()),
            Self::Clock => Variant::DateTime(Box::new(DateTime::now())),
        }
    }
}

/// Of an array: the last element that the tag is about.
fn last_element(point: &Point) -> Option<usize> {
    /// Longest array.
    const MOST: usize = 1023;
    let of_index = point.index.as_ref().map(|index| {
        let numbers = index.split([':', ',']).filter_map(|number| number.trim().parse::<usize>().ok());
        numbers.max().unwrap_or(0).min(MOST)
    });
    of_index.or(point.elements.then_some(3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_values_of_a_moving_tag_are_equal_for_long() {
        for kind in [Kind::Wave, Kind::Waves(3), Kind::Count, Kind::Switch, Kind::State, Kind::Text] {
            let values: Vec<Variant> = (0..12).map(|s| kind.value(0.0, Duration::from_secs(s))).collect();
            assert!(values.iter().any(|value| *value != values[0]), "{kind:?}: {values:?}");
        }
    }
}
