//! What somebody probably meant: the nearest of the known names.

use strsim::damerau_levenshtein;

/// The known name that is nearest to the one that was written, if any is near enough to be a misspelling.
pub(crate) fn nearest<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // No known name is so long; comparing a whole paragraph with each of them would take its time.
    if 64 < written.len() {
        return None;
    }
    let plain = |name: &str| name.to_lowercase().replace(['-', ' '], "_");
    let wrong = plain(written);
    let distance = |name: &str| damerau_levenshtein(&wrong, &plain(name));
    let letters = |name: &str| {
        let mut letters: Vec<char> = name.chars().collect();
        letters.sort_unstable();
        letters
    };
    let alike = |name: &&str| name.len().abs_diff(wrong.len()) * 3 <= name.len().max(wrong.len());
    let (distance, name) =
        known.into_iter().filter(alike).map(|name| (distance(name), name)).min_by_key(|(distance, _)| *distance)?;
    if distance == 1 && letters(&wrong) == letters(&plain(name)) {
        // Two letters in the wrong order, which in a short name is half of it.
        return Some(name);
    }
    let longest = wrong.chars().count().max(name.chars().count());
    (distance * 3 <= longest && distance < longest).then_some(name)
}

/// The names in backquotes with commas, if they are few enough to be read.
pub(crate) fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let names: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    (!names.is_empty() && names.len() <= 8).then(|| names.join(", "))
}

/// The names in backquotes with commas, up to as many as an option has words.
fn all<'a>(names: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let names: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    (!names.is_empty() && names.len() <= 40).then(|| names.join(", "))
}

/// The help for a word that is not known: the nearest one, else all of them, for there is nothing else to go by.
pub(crate) fn word_help(written: &str, known: &[&str]) -> Option<String> {
    match nearest(written, known.iter().copied()) {
        Some(name) => Some(format!("did you mean `{name}`?")),
        None => all(known.iter().copied()).map(|names| format!("known words: {names}")),
    }
}

/// The help for a name that is not known: the nearest one, else the list of all, if it is short.
pub(crate) fn help<'a>(written: &str, known: &[&'a str], what: &str) -> (Option<&'a str>, Option<String>) {
    match nearest(written, known.iter().copied()) {
        Some(name) => (Some(name), Some(format!("did you mean `{name}`?"))),
        None => (None, listed(known.iter().copied()).map(|names| format!("{what}: {names}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspellings_find_their_name_and_strangers_do_not() {
        let known = ["historian", "every", "max_gap", "qos", "cd"];
        for (written, meant) in [
            ("historain", "historian"),
            ("evry", "every"),
            ("Every", "every"),
            ("max-gap", "max_gap"),
            ("qso", "qos"),
            ("dc", "cd"),
        ] {
            assert_eq!(nearest(written, known), Some(meant), "{written}");
        }
        for written in ["frobnicate", "x", "", "ab"] {
            assert_eq!(nearest(written, known), None, "{written}");
        }
    }
}
