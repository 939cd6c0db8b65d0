//! `rename`: other names for tags.

use std::collections::HashMap;

use std::path::Path;

use fieldflow_contract::{
    At, BuildContext, BuildError, Carries, Facts, Findings, Node, NodeSpec, Ports, Role, Severity, Tag, TagSelector,
    Yield,
};
use regex_lite::Regex;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::template::Template;
use crate::transform::kit::names;
use crate::transform::kit::renamed::{Named, Renamer};

/// `type: rename`
pub(crate) struct Rename;

/// Renames tags, by a template or by a regular expression.
///
/// The first rule that names a tag is used; a record that no rule names passes as it came.
///
/// Two tags never become one: the first tag that comes by under a name keeps it, and the records of another that would take the
/// same name go to `rejected`, counted as `collision`. A tag that no rule names always has its own name: one that was given it
/// goes to `rejected` from then on. So do those that get no
/// name, counted as `no_name`: the tag has no such part, the new name is empty or longer than 1024 bytes, or the table of tags
/// is full.
///
/// Bad quality: renamed like any other.
/// Restart: nothing is kept over it; which of two colliding tags comes first may then be another.
/// Time: none; the records keep theirs.
/// Memory: the new name of each tag, bounded by the table of tags.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// The rules, at least one; the first that names a tag is used for it.
    #[schemars(length(min = 1))]
    pub(crate) rules: Vec<Rule>,
}

/// New names for some tags: `to`, or `match` with `replace`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rule {
    /// The tags that the rule is for: a name, a pattern such as `press.*`, or a list of them. Default: all, which is of use
    /// with `match`.
    #[serde(default)]
    pub(crate) tags: Option<TagSelector>,
    /// The new name, such as `hall3.{tag}`; `{tag[1]}` is the part between `/` or `.`, counted from 0, from the end if
    /// negative: of `site/press/t` `{tag[-1]}` is `t`.
    #[serde(default)]
    pub(crate) to: Option<String>,
    /// A regular expression that has to fit the whole name, from its first to its last letter, such as
    /// `plc(\d+)_(?<what>.*)`. A tag that it does not fit is not named by the rule, and the next one is tried.
    #[serde(default, rename = "match")]
    pub(crate) pattern: Option<String>,
    /// The new name for what `match` fits: `{1}` or `{what}` is what a group holds, `{0}` the whole name, `{{` the sign itself.
    #[serde(default)]
    pub(crate) replace: Option<String>,
}

