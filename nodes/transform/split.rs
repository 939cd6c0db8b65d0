//! `split`: several records out of one text.

use std::sync::Arc;

use fieldflow_contract::{
    At, Batch, BuildContext, BuildError, Carries, Cause, Findings, Node, NodeSpec, Outputs, Ports, Quality, Record,
    Role, Tag, TagMap, TagSelector, Transform, Value,
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::template::Template;
use crate::transform::kit::batches::Frame;
use crate::transform::kit::names;
use crate::transform::kit::number::of_json;

/// Most pieces of one record; one with more is rejected.
const MOST_PIECES: usize = 4096;
/// The placeholder for the number of a piece.
const INDEX: &str = "index";

/// `type: split`
pub(crate) struct Split;

/// Splits a text or bytes into a record for each line, field, JSON element or block of bytes.
///
/// The pieces have the time and the quality of the record, and come in their order. Of bytes, lines and fields are bytes; of
/// a text they are text. A text without pieces (empty, or an empty array) is let go, and counted as `empty`.
///
/// `rejected` gets, as it came, what cannot be split: what is no JSON array; bytes that leave a rest; a record of more than
/// 4096 pieces; a tag that has no such part, or whose new name is too long.
///
/// A number, a boolean or Null keeps its value and becomes `bad:type_mismatch`, unless it is Bad already.
///
/// Bad quality: a Bad record is not split. With `{index}` in `tag` it becomes a Null of its quality for each piece that a record
/// of its tag ever had, so that none of those tags goes on as if it were Good; else it passes whole, under the tag of the pieces.
/// Restart: nothing is kept over it; a Bad record that comes first passes as it came.
/// Time: none; the pieces have that of the record.
/// Memory: the tags of the pieces, bounded by the table of tags.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// The tags to split: a name, a pattern such as `scanner.*`, or a list of them; others pass as they came. Default: all.
    #[serde(default)]
    pub(crate) tags: Option<TagSelector>,
    /// Where to split: `lines`, `json`, `{ separator: ";" }` or `{ bytes: 4 }`.
    pub(crate) by: By,
    /// The tag of a piece, such as `{tag}.{index}`, counted from 0; `{tag[1]}` is a part between `/` or `.`. Default `{tag}`:
    /// all pieces have the tag of the record.
    #[serde(default)]
    pub(crate) tag: Option<String>,
}

/// Where to split.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum By {
    /// At the end of each line, LF or CR LF. Empty lines are pieces too; behind the last end there is none.
    Lines,
    /// An array in JSON: numbers, texts, booleans and null become values, what lies deeper stays JSON text.
    Json,
    /// At this text, such as `;`, of one character or more. `a;;b` has three pieces.
    Separator(String),
    /// Into blocks of so many bytes, at least 1. The pieces are bytes.
    Bytes(usize),
}

impl NodeSpec for Split {
    const TYPE: &'static str = "split";
    const ROLE: Role = Role::Transform;
    const EXAMPLE: &'static str = "\
tags: \"scale.*\"
by: { separator: \";\" }
tag: \"{tag}.{index}\"
";
    type Config = Config;

    fn ports(_: &Config) -> Ports {
        Ports::transform(Carries::Any, Carries::Any).with_rejected()
    }

    fn check(config: &Config, findings: &mut Findings) {
        match &config.by {
            By::Separator(separator) if separator.is_empty() => {
                findings.error(At::from("by").key("separator"), "an empty text separates nothing");
            }
            By::Bytes(0) => {
                findings.error(At::from("by").key("bytes"), "a block has at least one byte");
            }
            _ => {}
        }
        if let Some(tag) = &config.tag {
            names::check(tag, &[INDEX], &"tag".into(), findings);
        }
    }

    fn build(config: Config, _: &BuildContext) -> Result<Node, BuildError> {
        let template = config.tag.as_deref().map(|tag| names::parse(tag, &[INDEX])).transpose().map_err(BuildError)?;
        let numbered = template.as_ref().is_some_and(|template| template.holes().any(|hole| hole.name == INDEX));
        let tags = config.tags.unwrap_or_else(TagSelector::all);
        Ok(Node::transform(Splitter { tags, by: config.by, template, numbered, known: TagMap::default() }))
    }
}

struct Splitter {
    tags: TagSelector,
    by: By,
    template: Option<Template>,
    /// Whether each piece has a tag of its own.
    numbered: bool,
    known: TagMap<Known>,
}

/// What is known of a tag.
struct Known {
    is_for: bool,
    /// The tags of its pieces, as far as they came by; one for all if they are not numbered.
    pieces: Vec<Tag>,
    /// The most pieces that a record had.
    most: usize,
}

impl Splitter {
    fn known(&mut self, tag: Tag) -> &mut Known {
        let Self { tags, known, .. } = self;
        known.slot(tag).get_or_insert_with(|| Known { is_for: tags.selects(tag), pieces: Vec::new(), most: 0 })
    }

    /// The tag of a piece; `None` if there is no such name.
    fn tag(&mut self, whole: Tag, piece: usize) -> Option<Tag> {
        let Self { template, numbered, known, .. } = self;
        let (Some(template), Some(known)) = (template, known.slot(whole)) else { return Some(whole) };
        let at = if *numbered { piece } else { 0 };
        while known.pieces.len() <= at {
            let index = known.pieces.len().to_string();
            known.pieces.push(names::expand(template, whole, &index)?);
        }
        known.pieces.get(at).copied()
    }

