//! Holds records against those that were expected: by value, in order, whole. Says where they part.

use std::fmt::Write as _;

use fieldflow_contract::{Record, Value, write_json_line};

use super::case::Lines;

/// Neighbours that are shown around the first difference.
const NEIGHBOURS: usize = 2;
/// How far it is looked for where the two run together again.
const LOOK_AHEAD: usize = 16;

/// How a difference is shown: with colour on a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Paint(bool);

impl Paint {
    fn line(self, sign: char, record: &Record, text: &mut String) {
        let (on, off) = match (self.0, sign) {
            (true, '-') => ("\x1b[31m", "\x1b[0m"),
            (true, '+') => ("\x1b[32m", "\x1b[0m"),
            (true, _) => ("\x1b[2m", "\x1b[0m"),
            (false, _) => ("", ""),
        };
        let _ = writeln!(text, "  {on}{sign} {}{off}", line(record));
    }
}

/// What is different, or `None` if nothing is: the first differing record with its neighbours.
pub(super) fn difference(file: &str, expected: &Lines, got: &[Record], tolerance: f64, colour: bool) -> Option<String> {
    let Lines { records: expected, numbers, .. } = expected;
    let same = |one: &Record, two: &Record| parted(one, two, tolerance).is_none();
    let at = expected.iter().zip(got).position(|(one, two)| !same(one, two));
    let at = at.or((expected.len() != got.len()).then(|| expected.len().min(got.len())))?;
    let what = match (expected.get(at), got.get(at)) {
        (Some(one), Some(two)) => parted(one, two, tolerance).unwrap_or_default(),
        (Some(_), None) => "nothing more came".to_owned(),
        _ => "nothing more was expected".to_owned(),
    };
    // The line of the file; behind its end the one after the last.
    let line = numbers.get(at).copied().unwrap_or_else(|| numbers.last().map_or(1, |last| last + 1));
    let mut text = format!("{file}:{line}: {}", plain(&what));
    if expected.len() != got.len() {
        let _ = write!(text, " ({} records, {} expected)", got.len(), expected.len());
    }
    text.push('\n');
    let paint = Paint(colour);
    for record in &expected[at.saturating_sub(NEIGHBOURS)..at] {
        paint.line(' ', record, &mut text);
    }
    let (removed, added) = apart(&expected[at..], &got[at..], same);
    for record in &expected[at..at + removed] {
        paint.line('-', record, &mut text);
    }
    for record in &got[at..at + added] {
        paint.line('+', record, &mut text);
    }
    for record in expected[at + removed..].iter().take(NEIGHBOURS) {
        paint.line(' ', record, &mut text);
    }
    Some(text)
}

/// How many records of each side lie between here and where the two run together again; the shortest such stretch.
fn apart(expected: &[Record], got: &[Record], same: impl Fn(&Record, &Record) -> bool) -> (usize, usize) {
    let together = |removed: usize, added: usize| match (&expected[removed..], &got[added..]) {
        ([], []) => true,
        ([one, one_more, ..], [two, two_more, ..]) => same(one, two) && same(one_more, two_more),
        ([one], [two]) => same(one, two),
        _ => false,
    };
    let within = |length: usize| length.min(LOOK_AHEAD);
    let mut stretches: Vec<(usize, usize)> = (0..=within(expected.len()))
        .flat_map(|removed| (0..=within(got.len())).map(move |added| (removed, added)))
        .filter(|stretch| *stretch != (0, 0))
        .collect();
    stretches.sort_by_key(|(removed, added)| (removed + added, removed.abs_diff(*added)));
    let found = stretches.into_iter().find(|(removed, added)| together(*removed, *added));
    found.unwrap_or((expected.len().min(1 + NEIGHBOURS), got.len().min(1 + NEIGHBOURS)))
}

/// In what two records part.
fn parted(expected: &Record, got: &Record, tolerance: f64) -> Option<String> {
    if expected.tag != got.tag {
        return Some(format!("tag {}, expected {}", got.tag, expected.tag));
    }
    if !equal(&expected.value, &got.value, tolerance) {
        return Some(format!("{}: value {}, expected {}", got.tag, value(got), value(expected)));
    }
    if expected.quality != got.quality {
        return Some(format!("{}: quality {}, expected {}", got.tag, got.quality, expected.quality));
    }
    (expected.time != got.time).then(|| format!("{}: time {}, expected {}", got.tag, got.time, expected.time))
}

/// Numbers are equal by what they are worth: 10 is 10.0. A float may differ by as much as the tolerance.
fn equal(expected: &Value, got: &Value, tolerance: f64) -> bool {
    if expected.same_as(got) {
        return true;
    }
    match (expected, got) {
        (Value::I64(_) | Value::U64(_), Value::I64(_) | Value::U64(_)) => integer(expected) == integer(got),
        _ => match (as_f64(expected), as_f64(got)) {
            (Some(one), Some(two)) => one == two || (one - two).abs() <= tolerance,
            _ => false,
        },
    }
}

