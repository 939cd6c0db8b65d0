//! Values that must never be printed: what came out of the environment or out of a file.

use std::borrow::Cow;

/// The values to hide, and how. They are never shown by `Debug` either.
#[derive(Clone, Default)]
pub struct Secrets(Vec<String>);

/// A secret so short hides only where it stands alone: the `1` of a port must not blank out every 1 of a message.
const SHORT: usize = 4;

impl Secrets {
    /// Hides this value from now on, also in the way `{:?}` writes it.
    pub fn add(&mut self, value: &str) {
        let quoted = format!("{value:?}");
        // A host is told in lower case, however it was written.
        let lower = value.trim().to_lowercase();
        for form in [value, value.trim(), quoted.trim_matches('"'), &lower] {
            if !form.is_empty() && !self.0.iter().any(|known| known == form) {
                self.0.push(form.to_owned());
            }
        }
        // The longest first, so that a part of a secret does not break up the whole.
        self.0.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
    }

    /// The text with `***` in the place of every secret.
    pub fn hide<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut text = Cow::Borrowed(text);
        for secret in &self.0 {
            if text.contains(secret.as_str()) {
                text = Cow::Owned(replace(&text, secret));
            }
        }
        text
    }
}

impl<'a> FromIterator<&'a Secrets> for Secrets {
    fn from_iter<I: IntoIterator<Item = &'a Secrets>>(all: I) -> Self {
        let mut secrets = Self::default();
        all.into_iter().flat_map(|one| &one.0).for_each(|value| secrets.add(value));
        secrets
    }
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Secrets({})", self.0.len())
    }
}

fn replace(text: &str, secret: &str) -> String {
    let mut hidden = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(secret) {
        let word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
        // What stands before lies in part in what was written already.
        let last = before.chars().next_back().or_else(|| hidden.chars().next_back());
        let inside_a_word = secret.len() < SHORT && (word(last) || word(after.chars().next()));
        hidden.push_str(before);
        hidden.push_str(if inside_a_word { secret } else { "***" });
        rest = after;
    }
    hidden + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_hidden_wherever_it_stands_and_however_it_is_quoted() {
        let mut secrets = Secrets::default();
        secrets.add("pa\"ss\nword");
        secrets.add("canary-4711");
        assert_eq!(secrets.hide("url tcp://u:canary-4711@h"), "url tcp://u:***@h");
        secrets.add("PLC-West");
        assert_eq!(secrets.hide("PLC-West, plc-west"), "***, ***");
        assert_eq!(
            secrets.hide(r#"invalid type: string "pa\"ss\nword", expected"#),
            "invalid type: string \"***\", expected"
        );
        assert!(!format!("{secrets:?}").contains("canary"));
    }

    #[test]
    fn a_short_secret_does_not_blank_out_the_rest_of_the_message() {
        let mut secrets = Secrets::default();
        secrets.add("1");
        assert_eq!(secrets.hide("`1` is not one of 10 and 21, 1"), "`***` is not one of 10 and 21, ***");
    }

    #[test]
    fn of_two_secrets_the_longer_is_hidden_whole() {
        let mut secrets = Secrets::default();
        secrets.add("hunter");
        secrets.add("hunter2-and-more");
        assert_eq!(secrets.hide("hunter2-and-more"), "***");
    }
}