    /// Puts the pieces of a record into `passed`; gives it back if it cannot be split.
    fn split(&mut self, mut record: Record, passed: &mut Vec<Record>) -> Result<usize, Record> {
        if record.quality.is_bad() {
            let most = if self.numbered { self.known(record.tag).most } else { 0 };
            for piece in 0..most {
                let Some(tag) = self.tag(record.tag, piece) else { return Err(record) };
                passed.push(Record::bad(tag, record.time, record.quality));
            }
            return if most == 0 { self.whole(record, passed) } else { Ok(most) };
        }
        let pieces = match &record.value {
            Value::Text(text) => pieces(&self.by, text.as_bytes(), true),
            Value::Bytes(bytes) => pieces(&self.by, bytes, false),
            _ => {
                record.quality = Quality::BAD_TYPE_MISMATCH;
                return self.whole(record, passed);
            }
        };
        let Some(pieces) = pieces else { return Err(record) };
        let (before, count) = (passed.len(), pieces.len());
        for (n, value) in pieces.into_iter().enumerate() {
            let Some(tag) = self.tag(record.tag, n) else {
                passed.truncate(before);
                return Err(record);
            };
            passed.push(Record { tag, value, ..record });
        }
        let known = self.known(record.tag);
        known.most = known.most.max(count);
        Ok(count)
    }

    /// Lets a record pass that is not split: under the tag of the pieces, if they have but one.
    fn whole(&mut self, mut record: Record, passed: &mut Vec<Record>) -> Result<usize, Record> {
        if !self.numbered {
            let Some(tag) = self.tag(record.tag, 0) else { return Err(record) };
            record.tag = tag;
        }
        passed.push(record);
        Ok(1)
    }
}

/// The pieces, or `None` if there are none to be had, or too many.
fn pieces(by: &By, whole: &[u8], text: bool) -> Option<Vec<Value>> {
    let parts: Vec<&[u8]> = match by {
        By::Json => return elements(whole),
        By::Bytes(size) => {
            let blocks = whole.chunks_exact(*size.max(&1));
            if !blocks.remainder().is_empty() || MOST_PIECES < blocks.len() {
                return None;
            }
            return Some(blocks.map(|block| Value::Bytes(block.into())).collect());
        }
        _ if whole.is_empty() => Vec::new(),
        By::Lines => {
            let lines = whole.strip_suffix(b"\n").unwrap_or(whole).split(|byte| *byte == b'\n');
            lines.take(MOST_PIECES + 1).map(|line| line.strip_suffix(b"\r").unwrap_or(line)).collect()
        }
        By::Separator(separator) => fields(whole, separator.as_bytes()),
    };
    let value = |part: &[u8]| match std::str::from_utf8(part) {
        Ok(part) if text => Value::Text(part.into()),
        _ => Value::Bytes(part.into()),
    };
    (parts.len() <= MOST_PIECES).then(|| parts.into_iter().map(value).collect())
}

/// The fields between the separators, and one more than is allowed if there are too many.
fn fields<'a>(whole: &'a [u8], separator: &[u8]) -> Vec<&'a [u8]> {
    let (mut fields, mut rest) = (Vec::new(), whole);
    while fields.len() <= MOST_PIECES
        && let Some(at) = rest.windows(separator.len().max(1)).position(|window| window == separator)
    {
        fields.push(&rest[..at]);
        rest = &rest[at + separator.len()..];
    }
    fields.push(rest);
    fields
}

fn elements(whole: &[u8]) -> Option<Vec<Value>> {
    let elements: Vec<serde_json::Value> = serde_json::from_slice(whole).ok()?;
    let value = |element: serde_json::Value| match element {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(v) => Value::Bool(v),
        serde_json::Value::String(text) => Value::Text(text.into()),
        serde_json::Value::Number(number) => of_json(&number),
        deeper => Value::Text(Arc::from(deeper.to_string())),
    };
    (elements.len() <= MOST_PIECES).then(|| elements.into_iter().map(value).collect())
}

impl Transform for Splitter {
    fn apply(&mut self, batch: Batch, out: &mut Outputs) -> Result<(), Cause> {
        if batch.records().iter().all(|record| !self.known(record.tag).is_for) {
            out.emit(batch);
            return Ok(());
        }
        let frame = Frame::of(&batch);
        let (mut passed, mut rejected, mut empty) = (Vec::with_capacity(batch.len()), Vec::new(), 0);
        for record in batch.into_records() {
            if !self.known(record.tag).is_for {
                passed.push(record);
                continue;
            }
            match self.split(record, &mut passed) {
                Ok(0) => empty += 1,
                Ok(_) => {}
                Err(record) => rejected.push(record),
            }
        }
        out.filtered("empty", empty);
        frame.emit(passed, out);
        frame.reject(rejected, out);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_record_of_too_many_pieces_is_refused() {
        for (by, most) in [
            (By::Lines, "\n".repeat(MOST_PIECES)),
            (By::Separator(";".into()), ";".repeat(MOST_PIECES - 1)),
            (By::Bytes(1), "x".repeat(MOST_PIECES)),
            (By::Json, format!("[{}0]", "0,".repeat(MOST_PIECES - 1))),
        ] {
            assert_eq!(pieces(&by, most.as_bytes(), true).map(|pieces| pieces.len()), Some(MOST_PIECES), "{by:?}");
            let more = if by == By::Json { most.replacen('[', "[0,", 1) } else { most.clone() + &most[..1] };
            assert_eq!(pieces(&by, more.as_bytes(), true), None, "{by:?}");
        }
    }

    proptest! {
        #[test]
        fn pieces_put_together_are_the_whole(whole in "[a;☃\n]{1,40}", separator in "[a;☃]{1,2}") {
            let Some(parts) = pieces(&By::Separator(separator.clone()), whole.as_bytes(), true) else { panic!("refused") };
            let texts: Vec<&str> = parts.iter().map(|part| match part {
                Value::Text(text) => &**text,
                other => panic!("{other:?} is no text"),
            }).collect();
            prop_assert_eq!(texts.join(&separator), whole);
        }
    }
}
