//! From records to messages: which records make a message, and what it says.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::sync::Arc;

use fieldflow_contract::{Quality, Record, Tag, TagMap, Timestamp, Value, write_json_line, write_json_value};

use super::topic::Topics;
use crate::template::Template;
use crate::transform::Line;

/// What a payload looks like.
pub(super) enum Form {
    /// One record as JSON.
    Json,
    /// The records of a batch as a list.
    JsonBatch,
    /// The records of one time, by name.
    Values(Template),
    /// A text of one's own.
    Template(Template),
    /// The value and nothing else.
    Value,
}

/// A message that is to be published.
#[derive(Debug, PartialEq)]
pub(super) struct Draft {
    pub(super) topic: Arc<str>,
    pub(super) payload: Vec<u8>,
    /// The records that it tells, by their places in the batch, in rising order; none for a message about the node itself.
    pub(super) records: Vec<usize>,
}

/// What became of the records of a batch.
#[derive(Debug, Default)]
pub(super) struct Drafts {
    /// The messages, in the order in which they are to be sent.
    pub(super) messages: Vec<Draft>,
    /// Records that can never be sent, and why.
    pub(super) refused: Vec<(usize, String)>,
}

/// Makes messages.
pub(super) struct Encoder {
    topics: Topics,
    form: Form,
    pipeline: String,
    names: TagMap<Result<String, String>>,
}

impl Encoder {
    pub(super) fn new(form: Form, topics: Topics, pipeline: &str) -> Self {
        Self { topics, form, pipeline: pipeline.to_owned(), names: TagMap::default() }
    }

    /// Makes messages of those records of a batch that are wanted. `room` is the most bytes that a payload may have under a
    /// topic.
    pub(super) fn encode(
        &mut self,
        records: &[Record],
        wanted: impl Fn(usize) -> bool,
        room: impl Fn(&str) -> usize,
    ) -> Drafts {
        let mut drafts = Drafts::default();
        // The message under way of each topic, by its place.
        let mut open: HashMap<Arc<str>, Open> = HashMap::new();
        for (at, record) in records.iter().enumerate().filter(|(at, _)| wanted(*at)) {
            let topic = match self.topics.of(record.tag) {
                Ok(topic) => topic,
                Err(why) => {
                    drafts.refused.push((at, why.to_string()));
                    continue;
                }
            };
            let most = room(&topic);
            let placed = match &self.form {
                Form::JsonBatch => {
                    let mut line = String::new();
                    write_json_line(record, &mut line);
                    drafts.join(&mut open, (at, None), topic, Piece::Line(line), most)
                }
                Form::Values(template) => match name(&mut self.names, template, &self.pipeline, record.tag) {
                    Ok(name) => {
                        let piece = Piece::named(&name, record);
                        drafts.join(&mut open, (at, Some((record.time, name))), topic, piece, most)
                    }
                    Err(why) => Err(why),
                },
                form => alone(form, record, &self.pipeline).and_then(|payload| drafts.alone(at, topic, payload, most)),
            };
            if let Err(why) = placed {
                drafts.refused.push((at, why));
            }
        }
        for open in open.into_values() {
            drafts.close(open);
        }
        drafts
    }
}

/// A payload of one record.
fn alone(form: &Form, record: &Record, pipeline: &str) -> Result<Vec<u8>, String> {
    let mut text = String::new();
    match form {
        Form::Template(template) => {
            let fill = |name: &str, to: &mut String| match name {
                "pipeline" => to.push_str(pipeline),
                name => Line(record).hole(name, to),
            };
            text = template.expand(fill).map_err(|missing| missing.to_string())?;
        }
        Form::Value => match &record.value {
            Value::Bytes(bytes) => return Ok(bytes.to_vec()),
            _ => Line(record).hole("value", &mut text),
        },
        _ => write_json_line(record, &mut text),
    }
    Ok(text.into_bytes())
}

/// What a record is called in `values`.
fn name(
    names: &mut TagMap<Result<String, String>>,
    template: &Template,
    pipeline: &str,
    tag: Tag,
) -> Result<String, String> {
    let fill = |name: &str, to: &mut String| to.push_str(if name == "tag" { tag.name() } else { pipeline });
    names.slot(tag).get_or_insert_with(|| template.expand(fill).map_err(|missing| missing.to_string())).clone()
}

