//! `enrich`: what is known about a tag becomes part of its name.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use fieldflow_contract::{
    At, BuildContext, BuildError, Carries, Facts, Findings, Node, NodeSpec, Ports, Role, Tag, TagSelector, Yield,
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::transform::kit::renamed::{Named, Renamer};
mod lookup;
mod table;

use self::table::Table;
use crate::template::Template;
use crate::transform::kit::names;

/// `type: enrich`
pub(crate) struct Enrich;

/// Puts labels and the columns of a CSV file into the names of tags, such as site, line and machine.
///
/// A record holds a tag, a value, a quality and a time, and nothing beside; so what is known about a tag goes into its name,
/// and from there into the topic, the database and every template that takes a part of it (`{tag[1]}`).
///
/// Two tags never become one: the first tag that comes by under a name keeps it, and the records of another that would take
/// the same name go to `rejected`, counted as `collision`. A tag that keeps its own name always has it. So do those that get no name, counted as `no_name`: the tag has no
/// such part, the new name is empty or longer than 1024 bytes, or the table of tags is full.
///
/// The file is read when the pipeline starts; a change of it takes a restart.
///
/// Bad quality: renamed like any other.
/// Restart: nothing is kept over it; the file is read again.
/// Time: none; the records keep theirs.
/// Memory: the rows of the file (at most 16 MiB of it), and the new name of each tag, bounded by the table of tags.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// The tags to enrich: a name, a pattern such as `plc1.*`, or a list of them; others pass as they came. Default: all.
    #[serde(default)]
    pub(crate) tags: Option<TagSelector>,
    /// The new name, such as `{site}/{line}/{tag}`, of labels, columns of the file, `{tag}` and its parts (`{tag[1]}`, counted
    /// from 0, from the end if negative).
    pub(crate) tag: String,
    /// Fixed labels by name, such as `{ site: hall-3 }`.
    #[serde(default)]
    pub(crate) labels: BTreeMap<String, String>,
    /// A CSV file that knows more about each tag.
    #[serde(default)]
    pub(crate) lookup: Option<Lookup>,
    /// What becomes of a record whose key is not in the file. Default `pass`.
    #[serde(default)]
    pub(crate) missing: Missing,
}

/// A CSV file with a header, beside the pipeline file. Cells may stand in quotation marks; empty lines do not count.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Lookup {
    /// The file; a relative path starts at the folder of the pipeline file.
    pub(crate) file: PathBuf,
    /// What is looked up, such as `{tag[1]}`. Default `{tag}`, the whole name.
    #[serde(default = "whole_tag")]
    pub(crate) key: String,
    /// The column of the keys. Default: the first.
    #[serde(default)]
    pub(crate) column: Option<String>,
    /// What stands between two cells: one character, such as `;`. Default `,`.
    #[serde(default = "comma")]
    pub(crate) separator: char,
}

fn whole_tag() -> String {
    "{tag}".to_owned()
}

fn comma() -> char {
    ','
}

/// What becomes of a record whose key is not in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Missing {
    /// It passes under the name that it came with.
    #[default]
    Pass,
    /// It goes to `rejected`.
    Reject,
    /// It is let go, and counted as filtered.
    Drop,
}

impl NodeSpec for Enrich {
    const TYPE: &'static str = "enrich";
    const ROLE: Role = Role::Transform;
    const EXAMPLE: &'static str = "\
tag: \"{site}/{tag}\"
labels: { site: hall-3 }
";
    type Config = Config;

    fn ports(_: &Config) -> Ports {
        Ports::transform(Carries::Any, Carries::Same).with_rejected()
    }

    fn facts(_: &Config, _: &Path) -> Facts {
        Facts::renames(Yield::AtMost)
    }

