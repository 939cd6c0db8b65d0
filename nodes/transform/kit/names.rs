//! The names of what is made of a tag, such as `{tag}.rate`: their templates, and a memory of what was made.

use fieldflow_contract::{At, BuildError, Findings, Tag, TagMap};

use crate::template::Template;

/// The placeholder that every name has.
const TAG: &str = "tag";

/// Reads the template of a name. `more` are the placeholders beside `{tag}`.
pub(crate) fn parse(text: &str, more: &[&'static str]) -> Result<Template, String> {
    Template::parse(text, &[&[TAG], more].concat())
}

/// Reports what is wrong with the template of a name.
pub(crate) fn check(text: &str, more: &[&'static str], at: &At, findings: &mut Findings) {
    match parse(text, more) {
        Err(wrong) => {
            findings.error(at.clone(), wrong);
        }
        Ok(_) if text.is_empty() => {
            findings.error(at.clone(), "the name of a tag is empty").help("write a name, or one with {tag} in it");
        }
        Ok(template) if template.holes().next().is_none() => {
            if let Err(error) = Tag::new(text) {
                findings.error(at.clone(), error.to_string());
            }
        }
        Ok(_) => {}
    }
}

/// The same where results of several tags are named, which need names of their own.
pub(crate) fn check_derived(text: &str, more: &[&'static str], at: &At, findings: &mut Findings) {
    check(text, more, at, findings);
    let is_fixed = |template: Template| template.holes().all(|hole| hole.name != TAG);
    if !text.is_empty() && parse(text, more).is_ok_and(is_fixed) {
        findings
            .warning(at.clone(), "without `{tag}` all tags get the same name")
            .help("name it after the tag that it comes from, such as \"{tag}.x\"");
    }
}

/// The tag that a template makes of a tag, and of `other` in the place of any other placeholder; `None` if the tag has not the
/// parts that are wanted, or the new one cannot be stored.
pub(crate) fn expand(template: &Template, tag: Tag, other: &str) -> Option<Tag> {
    let name = template.expand(|hole, name| name.push_str(if hole == TAG { tag.name() } else { other }));
    Tag::new(&name.ok()?).ok()
}

/// Makes the name of what is derived from a tag, once for each; that memory is bounded by the table of tags.
#[derive(Debug, Default)]
pub(crate) struct Naming {
    /// Without a template the name stays.
    template: Option<Template>,
    made: TagMap<Option<Tag>>,
}

impl Naming {
    pub(crate) fn new(text: Option<&str>) -> Result<Self, BuildError> {
        let template = text.map(|text| parse(text, &[]).map_err(BuildError)).transpose()?;
        Ok(Self { template, made: TagMap::default() })
    }

    /// The tag for what is derived from this one, if there is a name for it; see [`expand`].
    pub(crate) fn of(&mut self, tag: Tag) -> Option<Tag> {
        let Some(template) = &self.template else { return Some(tag) };
        match self.made.get(tag) {
            Some(made) => *made,
            None => *self.made.slot(tag).insert(expand(template, tag, "")),
        }
    }
}

impl From<Template> for Naming {
    fn from(template: Template) -> Self {
        Self { template: Some(template), made: TagMap::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_made_of_the_tags_own_or_there_is_none() {
        let mut naming = Naming::new(Some("{tag[1]}.derived")).unwrap();
        // As long as a name can be, so that the new one, whose first part is shorter than its last, is longer.
        let longest = format!("{:n<1024}", "names.");
        for _ in 0..2 {
            for (name, made) in [("names.a", Some("a.derived")), ("names", None), (&longest, None)] {
                assert_eq!(naming.of(Tag::new(name).unwrap()).map(Tag::name), made, "{name}");
            }
        }
    }
}