fn integer(value: &Value) -> Option<i128> {
    match value {
        Value::I64(value) => Some(i128::from(*value)),
        Value::U64(value) => Some(i128::from(*value)),
        _ => None,
    }
}

/// A single as it is printed: 78.4 in a file is the single 78.4, not 78.4000015.
fn as_f64(value: &Value) -> Option<f64> {
    match value {
        Value::F32(value) => value.to_string().parse().ok(),
        other => other.as_f64(),
    }
}

/// Without what a terminal would act upon.
fn plain(text: &str) -> String {
    text.chars().map(|sign| if sign.is_control() { '?' } else { sign }).collect()
}

fn line(record: &Record) -> String {
    let mut line = String::new();
    write_json_line(record, &mut line);
    line
}

/// The value as it stands in a line.
fn value(record: &Record) -> String {
    match &record.value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::I64(value) => value.to_string(),
        Value::U64(value) => value.to_string(),
        Value::F32(value) => value.to_string(),
        Value::F64(value) => value.to_string(),
        Value::Text(text) => format!("{text:?}"),
        Value::Bytes(bytes) => format!("{} bytes", bytes.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fieldflow_contract::{Quality, Tag, Timestamp};

    fn difference(file: &str, expected: &[Record], got: &[Record], tolerance: f64, colour: bool) -> Option<String> {
        let (records, numbers) = (expected.to_vec(), (1..=expected.len()).collect());
        super::difference(file, &Lines { records, numbers, apart: Vec::new() }, got, tolerance, colour)
    }

    fn records(values: &[f64]) -> Vec<Record> {
        let tag = Tag::new("compare.a").unwrap();
        values.iter().enumerate().map(|(n, v)| Record::good(tag, Timestamp(n as i64), Value::F64(*v))).collect()
    }

    fn one(value: Value) -> Vec<Record> {
        vec![Record::good(Tag::new("compare.a").unwrap(), Timestamp(0), value)]
    }

    #[test]
    fn numbers_are_compared_by_what_they_are_worth() {
        let differ = |a: Value, b: Value, tolerance| difference("f", &one(a), &one(b), tolerance, false).is_some();
        assert!(!differ(Value::I64(10), Value::F64(10.0), 0.0));
        assert!(!differ(Value::F64(78.4), Value::F32(78.4), 0.0));
        assert!(!differ(Value::F64(f64::NAN), Value::F64(f64::NAN), 0.0));
        assert!(!differ(Value::F64(1.0), Value::F64(1.09), 0.1));
        assert!(differ(Value::F64(1.0), Value::F64(1.09), 0.0));
        assert!(differ(Value::I64((1 << 53) + 1), Value::U64(1 << 53), 0.0), "integers are exact");
        assert!(differ(Value::Bool(true), Value::I64(1), 1.0));
    }

    #[test]
    fn the_first_difference_is_shown_with_its_neighbours() {
        let (expected, mut got) = (records(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0]), records(&[0.0; 7]));
        got.clone_from(&expected);
        got[3].value = Value::F64(9.0);
        let told = difference("store.out.jsonl", &expected, &got, 0.0, false).unwrap();
        let lines: Vec<&str> = told.lines().collect();
        assert_eq!(lines[0], "store.out.jsonl:4: compare.a: value 9, expected 3");
        let signs: Vec<&str> = lines[1..].iter().map(|line| &line[2..3]).collect();
        assert_eq!(signs, [" ", " ", "-", "+", " ", " "]);
    }

    #[test]
    fn a_record_that_is_missing_or_too_many_is_shown_alone() {
        let expected = records(&[0.0, 1.0, 2.0, 3.0, 4.0]);
        let mut got = expected.clone();
        got.remove(2);
        let told = difference("f", &expected, &got, 0.0, true).unwrap();
        assert!(told.contains("(4 records, 5 expected)"), "{told}");
        assert_eq!(told.matches("\x1b[31m-").count(), 1, "{told}");
        assert_eq!(told.matches("\x1b[32m+").count(), 0, "{told}");
        let told = difference("f", &got, &expected, 0.0, false).unwrap();
        assert_eq!((told.matches("\n  - ").count(), told.matches("\n  + ").count()), (0, 1), "{told}");
        let told = difference("f", &expected[..4], &expected, 0.0, false).unwrap();
        assert!(told.starts_with("f:5: nothing more was expected"), "{told}");
    }

    #[test]
    fn time_quality_and_tag_count() {
        let expected = records(&[1.0]);
        for change in [
            |record: &mut Record| record.quality = Quality::BAD_TIMEOUT,
            |record: &mut Record| record.time = Timestamp(7),
            |record: &mut Record| record.tag = Tag::new("compare.b").unwrap(),
        ] {
            let mut got = expected.clone();
            change(&mut got[0]);
            assert!(difference("f", &expected, &got, 1e9, false).is_some(), "{got:?}");
        }
    }
}
