//! From topics to tags: whatever a broker sends, there is a tag for it, and no more tags than were agreed.

use std::collections::HashMap;

use fieldflow_contract::Tag;

/// Longest name of a tag.
pub(super) const LONGEST: usize = 1024;

/// The topics that were heard, bounded.
pub(super) struct Topics {
    known: HashMap<Box<str>, Tag>,
    most: usize,
    /// For what is too much.
    other: Tag,
}

/// The tag of a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Named {
    /// It has the topic's name.
    Own(Tag),
    /// The topic can be no tag: it was changed until it could.
    Changed(Tag),
    /// There are too many already.
    TooMany(Tag),
}

impl Topics {
    pub(super) fn new(most: usize, other: Tag) -> Self {
        Self { known: HashMap::new(), most, other }
    }

    /// The tags of all topics that were heard.
    pub(super) fn known(&self) -> impl Iterator<Item = Tag> {
        self.known.values().copied()
    }

    pub(super) fn tag(&mut self, topic: &str, is_sound: bool) -> Named {
        if is_sound && topic.len() <= LONGEST {
            return self.named(topic).map_or(Named::TooMany(self.other), Named::Own);
        }
        let mut name = String::new();
        for c in topic.chars().map(|c| if c.is_control() || c == '+' || c == '#' { '\u{FFFD}' } else { c }) {
            if LONGEST < name.len() + c.len_utf8() {
                break;
            }
            name.push(c);
        }
        self.named(&name).map_or(Named::TooMany(self.other), Named::Changed)
    }

    /// The tag of this name, if one may have it and there is room.
    pub(super) fn own(&mut self, name: &str) -> Option<Tag> {
        let is_sound = name.len() <= LONGEST && !name.chars().any(char::is_control);
        if is_sound { self.named(name) } else { None }
    }

    fn named(&mut self, name: &str) -> Option<Tag> {
        if let Some(tag) = self.known.get(name) {
            return Some(*tag);
        }
        if self.known.len() == self.most {
            return None;
        }
        let tag = Tag::new(name).ok()?;
        self.known.insert(name.into(), tag);
        Some(tag)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_tag_for_each_topic_and_no_more_than_were_agreed() {
        let other = Tag::new("topics/other").unwrap();
        let mut topics = Topics::new(4, other);
        assert_eq!(topics.tag("topics/a", true), Named::Own(Tag::new("topics/a").unwrap()));
        assert_eq!(topics.tag("topics/\0+", false), Named::Changed(Tag::new("topics/\u{FFFD}\u{FFFD}").unwrap()));
        let long = "ä".repeat(513);
        assert_eq!(topics.tag(&long, true), Named::Changed(Tag::new(&"ä".repeat(512)).unwrap()));
        assert_eq!(topics.tag("", false), Named::TooMany(other));
        topics.tag("topics/b", true);
        assert_eq!(topics.tag("topics/c", true), Named::TooMany(other));
        assert_eq!(topics.tag("topics/a", true), Named::Own(Tag::new("topics/a").unwrap()));
        assert_eq!(topics.known().count(), 4);
    }
}
