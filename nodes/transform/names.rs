//! New names for tags: a template, filled once for each tag and remembered.

use fieldflow_contract::{At, BuildError, Findings, Tag, TagMap};

use crate::template::Template;

/// The placeholder that every name has.
const TAG: &str = "tag";

/// Reports what is wrong with the template of a name. `more` are the placeholders beside `{tag}`.
pub(super) fn check(text: &str, more: &[&'static str], at: &At, findings: &mut Findings) {
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

/// Reads the template of a name.
pub(super) fn parse(text: &str, more: &[&'static str]) -> Result<Template, String> {
    Template::parse(text, &[&[TAG], more].concat())
}

/// Names made of the names of tags. Each is made once; that memory is bounded by the table of tags.
#[derive(Debug)]
pub(super) struct Naming {
    template: Template,
    known: TagMap<Option<Tag>>,
}

impl Naming {
    pub(super) fn new(text: &str) -> Result<Self, BuildError> {
        Ok(Self { template: parse(text, &[]).map_err(BuildError)?, known: TagMap::default() })
    }

    /// The new tag; `None` if the old one has not the parts that are wanted, or the new one cannot be stored.
    pub(super) fn of(&mut self, tag: Tag) -> Option<Tag> {
        let Self { template, known } = self;
        *known.slot(tag).get_or_insert_with(|| {
            let name = template.expand(|_, to| to.push_str(tag.name())).ok()?;
            Tag::new(&name).ok()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_made_of_the_tags_own_or_there_is_none() {
        let mut naming = Naming::new("{tag[1]}.x").unwrap();
        let of = |naming: &mut Naming, name: &str| naming.of(Tag::new(name).unwrap()).map(Tag::name);
        for _ in 0..2 {
            assert_eq!(of(&mut naming, "names.a"), Some("a.x"));
            assert_eq!(of(&mut naming, "names"), None);
            assert_eq!(of(&mut naming, &format!("names.{}", "a".repeat(1018))), None, "the new name is too long");
        }
    }
}
