//! Rules by tag: the first that names a tag is the one for it.

use fieldflow_contract::{At, Findings, Tag, TagMap, TagSelector};

/// A list of rules, each for some tags. Which rule is for which tag is looked up once and remembered; that memory is bounded
/// by the table of tags.
#[derive(Debug)]
pub(crate) struct Rules<T> {
    /// Without a selector, a rule is for all tags.
    rules: Vec<(Option<TagSelector>, T)>,
    rule_of: TagMap<Option<usize>>,
}

impl<T> Rules<T> {
    pub(crate) fn new(rules: impl IntoIterator<Item = (TagSelector, T)>) -> Self {
        let rules = rules.into_iter().map(|(tags, rule)| (Some(tags), rule)).collect();
        Self { rules, rule_of: TagMap::default() }
    }

    /// Whether a rule names this tag.
    pub(crate) fn names(&mut self, tag: Tag) -> bool {
        self.index(tag).is_some()
    }

    /// One rule, for these tags or for all.
    pub(crate) fn one(tags: Option<TagSelector>, rule: T) -> Self {
        Self { rules: vec![(tags, rule)], rule_of: TagMap::default() }
    }

    /// The place in the list of the rule for this tag, if one names it.
    pub(crate) fn index(&mut self, tag: Tag) -> Option<usize> {
        if let Some(known) = self.rule_of.get(tag) {
            return *known;
        }
        let names = |tags: &Option<TagSelector>| tags.as_ref().is_none_or(|tags| tags.selects(tag));
        *self.rule_of.slot(tag).insert(self.rules.iter().position(|(tags, _)| names(tags)))
    }

    /// The rule for this tag, to change it, if one names it.
    pub(crate) fn of_mut(&mut self, tag: Tag) -> Option<&mut T> {
        self.index(tag).map(|at| &mut self.rules[at].1)
    }

    /// The rule for this tag, if one names it.
    pub(crate) fn of(&mut self, tag: Tag) -> Option<&T> {
        self.index(tag).map(|at| &self.rules[at].1)
    }

    /// The rule at a place that [`Rules::index`] gave, to change what it remembers.
    #[cfg_attr(not(feature = "expressions"), expect(dead_code, reason = "only `map` makes records with it"))]
    pub(crate) fn get_mut(&mut self, at: usize) -> &mut T {
        &mut self.rules[at].1
    }
}

/// How often one rule is compared with another: a hostile file has thousands of rules.
const MOST_COMPARED: usize = 500_000;

/// Warns of rules that are never used, because one before them names all of their tags. They stand in `rules`, each with `tags`.
pub(crate) fn check_order<'a>(rules: impl IntoIterator<Item = &'a TagSelector>, findings: &mut Findings) {
    let (mut before, mut compared): (Vec<&TagSelector>, usize) = (Vec::new(), 0);
    for (n, tags) in rules.into_iter().enumerate() {
        compared += before.len();
        if MOST_COMPARED < compared {
            return;
        }
        if let Some(first) = before.iter().position(|earlier| earlier.covers(tags)) {
            let at = |n| At::from("rules").index(n).key("tags");
            findings
                .warning(at(n), "the rule is never used: one before it names all of its tags, and the first is used")
                .help("put the rule for fewer tags first")
                .related(at(first), "the rule before it");
        }
        before.push(tags);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_that_is_never_used_is_told() {
        let selectors = ["a", "b.*", "*", "c", "b.*"].map(|tags| serde_json::from_value(tags.into()).unwrap());
        let mut findings = Findings::default();
        check_order(&selectors, &mut findings);
        let told: Vec<String> = findings.0.iter().map(|found| found.at.to_string()).collect();
        assert_eq!(told, ["rules[3].tags", "rules[4].tags"]);
    }

    #[test]
    fn the_first_rule_that_names_a_tag_is_the_one_for_it() {
        let selector = |text: &str| serde_json::from_value::<TagSelector>(text.into()).unwrap();
        let mut rules = Rules::new([(selector("a.*"), 1), (selector("*.x"), 2)]);
        for (name, rule) in [("a.x", Some(1)), ("b.x", Some(2)), ("b.y", None), ("b.x", Some(2))] {
            assert_eq!(rules.of(Tag::new(name).unwrap()).copied(), rule, "{name}");
        }
    }
}
