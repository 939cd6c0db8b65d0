//! Which of two qualities counts.

use fieldflow_contract::Quality;

/// The worse one; of two that are as bad the first, as the first reason is the one to look for.
pub(crate) fn worse(one: Quality, other: Quality) -> Quality {
    if one.level() < other.level() { other } else { one }
}

/// The same, but anything says more than a plain Good: `good:clamped` stays.
pub(crate) fn worse_or_more(one: Quality, other: Quality) -> Quality {
    if one == Quality::GOOD { other } else { worse(one, other) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worse_quality_counts_and_of_two_as_bad_the_first() {
        for (one, other, first, more) in [
            (Quality::GOOD, Quality::GOOD_CLAMPED, Quality::GOOD, Quality::GOOD_CLAMPED),
            (Quality::GOOD_CLAMPED, Quality::GOOD, Quality::GOOD_CLAMPED, Quality::GOOD_CLAMPED),
            (Quality::BAD, Quality::BAD_TIMEOUT, Quality::BAD, Quality::BAD),
            (Quality::UNCERTAIN, Quality::BAD_TIMEOUT, Quality::BAD_TIMEOUT, Quality::BAD_TIMEOUT),
        ] {
            assert_eq!((worse(one, other), worse_or_more(one, other)), (first, more), "{one} {other}");
        }
    }
}
