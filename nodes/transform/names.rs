//! Templates of the names of tags.

use fieldflow_contract::{At, Findings, Tag};

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
