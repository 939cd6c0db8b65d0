//! The names of what is derived from a tag: `as: "{tag}.rate"`.

use fieldflow_contract::{At, BuildError, Findings, Tag, TagMap};

use crate::template::Template;

/// Makes the name of what is derived from a tag, once for each; that memory is bounded by the table of tags.
#[derive(Debug, Default)]
pub(super) struct Naming {
    /// Without a template the name stays.
    template: Option<Template>,
    made: TagMap<Option<Tag>>,
}

impl Naming {
    pub(super) fn new(template: Option<&str>) -> Result<Self, BuildError> {
        let parse = |text: &str| Template::parse(text, &["tag"]).map_err(BuildError);
        Ok(Self { template: template.map(parse).transpose()?, made: TagMap::default() })
    }

    /// The tag for what is derived from this one; `None` where the template makes no name of it.
    pub(super) fn of(&mut self, tag: Tag) -> Option<Tag> {
        let Some(template) = &self.template else { return Some(tag) };
        match self.made.get(tag) {
            Some(made) => *made,
            None => *self.made.slot(tag).insert(expand(template, tag, "")),
        }
    }
}

/// The tag that a template makes of a tag and the word for an aggregate.
pub(super) fn expand(template: &Template, tag: Tag, agg: &str) -> Option<Tag> {
    let name = template.expand(|hole, name| name.push_str(if hole == "agg" { agg } else { tag.name() }));
    Tag::new(&name.ok()?).ok()
}

/// Reports what is wrong with the template of a name.
pub(super) fn check(template: &str, names: &[&'static str], at: At, findings: &mut Findings) {
    match Template::parse(template, names) {
        Err(wrong) => {
            findings.error(at, wrong);
        }
        Ok(_) if template.is_empty() => {
            findings
                .error(at, "a tag needs a name")
                .help("name it after the tag that it comes from, such as \"{tag}.x\"");
        }
        Ok(parsed) if parsed.holes().all(|hole| hole.name != "tag") => {
            findings
                .warning(at, "without `{tag}` all tags get the same name")
                .help("name it after the tag that it comes from, such as \"{tag}.x\"");
        }
        Ok(_) => {}
    }
}
