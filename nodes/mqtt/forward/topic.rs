//! The topic that a record is published to, made of its tag by a template and held to the rules of MQTT.

use std::borrow::Cow;
use std::sync::Arc;

use fieldflow_contract::{At, Findings, Tag, TagMap};

use crate::template::Template;

/// What stands for what.
pub(super) const NAMES: &[&str] = &["tag", "pipeline"];
/// Longest topic that the protocol has, in bytes.
const LONGEST: usize = 65_535;
/// What stands in a topic in the place of a sign of the tag that cannot stand there.
const INSTEAD: char = '_';

/// Makes topics; remembers the one of each tag, which is bounded by the table of tags.
pub(super) struct Topics {
    template: Template,
    pipeline: String,
    dots_to_levels: bool,
    known: TagMap<Result<Arc<str>, Arc<str>>>,
}

/// Reports what is wrong with a template, which is then `None`.
pub(super) fn check(text: &str, at: &At, findings: &mut Findings) -> Option<Template> {
    let before = findings.0.len();
    if let Err(why) = check_literal(text) {
        findings.error(at.clone(), why).help("write a topic such as \"site/{tag}\"");
    }
    if text.starts_with('/') {
        findings
            .warning(at.clone(), "a topic that begins with `/` has an empty first level")
            .help("leave the first `/` out");
    }
    let template = match Template::parse(text, NAMES) {
        Ok(template) => template,
        Err(why) => {
            findings.error(at.clone(), why);
            return None;
        }
    };
    let is_wrong = |finding: &fieldflow_contract::Finding| finding.severity == fieldflow_contract::Severity::Error;
    (!findings.0.get(before..).is_some_and(|found| found.iter().any(is_wrong))).then_some(template)
}

/// Whether a text can be a topic that is published to; else why not.
pub(super) fn check_literal(text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Err("a topic is empty".to_owned());
    }
    if let Some(sign) = text.chars().find(|sign| matches!(sign, '+' | '#')) {
        return Err(format!("`{sign}` is for subscriptions and cannot stand in a topic that is published to"));
    }
    if text.chars().any(char::is_control) {
        return Err("a control character cannot stand in a topic".to_owned());
    }
    if text.starts_with('$') {
        return Err("topics that begin with `$` belong to the broker".to_owned());
    }
    if LONGEST < text.len() {
        return Err(format!("a topic of {} bytes: at most {LONGEST} are allowed", text.len()));
    }
    Ok(())
}

impl Topics {
    pub(super) fn new(template: Template, pipeline: &str, dots_to_levels: bool) -> Self {
        Self { template, pipeline: pipeline.to_owned(), dots_to_levels, known: TagMap::default() }
    }

    /// The topic for the records of a tag; else why there is none.
    pub(super) fn of(&mut self, tag: Tag) -> Result<Arc<str>, Arc<str>> {
        if let Some(known) = self.known.get(tag) {
            return known.clone();
        }
        let made = self.make(tag.name()).map(Arc::from).map_err(Arc::from);
        self.known.slot(tag).insert(made).clone()
    }

    fn make(&self, tag: &str) -> Result<String, String> {
        let fill = |name: &str, to: &mut String| match name {
            "tag" => to.push_str(tag),
            _ => to.push_str(&self.pipeline),
        };
        // Parts are taken of the tag as it is; what cannot stand in a topic is replaced in what comes out of that.
        let cleaned = |name: &str, to: &mut String| {
            let mut text = String::new();
            fill(name, &mut text);
            let text = clean(&text);
            to.push_str(&if self.dots_to_levels { text.replace('.', "/").into() } else { text });
        };
        let topic = self.template.expand(cleaned).map_err(|missing| missing.to_string())?;
        check_literal(&topic).map_err(|why| format!("no topic can be made of tag `{tag}`: {why}"))?;
        Ok(topic)
    }
}

/// A tag without what would be a wildcard in a topic, or cannot stand there.
fn clean(text: &str) -> Cow<'_, str> {
    let is_wrong = |sign: char| matches!(sign, '+' | '#') || sign.is_control();
    if text.contains(is_wrong) { text.replace(is_wrong, &INSTEAD.to_string()).into() } else { text.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn topic(template: &str, tag: &str, dots_to_levels: bool) -> Result<String, String> {
        let template = Template::parse(template, NAMES).unwrap();
        let mut topics = Topics::new(template, "boiler", dots_to_levels);
        let once = topics.of(Tag::new(tag).unwrap());
        assert_eq!(once, topics.of(Tag::new(tag).unwrap()));
        once.map(|topic| topic.to_string()).map_err(|why| why.to_string())
    }

    #[test]
    fn a_topic_is_made_of_the_tag() {
        for (template, tag, dots, made) in [
            ("site/{tag}", "press.temp", false, "site/press.temp"),
            ("site/{tag}", "press.temp", true, "site/press/temp"),
            ("{pipeline}/{tag[0]}/{tag[-1]}", "a/b.c", false, "boiler/a/c"),
            ("site/{tag}", "pump#1.a+b", false, "site/pump_1.a_b"),
            ("site/{tag}", "a/b", false, "site/a/b"),
        ] {
            assert_eq!(topic(template, tag, dots).as_deref(), Ok(made), "{template} {tag}");
        }
    }

    #[test]
    fn what_is_no_topic_is_refused() {
        for (template, tag, said) in [
            ("{tag[1]}", "a", "has no part 1"),
            ("{tag}", "$SYS/x", "belong to the broker"),
            ("{tag[1]}", "a.", "empty"),
        ] {
            let why = topic(template, tag, false).unwrap_err();
            assert!(why.contains(said), "{template} {tag}: {why}");
        }
    }

    #[test]
    fn a_template_that_makes_no_topics_is_found_before_the_run() {
        for (text, said) in [
            ("", "is empty"),
            ("a/#", "is for subscriptions"),
            ("a/+/{tag}", "is for subscriptions"),
            ("a\0{tag}", "control character"),
            ("$SYS/{tag}", "belong to the broker"),
            ("{tg}", "known are {tag} {pipeline}"),
        ] {
            let mut findings = Findings::default();
            assert!(check(text, &"topic".into(), &mut findings).is_none());
            assert!(findings.0.iter().any(|found| found.message.contains(said)), "{text}: {findings:?}");
        }
        let mut findings = Findings::default();
        assert!(check("/a/{tag}", &"topic".into(), &mut findings).is_some() && findings.0.len() == 1);
    }

    proptest! {
        #[test]
        fn whatever_a_tag_is_called_its_topic_is_one_that_can_be_published_to(
            tag in "\\PC{1,20}|[a-z+#/$.\u{0}-\u{20}]{1,20}", part in -3..3_i32, whole in any::<bool>(), dots in any::<bool>(),
        ) {
            let text = if whole { "s/{tag}".to_owned() } else { format!("s/{{tag[{part}]}}") };
            if let Ok(topic) = topic(&text, &tag, dots) {
                prop_assert!(check_literal(&topic).is_ok());
                prop_assert!(!topic.contains(['+', '#', '\0']));
                prop_assert!(topic.starts_with("s/"));
            }
        }
    }
}
