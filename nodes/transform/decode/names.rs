//! How the records are named: templates, filled once for each incoming tag where the payload has no say in it.

use fieldflow_contract::{At, Findings, Tag, TagMap};

use super::Why;
use crate::template::Template;

/// The name of one tag.
#[derive(Debug, Clone)]
pub(super) struct Name {
    template: Template,
    /// What `{name}` and `{index}` stand for, where the options say it; else the payload does.
    field: Option<String>,
    index: Option<usize>,
}

impl Name {
    pub(super) const TAG: &'static str = "tag";
    pub(super) const NAME: &'static str = "name";
    pub(super) const INDEX: &'static str = "index";

    pub(super) fn new(template: Template) -> Self {
        Self { template, field: None, index: None }
    }

    /// The name of a field of a frame; `index` for one of several values.
    pub(super) fn of_field(template: Template, name: &str, index: usize) -> Self {
        Self { template, field: Some(name.to_owned()), index: Some(index) }
    }

    /// Whether the payload has to say a part of it.
    pub(super) fn asks(&self) -> bool {
        self.field.is_none() && has(&self.template, Self::NAME)
    }

    fn fill(&self, incoming: Tag, found: Option<&str>) -> Result<Tag, Why> {
        let name = self.template.expand(|hole, to| match (hole, self.index) {
            (Self::TAG, _) => to.push_str(incoming.name()),
            (Self::INDEX, Some(index)) => to.push_str(&index.to_string()),
            _ => to.push_str(self.field.as_deref().or(found).unwrap_or_default()),
        });
        name.ok().and_then(|name| Tag::new(&name).ok()).ok_or(Why::Name)
    }
}

/// Whether a template has this placeholder.
pub(super) fn has(template: &Template, name: &str) -> bool {
    template.holes().any(|hole| hole.name == name)
}

/// Reads the template of a tag's name; a fault goes to `findings`.
pub(super) fn parse(text: &str, known: &[&'static str], at: &At, findings: &mut Findings) -> Option<Template> {
    if text.is_empty() {
        findings.error(at.clone(), "a tag's name is empty").help("write the tag's name, such as \"{tag}.temperature\"");
        return None;
    }
    Template::parse(text, known)
        .map_err(|message| {
            findings.error(at.clone(), message);
        })
        .ok()
}

/// All names of a node.
pub(super) struct Names {
    names: Vec<Name>,
    /// For each incoming tag the tags of those names that ask nothing of the payload.
    filled: TagMap<Result<Box<[Option<Tag>]>, Why>>,
}

/// The names for one incoming tag.
pub(super) struct Here<'a> {
    incoming: Tag,
    names: &'a [Name],
    filled: &'a [Option<Tag>],
}

impl Names {
    pub(super) fn new(names: Vec<Name>) -> Self {
        Self { names, filled: TagMap::default() }
    }

    /// The names for an incoming tag.
    pub(super) fn of(&mut self, incoming: Tag) -> Result<Here<'_>, Why> {
        let names = &self.names;
        let filled = self.filled.slot(incoming).get_or_insert_with(|| {
            names.iter().map(|name| (!name.asks()).then(|| name.fill(incoming, None)).transpose()).collect()
        });
        match filled {
            Ok(filled) => Ok(Here { incoming, names, filled }),
            Err(why) => Err(*why),
        }
    }
}

impl Here<'_> {
    /// The tag of this number; `found` is what the payload gives for `{name}`.
    pub(super) fn tag(&self, number: usize, found: Option<&str>) -> Result<Tag, Why> {
        match (self.filled.get(number), self.names.get(number)) {
            (Some(Some(tag)), _) => Ok(*tag),
            (_, Some(name)) => name.fill(self.incoming, found),
            _ => Err(Why::Name),
        }
    }

    /// The tags, `None` where the payload has to say the name.
    pub(super) fn all(&self) -> impl Iterator<Item = Option<Tag>> {
        self.filled.iter().copied()
    }
}