impl NodeSpec for Rename {
    const TYPE: &'static str = "rename";
    const ROLE: Role = Role::Transform;
    const EXAMPLE: &'static str = "\
rules:
  - { tags: \"plc1/*\", to: \"hall3.press.{tag[-1]}\" }
  - { match: 'plc(\\d+)_(?<what>.*)', replace: \"line{1}.{what}\" }
";
    type Config = Config;

    fn ports(_: &Config) -> Ports {
        Ports::transform(Carries::Any, Carries::Same).with_rejected()
    }

    fn facts(_: &Config, _: &Path) -> Facts {
        Facts::renames(Yield::AtMost)
    }

    fn check(config: &Config, findings: &mut Findings) {
        for (n, rule) in config.rules.iter().enumerate() {
            check(rule, &At::from("rules").index(n), findings);
        }
        if findings.0.iter().all(|finding| finding.severity != Severity::Error) {
            check_collisions(&config.rules, findings);
        }
    }

    fn build(config: Config, context: &BuildContext) -> Result<Node, BuildError> {
        let rules = config.rules.iter().map(Naming::new).collect::<Result<Vec<_>, _>>().map_err(BuildError)?;
        Ok(Node::transform(Renamer::new(move |tag| name(&rules, tag), context.tally.clone())))
    }
}

fn check(rule: &Rule, at: &At, findings: &mut Findings) {
    match (&rule.to, &rule.pattern, &rule.replace) {
        (Some(to), None, None) => {
            names::check(to, &[], &at.clone().key("to"), findings);
            let one = rule.tags.as_ref().and_then(TagSelector::names).is_some_and(|names| names.len() == 1);
            if !one && names::parse(to, &[]).is_ok_and(|template| template.holes().next().is_none()) {
                findings
                    .warning(at.clone().key("to"), format!("every tag of the rule would be called `{to}`"))
                    .help("only the first that comes can have the name; put {tag} or a part such as {tag[1]} into it");
            }
        }
        (None, Some(pattern), Some(replace)) => match whole(pattern) {
            Err(error) => {
                findings.error(at.clone().key("match"), format!("not a regular expression: {error}"));
            }
            Ok(regex) => {
                if replace.is_empty() {
                    findings.error(at.clone().key("replace"), "the name of a tag is empty");
                } else if let Err(wrong) = replacement(replace, &regex) {
                    findings.error(at.clone().key("replace"), wrong);
                }
            }
        },
        (None, None, None) => {
            findings.error(at.clone(), "the rule does not say the new name").help("add `to`, or `match` and `replace`");
        }
        (Some(_), _, _) => {
            findings.error(at.clone(), "`to` does not go with `match` and `replace`").help("make two rules of it");
        }
        (None, Some(_), None) => {
            findings.error(at.clone(), "what `match` fits has no new name").help("add `replace`");
        }
        (None, None, Some(_)) => {
            findings.error(at.clone(), "`replace` has nothing to replace").help("add `match`");
        }
    }
}

/// Reports tags that stand by name in the options and would get the same name.
fn check_collisions(rules: &[Rule], findings: &mut Findings) {
    let Ok(namings) = rules.iter().map(Naming::new).collect::<Result<Vec<_>, _>>() else { return };
    let mut taken: HashMap<String, (Tag, usize)> = HashMap::new();
    for (n, rule) in rules.iter().enumerate() {
        for tag in rule.tags.as_ref().and_then(TagSelector::names).unwrap_or_default() {
            let Ok(tag) = Tag::new(&tag) else { continue };
            let Named::New(new) = name(&namings, tag) else { continue };
            let (other, at) = *taken.entry(new.clone()).or_insert((tag, n));
            if other != tag {
                findings
                    .error(At::from("rules").index(n), format!("`{tag}` and `{other}` would both be called `{new}`"))
                    .related(At::from("rules").index(at), format!("`{other}` gets the name here"));
            }
        }
    }
}

/// The regular expression, made to fit whole names only.
fn whole(pattern: &str) -> Result<Regex, regex_lite::Error> {
    // By itself first, so that a bracket too many cannot get out of the group around it.
    Regex::new(pattern)?;
    Regex::new(&format!("^(?:{pattern})$"))
}

/// The replacement as the library writes it, `${1}` for `{1}`; every group is there.
fn replacement(replace: &str, regex: &Regex) -> Result<String, String> {
    let mut names: Vec<String> = (0..regex.captures_len()).map(|number| number.to_string()).collect();
    names.extend(regex.capture_names().flatten().map(str::to_owned));
    let (mut text, mut rest) = (String::new(), replace);
    while let Some(at) = rest.find(['{', '}', '$']) {
        text.push_str(&rest[..at]);
        let (sign, after) = rest[at..].split_at(1);
        rest = after;
        match sign {
            "$" => text.push_str("$$"),
            sign if after.starts_with(sign) => {
                text.push_str(sign);
                rest = &after[1..];
            }
            "{" => {
                let (name, after) =
                    after.split_once('}').ok_or_else(|| format!("a `{{` without its `}}` in `{replace}`"))?;
                if !names.iter().any(|known| known == name) {
                    let known: Vec<String> = names.iter().map(|name| format!("{{{name}}}")).collect();
                    return Err(format!("`match` has no group `{{{name}}}`; known are {}", known.join(" ")));
                }
                text.extend(["${", name, "}"]);
                rest = after;
            }
            _ => return Err(format!("a `}}` without its `{{` in `{replace}`; write `}}}}` for the sign itself")),
        }
    }
    Ok(text + rest)
}

struct Naming {
    tags: TagSelector,
    to: To,
}

enum To {
    Template(Template),
    Replace(Regex, String),
}

impl Naming {
    fn new(rule: &Rule) -> Result<Self, String> {
        let to = match (&rule.to, &rule.pattern, &rule.replace) {
            (Some(to), None, None) => To::Template(names::parse(to, &[])?),
            (None, Some(pattern), Some(replace)) => {
                let regex = whole(pattern).map_err(|error| error.to_string())?;
                let replace = replacement(replace, &regex)?;
                To::Replace(regex, replace)
            }
            _ => return Err("a rule needs either `to` or `match` and `replace`".to_owned()),
        };
        Ok(Self { tags: rule.tags.clone().unwrap_or_else(TagSelector::all), to })
    }
}

/// What the first rule that names a tag makes of it.
fn name(rules: &[Naming], tag: Tag) -> Named {
    for rule in rules.iter().filter(|rule| rule.tags.selects(tag)) {
        match &rule.to {
            To::Template(template) => {
                let name = template.expand(|_, to| to.push_str(tag.name()));
                return name.map_or(Named::Refused("no_name"), Named::New);
            }
            To::Replace(regex, replace) => {
                if let Some(found) = regex.captures(tag.name()) {
                    let mut name = String::new();
                    found.expand(replace, &mut name);
                    return Named::New(name);
                }
            }
        }
    }
    Named::Same
}
