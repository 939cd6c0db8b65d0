//! Topic filters: what may be subscribed to, and which of them overlap.

use fieldflow_contract::Findings;

use super::config::topic;

/// What a shared subscription begins with.
pub(super) const SHARE: &str = "$share/";

/// Finds everything that is wrong with filters.
pub(super) fn check_all(topics: &[String], findings: &mut Findings) {
    if topics.is_empty() {
        findings.error("topics", "no topic, so there is nothing to hear").help("name one, such as \"meters/+\"");
    }
    for (index, filter) in topics.iter().enumerate() {
        if let Err((message, help)) = check(filter) {
            findings.error(topic(index), message).help(help);
            continue;
        }
        let sound = |before: &&(usize, &String)| check(before.1).is_ok();
        let mut before = topics.iter().take(index).enumerate();
        if let Some((first, _)) = before.clone().find(|(_, other)| *other == filter) {
            findings.error(topic(index), format!("`{filter}` is there twice")).related(topic(first), "the first one");
        } else if let Some((first, other)) =
            before.by_ref().filter(|pair| sound(&pair)).find(|(_, other)| overlap(other, filter))
        {
            findings
                .warning(
                    topic(index),
                    format!("`{filter}` and `{other}` match the same topics: their messages may come twice"),
                )
                .help("make the filters such that no topic fits both")
                .related(topic(first), "the other one");
        }
    }
}

/// Whether a broker would take it; else what is wrong with it, and what to write.
pub(super) fn check(filter: &str) -> Result<(), (String, String)> {
    let wrong = |what: String, help: &str| Err((what, help.to_owned()));
    let plain = match filter.strip_prefix(SHARE) {
        None => filter,
        Some(rest) => match rest.split_once('/') {
            Some((group, plain)) if !group.is_empty() && !group.contains(['+', '#']) => plain,
            _ => return wrong(format!("`{filter}` names no group to share with"), "write $share/GROUP/FILTER"),
        },
    };
    if plain.is_empty() || usize::from(u16::MAX) < filter.len() {
        return wrong(format!("a topic filter has 1 to {} bytes", u16::MAX), "write one such as \"meters/+\"");
    }
    if plain.contains('\0') {
        return wrong("a topic filter holds no NUL".to_owned(), "leave it out");
    }
    let levels: Vec<&str> = plain.split('/').collect();
    for (place, level) in levels.iter().enumerate() {
        if level.contains('#') && (*level != "#" || place + 1 != levels.len()) {
            return wrong(
                format!("`#` in `{filter}` does not stand alone as the last level"),
                "`#` is for all levels that follow, as in \"meters/#\"",
            );
        }
        if level.contains('+') && *level != "+" {
            return wrong(
                format!("`+` in `{filter}` does not stand alone in its level"),
                "`+` is for one whole level, as in \"meters/+/power\"",
            );
        }
    }
    Ok(())
}

/// Whether a subscription brings what is published to this topic.
pub(super) fn hears(filter: &str, topic: &str) -> bool {
    let plain = filter.strip_prefix(SHARE).and_then(|rest| rest.split_once('/')).map_or(filter, |(_, plain)| plain);
    overlap(plain, topic)
}

/// Whether some topic fits both. Subscriptions of different groups each get their own, as they are meant to.
fn overlap(one: &str, two: &str) -> bool {
    fn parts(filter: &str) -> (Option<&str>, &str) {
        match filter.strip_prefix(SHARE).and_then(|rest| rest.split_once('/')) {
            Some((group, plain)) => (Some(group), plain),
            None => (None, filter),
        }
    }
    let ((group_one, one), (group_two, two)) = (parts(one), parts(two));
    if group_one != group_two {
        return false;
    }
    // `#` and `+` at the beginning do not match what begins with `$`.
    let (hidden_one, hidden_two) = (one.starts_with('$'), two.starts_with('$'));
    if hidden_one != hidden_two {
        return false;
    }
    let (mut one, mut two) = (one.split('/'), two.split('/'));
    loop {
        match (one.next(), two.next()) {
            (Some("#"), _) | (_, Some("#")) | (None, None) => return true,
            (Some(a), Some(b)) if a == b || a == "+" || b == "+" => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_that_a_broker_takes_are_taken() {
        for filter in ["a", "/", "+", "#", "a/+/b/#", "$share/g/#", "$SYS/#", "a//b", "ä/ö", "$share/g//a"] {
            assert_eq!(check(filter), Ok(()), "{filter}");
        }
        for filter in
            ["", "a#", "a/#/b", "#/a", "a+/b", "a/+b", "$share/", "$share/g", "$share//a", "$share/g+/a", "a\0"]
        {
            assert!(check(filter).is_err(), "{filter}");
        }
    }

    #[test]
    fn filters_overlap_if_a_topic_fits_both() {
        for (one, two, wanted) in [
            ("a/+", "a/b", true),
            ("a/+", "+/b", true),
            ("a/#", "a", true),
            ("a/#", "a/b/c", true),
            ("#", "a/b", true),
            ("a/+", "a/b/c", false),
            ("a/b", "a/c", false),
            ("#", "$SYS/x", false),
            ("$share/g/#", "a", false),
            ("$share/g/#", "$share/g/a", true),
            ("$share/g/#", "$share/h/a", false),
        ] {
            assert_eq!((overlap(one, two), overlap(two, one)), (wanted, wanted), "{one} {two}");
        }
    }
}