    fn check(config: &Config, findings: &mut Findings) {
        for label in config.labels.keys() {
            if let Err(wrong) = lookup::placeholder(label) {
                findings.error(At::from("labels").key(label), wrong);
            }
        }
        match &config.lookup {
            // With a file, its columns are needed to judge the template.
            Some(lookup) => names::check(&lookup.key, &[], &At::from("lookup").key("key"), findings),
            None if config.labels.is_empty() => {
                findings
                    .error(At::root(), "there is nothing to enrich a name with")
                    .help("add `labels` or `lookup`; for a name out of the tag alone there is the type `rename`");
            }
            None => {
                if let Ok(labels) = lookup::placeholders(config.labels.keys()) {
                    names::check(&config.tag, &labels, &"tag".into(), findings);
                }
            }
        }
        if config.lookup.is_none() && config.missing != Missing::Pass {
            findings.error("missing", "nothing is looked up").help("add `lookup`, or leave `missing` out");
        }
    }

    fn check_files(config: &Config, base_dir: &Path, findings: &mut Findings) {
        let Some(lookup) = &config.lookup else { return };
        let at = At::from("lookup").key("file");
        let mut wrong = Vec::new();
        match table::read(&base_dir.join(&lookup.file), lookup.separator, &mut wrong) {
            Err(error) => {
                findings
                    .error(at, format!("`{}`: {error}", lookup.file.display()))
                    .help("a relative path starts at the folder of the pipeline file");
            }
            Ok(table) => lookup::check(config, lookup, &table, wrong, findings),
        }
    }

    fn build(config: Config, context: &BuildContext) -> Result<Node, BuildError> {
        let known = config.lookup.as_ref().map(|lookup| {
            let table = table::read(&context.base_dir.join(&lookup.file), lookup.separator, &mut Vec::new());
            Known::new(lookup, table?)
        });
        let shown = config.lookup.as_ref().map(|lookup| lookup.file.display().to_string()).unwrap_or_default();
        let namer = Namer::new(config, known.transpose().map_err(|error| BuildError(format!("`{shown}`: {error}")))?)
            .map_err(BuildError)?;
        Ok(Node::transform(Renamer::new(move |tag| namer.name(tag), context.tally.clone())))
    }
}

/// The rows of the file by key.
struct Known {
    key: Template,
    columns: Vec<String>,
    rows: HashMap<String, Vec<String>>,
}

impl Known {
    fn new(lookup: &Lookup, table: Table) -> Result<Self, String> {
        let column = lookup::key_column(lookup, &table)?;
        let key = names::parse(&lookup.key, &[])?;
        let rows = table.rows.into_iter().filter_map(|(_, cells)| Some((cells.get(column)?.clone(), cells)));
        Ok(Self { key, columns: table.header, rows: rows.collect() })
    }

    fn row(&self, tag: Tag) -> Option<&Vec<String>> {
        let key = self.key.expand(|_, to| to.push_str(tag.name())).ok()?;
        self.rows.get(&key)
    }
}

struct Namer {
    tags: TagSelector,
    template: Template,
    labels: BTreeMap<String, String>,
    known: Option<Known>,
    missing: Missing,
}

impl Namer {
    fn new(config: Config, known: Option<Known>) -> Result<Self, String> {
        let columns = known.iter().flat_map(|known| &known.columns);
        let template = names::parse(&config.tag, &lookup::placeholders(config.labels.keys().chain(columns))?)?;
        let tags = config.tags.unwrap_or_else(TagSelector::all);
        Ok(Self { tags, template, labels: config.labels, known, missing: config.missing })
    }

    fn name(&self, tag: Tag) -> Named {
        if !self.tags.selects(tag) {
            return Named::Same;
        }
        let row = match self.known.as_ref().map(|known| (known, known.row(tag))) {
            None => None,
            Some((known, Some(row))) => Some((known, row)),
            Some((_, None)) => {
                return match self.missing {
                    Missing::Pass => Named::Same,
                    Missing::Reject => Named::Refused("missing"),
                    Missing::Drop => Named::Dropped("missing"),
                };
            }
        };
        let name = self.template.expand(|hole, to| {
            let column = || {
                let (known, row) = row?;
                row.get(known.columns.iter().position(|column| column == hole)?)
            };
            match self.labels.get(hole).or_else(column) {
                Some(text) => to.push_str(text),
                None => to.push_str(tag.name()),
            }
        });
        name.map_or(Named::Refused("no_name"), Named::New)
    }
}