/// One record's part of a message of several.
enum Piece {
    Line(String),
    /// A member of `values`, and one of `quality` if there is something to say.
    Member(String, Option<String>),
}

impl Piece {
    fn named(name: &str, record: &Record) -> Self {
        let quoted = |text: &str, to: &mut String| write_json_value(&Value::Text(text.into()), to);
        let (mut member, mut quality) = (String::new(), None);
        quoted(name, &mut member);
        if record.quality != Quality::GOOD {
            quality = Some(format!("{member}:\"{}\"", record.quality));
        }
        member.push(':');
        write_json_value(&record.value, &mut member);
        Self::Member(member, quality)
    }

    /// Bytes that it takes, with a comma.
    fn len(&self) -> usize {
        match self {
            Self::Line(line) => line.len() + 1,
            Self::Member(member, quality) => member.len() + 1 + quality.as_ref().map_or(0, |text| text.len() + 1),
        }
    }
}

/// A message that more records may join.
struct Open {
    draft: usize,
    bytes: usize,
    time: Option<Timestamp>,
    /// The names that are in it.
    names: HashSet<String>,
    pieces: Vec<Piece>,
}

/// Bytes of a message of several beside its pieces: `{"t":"-9999-01-01T00:00:00.000000Z","values":{},"quality":{}}`.
const AROUND: usize = 64;

impl Drafts {
    fn alone(&mut self, at: usize, topic: Arc<str>, payload: Vec<u8>, most: usize) -> Result<(), String> {
        if most < payload.len() {
            return Err(too_large(payload.len(), most));
        }
        self.messages.push(Draft { topic, payload, records: vec![at] });
        Ok(())
    }

    /// Puts a record into the message of its topic, or begins another one: of another time, with a name that is in it already,
    /// or full.
    fn join(
        &mut self,
        open: &mut HashMap<Arc<str>, Open>,
        (at, named): (usize, Option<(Timestamp, String)>),
        topic: Arc<str>,
        piece: Piece,
        most: usize,
    ) -> Result<(), String> {
        let bytes = piece.len();
        if most < AROUND + bytes {
            return Err(too_large(AROUND + bytes, most));
        }
        let (time, name) = named.map_or((None, None), |(time, name)| (Some(time), Some(name)));
        let takes = |open: &Open| {
            let is_new = name.as_ref().is_none_or(|name| !open.names.contains(name));
            open.time == time && is_new && open.bytes + bytes <= most
        };
        if let Some(open) = open.get_mut(&topic)
            && takes(open)
        {
            open.bytes += bytes;
            open.names.extend(name);
            open.pieces.push(piece);
            if let Some(draft) = self.messages.get_mut(open.draft) {
                draft.records.push(at);
            }
            return Ok(());
        }
        let draft = self.messages.len();
        self.messages.push(Draft { topic: Arc::clone(&topic), payload: Vec::new(), records: vec![at] });
        let begun = Open { draft, bytes: AROUND + bytes, time, names: name.into_iter().collect(), pieces: vec![piece] };
        if let Some(full) = open.insert(topic, begun) {
            self.close(full);
        }
        Ok(())
    }

    /// Writes a message that is complete.
    fn close(&mut self, open: Open) {
        let mut text = String::with_capacity(open.bytes);
        match open.time {
            None => text.push('['),
            Some(time) => {
                let _ = write!(text, r#"{{"t":"{time}","values":{{"#);
            }
        }
        let mut qualities = Vec::new();
        for (n, piece) in open.pieces.into_iter().enumerate() {
            if n != 0 {
                text.push(',');
            }
            match piece {
                Piece::Line(line) => text.push_str(&line),
                Piece::Member(member, quality) => {
                    text.push_str(&member);
                    qualities.extend(quality);
                }
            }
        }
        match (open.time, qualities.is_empty()) {
            (None, _) => text.push(']'),
            (Some(_), true) => text.push_str("}}"),
            (Some(_), false) => {
                let _ = write!(text, r#"}},"quality":{{{}}}}}"#, qualities.join(","));
            }
        }
        if let Some(draft) = self.messages.get_mut(open.draft) {
            draft.payload = text.into_bytes();
        }
    }
}

fn too_large(bytes: usize, most: usize) -> String {
    format!("a payload of {bytes} bytes, where at most {most} can be sent")
}
