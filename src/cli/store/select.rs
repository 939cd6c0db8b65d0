//! Which samples are meant: from when to when, and whether as they are or in buckets of time.

use std::str::FromStr;
use std::time::Duration;

use fieldflow_contract::{Span, Timestamp};

use super::Failure;
use super::bucket::{Agg, Bucketing};

/// A range of time, and how to sum it up.
#[derive(clap::Args)]
pub(in crate::cli) struct Selection {
    /// Only samples from this time on: so long ago, such as -1h or -7d, or a time such as 2026-01-31, 2026-01-31T06:00 (in
    /// UTC) or 2026-01-31T06:00:00+01:00.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    from: Option<When>,
    /// Only samples before this time. [default: all there is]
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    to: Option<When>,
    /// Sum up the samples of each tag in buckets of this length, such as 1m or 1h. They are aligned to 1970-01-01 in UTC and
    /// shown by their beginning; where there is no sample, there is no row.
    #[arg(long, value_name = "DURATION")]
    every: Option<Span>,
    /// What to sum up: several with commas between them. Only samples of good quality count, and all but `count`, `first`
    /// and `last` are of numbers alone. [default: avg,min,max]
    #[arg(long, value_name = "WHAT", value_enum, value_delimiter = ',', requires = "every")]
    agg: Vec<Agg>,
}

impl Selection {
    /// Whether it says anything about the time.
    pub(in crate::cli) fn is_given(&self) -> bool {
        self.from.is_some() || self.to.is_some() || self.every.is_some()
    }

    /// The range of time, as seen now.
    pub(in crate::cli) fn range(&self, now: Timestamp) -> Result<Range, Failure> {
        let at = |when: Option<When>, open: i64| when.map_or(open, |when| when.resolve(now).0);
        let range = Range { from: at(self.from, i64::MIN), to: at(self.to, i64::MAX), now: now.0 };
        if range.to <= range.from {
            let (from, to) = (Timestamp(range.from), Timestamp(range.to));
            return Err(Failure::unasked(format!("--from {from} is not before --to {to}")));
        }
        Ok(range)
    }

    /// How to sum up, if that is asked for.
    pub(in crate::cli) fn bucketing(&self) -> Result<Option<Bucketing>, Failure> {
        let Some(Span(every)) = self.every else { return Ok(None) };
        let every = i64::try_from(every.as_micros()).unwrap_or(i64::MAX);
        if every == 0 {
            return Err(Failure::unasked("--every 0s: a bucket is longer than nothing, such as 1m"));
        }
        let aggs = if self.agg.is_empty() { vec![Agg::Avg, Agg::Min, Agg::Max] } else { self.agg.clone() };
        Ok(Some(Bucketing { every, aggs }))
    }
}

/// A range of time in microseconds: from the first on, before the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) struct Range {
    pub(super) from: i64,
    pub(super) to: i64,
    /// The time at which it was asked for.
    pub(super) now: i64,
}

/// A time on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    Ago(Duration),
    At(Timestamp),
}

impl When {
    fn resolve(self, now: Timestamp) -> Timestamp {
        match self {
            Self::Ago(span) => now - span,
            Self::At(time) => time,
        }
    }
}

impl FromStr for When {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "now" {
            return Ok(Self::Ago(Duration::ZERO));
        }
        if let Some(span) = text.strip_prefix('-').filter(|span| span.starts_with(|c: char| c.is_ascii_digit())) {
            return span.parse::<Span>().map(|span| Self::Ago(span.0)).map_err(|error| error.to_string());
        }
        if let Ok(time) = text.parse() {
            return Ok(Self::At(time));
        }
        let day = text.parse::<jiff::civil::DateTime>().ok().and_then(|day| day.to_zoned(jiff::tz::TimeZone::UTC).ok());
        if let Some(day) = day {
            return Ok(Self::At(Timestamp(day.timestamp().as_microsecond())));
        }
        if text.parse::<Span>().is_ok() {
            return Err(format!("to mean so long ago, write -{text}"));
        }
        Err("a time is wanted here, such as -1h, now, 2026-01-31 or 2026-01-31T06:00:00Z".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> String {
        text.parse::<When>().unwrap().resolve(Timestamp(1_767_225_600_000_000)).to_string()
    }

    #[test]
    fn times_are_read_as_people_write_them() {
        for (text, meant) in [
            ("now", "2026-01-01T00:00:00.000000Z"),
            ("-90m", "2025-12-31T22:30:00.000000Z"),
            ("2026-02-01", "2026-02-01T00:00:00.000000Z"),
            ("2026-02-01T06:00", "2026-02-01T06:00:00.000000Z"),
            ("2026-02-01T06:00:00.5Z", "2026-02-01T06:00:00.500000Z"),
            ("2026-02-01T06:00:00+01:00", "2026-02-01T05:00:00.000000Z"),
        ] {
            assert_eq!(at(text), meant, "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_told_what_would_be() {
        for (text, said) in
            [("1h", "write -1h"), ("-1 fortnight", "`fortnight`"), ("yesterday", "such as -1h"), ("-", "such as")]
        {
            let error = text.parse::<When>().unwrap_err();
            assert!(error.contains(said), "{text}: {error}");
        }
    }
}
