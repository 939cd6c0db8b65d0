//! What can be wrong with the file of `enrich`, told by its rows.

use std::collections::HashMap;

use fieldflow_contract::{At, Findings, Tag};

use super::table::Table;
use super::{Config, Lookup};
use crate::transform::kit::names;

/// Most rows that are told of; who has more mends those first.
const MOST_TOLD: usize = 20;

/// A name that can stand between braces.
pub(super) fn placeholder(name: &str) -> Result<&'static str, String> {
    let letters = |c: char| c.is_alphanumeric() || c == '_' || c == '-' || c == ' ';
    if name == "tag" {
        return Err("`{tag}` is the tag's own name; take another".to_owned());
    }
    if name.is_empty() || !name.chars().all(letters) {
        return Err(format!("`{name}` cannot stand between braces: use letters, digits, `_` and `-`"));
    }
    // The table of tags is where names stand that live as long as the process.
    Tag::new(name).map(Tag::name).map_err(|error| error.to_string())
}

pub(super) fn placeholders<'a>(names: impl Iterator<Item = &'a String>) -> Result<Vec<&'static str>, String> {
    // A column `tag` holds keys as a rule. It is not to be named: `{tag}` is the tag's own.
    names.filter(|name| *name != "tag").map(|name| placeholder(name)).collect()
}

/// The place of the column of the keys.
pub(super) fn key_column(lookup: &Lookup, table: &Table) -> Result<usize, String> {
    match &lookup.column {
        None => Ok(0),
        Some(column) => table
            .header
            .iter()
            .position(|known| known == column)
            .ok_or_else(|| format!("the file has no column `{column}`; it has {}", table.header.join(", "))),
    }
}

/// Reports what is wrong with the file and with the template that is filled from it.
pub(super) fn check(
    config: &Config,
    lookup: &Lookup,
    table: &Table,
    mut wrong: Vec<(usize, String)>,
    findings: &mut Findings,
) {
    let at = At::from("lookup").key("file");
    if let [only] = table.header.as_slice()
        && let Some(other) = [',', ';', '\t'].into_iter().find(|other| only.contains(*other))
    {
        findings
            .error("lookup", "the file has one column, and another sign stands between its cells")
            .help(format!("say `separator: {other:?}`"));
        return;
    }
    let mut columns: Vec<&String> = Vec::new();
    for column in &table.header {
        let taken = columns.contains(&column) || config.labels.contains_key(column);
        let sound = if column == "tag" { Ok("tag") } else { placeholder(column) };
        if let Err(what) = sound {
            findings.error(at.clone(), format!("the header: {what}"));
        } else if taken {
            findings.error(at.clone(), format!("the header: `{column}` is there already, as a column or as a label"));
        }
        columns.push(column);
    }
    let Ok(known) = placeholders(config.labels.keys().chain(columns)) else { return };
    names::check(&config.tag, &known, &"tag".into(), findings);
    let column = match key_column(lookup, table) {
        Ok(column) => column,
        Err(what) => {
            findings.error(At::from("lookup").key("column"), what);
            return;
        }
    };
    let template = names::parse(&config.tag, &known);
    let used = |name: &String| template.as_ref().is_ok_and(|template| template.holes().any(|hole| hole.name == name));
    let mut first: HashMap<&String, usize> = HashMap::new();
    for (line, cells) in &table.rows {
        for (name, cell) in table.header.iter().zip(cells) {
            if cell.is_empty() && name != "tag" && used(name) {
                wrong.push((*line, format!("`{name}` is empty")));
            }
        }
        let Some(key) = cells.get(column) else { continue };
        let before = *first.entry(key).or_insert(*line);
        if key.is_empty() {
            wrong.push((*line, "the key is empty".to_owned()));
        } else if before != *line {
            wrong.push((*line, format!("the key `{key}` stands in row {before} already")));
        }
    }
    wrong.sort();
    for (line, what) in wrong.iter().take(MOST_TOLD) {
        findings.error(at.clone(), format!("row {line}: {what}"));
    }
    if MOST_TOLD < wrong.len() {
        findings.error(at, format!("{} rows more have something wrong", wrong.len() - MOST_TOLD));
    }
}
