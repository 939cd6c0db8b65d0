//! Which tags a rule is for.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};
use wildmatch::WildMatch;

use crate::Tag;

/// Tags by name: one pattern or a list of them; `*` stands for any text, `?` for one character.
#[derive(Debug, Clone, PartialEq)]
pub struct TagSelector {
    patterns: Vec<WildMatch>,
}

impl TagSelector {
    /// Every tag.
    pub fn all() -> Self {
        Self { patterns: vec![WildMatch::new("*")] }
    }

    /// The names, if none of them is a pattern.
    pub fn names(&self) -> Option<Vec<String>> {
        let names: Vec<String> = self.patterns.iter().map(WildMatch::pattern).collect();
        (!names.iter().any(|name| name.contains(['*', '?']))).then_some(names)
    }

    /// Whether this certainly selects all that the other one does: each of its patterns stands here too, or is a name that fits
    /// one here, or there is a `*` here.
    pub fn covers(&self, other: &Self) -> bool {
        let covers = |one: &WildMatch, other: &str| {
            let pattern = one.pattern();
            pattern == other || pattern == "*" || (!other.contains(['*', '?']) && one.matches(other))
        };
        other.patterns.iter().all(|other| self.patterns.iter().any(|one| covers(one, &other.pattern())))
    }

    /// Whether one of the patterns fits the tag's name.
    pub fn selects(&self, tag: Tag) -> bool {
        self.fits(tag.name())
    }

    /// Whether one of the patterns fits a name.
    pub fn fits(&self, name: &str) -> bool {
        self.patterns.iter().any(|pattern| pattern.matches(name))
    }
}

impl From<&str> for TagSelector {
    /// One name or pattern.
    fn from(pattern: &str) -> Self {
        Self { patterns: vec![WildMatch::new(pattern)] }
    }
}

impl<'de> Deserialize<'de> for TagSelector {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum OneOrMany {
            One(String),
            Many(Vec<String>),
        }
        let patterns = match OneOrMany::deserialize(deserializer)? {
            OneOrMany::One(pattern) => vec![pattern],
            OneOrMany::Many(patterns) => patterns,
        };
        Ok(Self { patterns: patterns.iter().map(|pattern| WildMatch::new(pattern)).collect() })
    }
}

impl JsonSchema for TagSelector {
    fn schema_name() -> Cow<'static, str> {
        "TagSelector".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [
                { "type": "string", "minLength": 1 },
                { "type": "array", "items": { "type": "string", "minLength": 1 }, "minItems": 1 },
            ],
            "examples": ["press.*"],
            "x-format": "tags",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_pattern_or_a_list_of_them() {
        let tag = Tag::new("press.temperature").unwrap();
        for (yaml, fits) in
            [("\"press.*\"", true), ("[\"x\", \"press.temp?rature\"]", true), ("\"press\"", false), ("[]", false)]
        {
            let selector: TagSelector = serde_json::from_str(yaml).unwrap();
            assert_eq!(selector.selects(tag), fits, "{yaml}");
        }
        assert!(TagSelector::all().selects(tag));
    }

    #[test]
    fn names_are_told_from_patterns() {
        let names = |json: &str| serde_json::from_str::<TagSelector>(json).unwrap().names();
        assert_eq!(names(r#"["a", "b.c"]"#), Some(vec!["a".to_owned(), "b.c".to_owned()]));
        assert_eq!(names(r#"["a", "b?"]"#), None);
    }

    #[test]
    fn a_selector_covers_what_it_certainly_selects() {
        let selector = |json: &str| serde_json::from_str::<TagSelector>(json).unwrap();
        for (one, other, covers) in [
            (r#""*""#, r#"["a.*", "b"]"#, true),
            (r#"["b", "a.*"]"#, r#"["a.*", "b"]"#, true),
            (r#""a.*""#, r#""a.b""#, true),
            (r#""a.b""#, r#""a.*""#, false),
            (r#""a.*""#, r#"["a.b", "b"]"#, false),
            (r#""?""#, r#""*""#, false),
        ] {
            assert_eq!(selector(one).covers(&selector(other)), covers, "{one} {other}");
        }
    }
}
