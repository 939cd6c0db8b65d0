//! `decode`: from what came over the wire, text or bytes, to records.
//!
//! A payload is hostile until it is decoded: its size, its depth and the number of its records are bounded, and whatever does
//! not fit the options is refused as a whole. [`Config::resolve`] is the one reading of the options, for `check` and `build`.

mod binary;
mod csv;
mod head;
mod json;
mod names;
mod path;

use fieldflow_contract::{
    At, Batch, BuildContext, BuildError, Carries, Cause, Findings, Node, NodeSpec, Outputs, Ports, Quality, Record,
    Role, Tag, TagSelector, Tally, Timestamp, Transform, Value,
};
use schemars::JsonSchema;
use serde::Deserialize;

use self::names::Names;
use crate::transform::kit::batches::Frame;
use crate::transform::kit::encoding::Encoding;
use crate::transform::kit::quality::worse_or_more;
use crate::transform::kit::rules::Rules;

/// Largest payload that is decoded, in bytes.
const MOST_BYTES: usize = 1 << 20;
/// Most records out of one payload.
const MOST_RECORDS: usize = 1 << 16;

/// `type: decode`
pub(crate) struct Decode;

/// Makes records out of payloads: JSON by paths, CSV by columns, or binary frames by a list of fields.
///
/// Give exactly one of `json`, `csv` and `binary`. The names of the records may hold `{tag}`, the tag that the payload came
/// with (for MQTT the topic), and parts of it: `{tag[1]}` is the second between `/` or `.`, `{tag[-1]}` the last.
///
/// A payload that does not fit (no JSON, too short a frame, a time that cannot be read, none of the values found) leaves by
/// `rejected` as it came, whole; the others of its batch go on. So does a record that is neither text nor bytes. The node's
/// counters tell why: `encoding format layout missing name quality size time type`. A list that `each` leads to and that has
/// nothing in it, or a table that has a header only, says that there is nothing to tell: it is let go as `empty`. A payload may be 1 MiB long, nest 127
/// levels deep, and give 65536 records.
///
/// Numbers in JSON and CSV become integers where they are, else doubles. The texts `NaN`, `Infinity` and `-Infinity` and an
/// object `{"hex":"01ff"}` are what fieldflow itself writes for such floats and for bytes, and are read so. Any other
/// object or list becomes text, its JSON without spaces. Unsigned integers of a frame stay unsigned, singles single.
///
/// Order: `crc_check` stands in front, where there is a checksum; `cast`, `scale` and the like stand behind.
///
/// Bad quality: not decoded. Each tag that the payload would have given gets a record without value and with that quality,
/// so that a link that broke is seen behind this node; where the names come out of the payload, one record with the tag
/// of the payload. What comes as Uncertain is decoded, and leaves at best as Uncertain.
/// Restart: nothing to keep.
/// Time: the one in the payload, if `time` says where it stands and it is there, else that of the incoming record.
/// Memory: the names for each incoming tag, bounded by the table of tags. Names out of payloads can fill that table; once it
/// is full, payloads with new names are rejected.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// The tags that are decoded: a name, a pattern such as `meters/*`, or a list of them; others pass untouched. Default: all.
    #[serde(default)]
    tags: Option<TagSelector>,
    /// An encoding to undo first: `hex` (in either case; white space is skipped) or `base64` (of either alphabet, with or
    /// without its `=`; white space is skipped). Default: none.
    #[serde(default)]
    first: Option<First>,
    /// The payload is JSON.
    #[serde(default)]
    json: Option<json::Options>,
    /// The payload is text with delimiters, as of RFC 4180: one row, or several.
    #[serde(default)]
    csv: Option<csv::Options>,
    /// The payload is a binary frame.
    #[serde(default)]
    binary: Option<binary::Options>,
}

/// An encoding to undo before the payload is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
enum First {
    Hex,
    Base64,
}

impl First {
    fn encoding(self) -> Encoding {
        match self {
            Self::Hex => Encoding::Hex,
            Self::Base64 => Encoding::Base64,
        }
    }
}

impl Config {
    /// The format, or `None` if the options are wrong; `findings` has every fault.
    fn resolve(&self, findings: &mut Findings) -> Option<Format> {
        let given = [("json", self.json.is_some()), ("csv", self.csv.is_some()), ("binary", self.binary.is_some())];
        let mut given = given.iter().filter(|(_, given)| *given).map(|(name, _)| *name);
        let before = findings.0.len();
        let Some(first) = given.next() else {
            let help = "add one of `json`, `csv` and `binary`";
            findings.error(At::root(), "the node does not say what it decodes").help(help);
            return None;
        };
        for other in given {
            let message = format!("a payload has one format, and `{first}` is given already");
            let help = "make two nodes of it, each with its `tags`";
            findings.error(other, message).related(first, "the other format").help(help);
        }
        let json = self.json.as_ref().map(|options| options.resolve(findings).map(Format::Json));
        let csv = self.csv.as_ref().map(|options| options.resolve(findings).map(Format::Csv));
        let binary = self.binary.as_ref().map(|options| options.resolve(findings).map(Format::Binary));
        json.or(csv).or(binary).flatten().filter(|_| findings.0.len() == before)
    }
}

impl NodeSpec for Decode {
    const TYPE: &'static str = "decode";
    const ROLE: Role = Role::Transform;
    const EXAMPLE: &'static str = "\
json:
  tags:
    \"{tag}.temperature\": \"$.temp\"
    \"{tag}.battery\": \"$.status.battery\"
  time: \"$.ts\"
";
    type Config = Config;

    fn ports(config: &Config) -> Ports {
        // What is not selected may be bytes, and so may a field of a frame.
        let bytes = config.tags.is_some() || config.binary.as_ref().is_some_and(binary::Options::gives_bytes);
        Ports::transform(Carries::Any, if bytes { Carries::Any } else { Carries::Values }).with_rejected()
    }

    fn check(config: &Config, findings: &mut Findings) {
        config.resolve(findings);
    }

    fn build(config: Config, context: &BuildContext) -> Result<Node, BuildError> {
        let mut findings = Findings::default();
        let wrong = || BuildError("the options of `decode` are wrong".to_owned());
        let format = config.resolve(&mut findings).ok_or_else(wrong)?;
        Ok(Node::transform(Decoder {
            selected: Rules::one(config.tags, ()),
            first: config.first.map(First::encoding),
            format,
            tally: context.tally.clone(),
        }))
    }
}

/// Why a payload is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    /// It is not the hex or base64 that was to be undone.
    Encoding,
    /// It is no JSON, no CSV, or its text is no UTF-8.
    Format,
    /// A frame is shorter or longer than its fields.
    Layout,
    /// Nothing of what was asked for is in it, or not all of it where all is wanted.
    Missing,
    /// A tag cannot be named: a part is missing, the name is too long, or the table of tags is full.
    Name,
    /// The quality that it gives is none.
    Quality,
    /// It is too long, or gives too many records.
    Size,
    /// The time that it gives is none.
    Time,
    /// The record holds neither text nor bytes.
    Type,
}

impl Why {
    fn word(self) -> &'static str {
        match self {
            Self::Encoding => "encoding",
            Self::Format => "format",
            Self::Layout => "layout",
            Self::Missing => "missing",
            Self::Name => "name",
            Self::Quality => "quality",
            Self::Size => "size",
            Self::Time => "time",
            Self::Type => "type",
        }
    }
}

enum Format {
    Json(json::Reader),
    Csv(csv::Reader),
    Binary(binary::Reader),
}

impl Format {
    fn names(&mut self) -> &mut Names {
        match self {
            Self::Json(reader) => &mut reader.names,
            Self::Csv(reader) => &mut reader.names,
            Self::Binary(reader) => &mut reader.names,
        }
    }

    fn read(&mut self, payload: &[u8], into: &mut Into<'_>) -> Result<(), Why> {
        match self {
            Self::Json(reader) => reader.read(payload, into),
            Self::Csv(reader) => reader.read(payload, into),
            Self::Binary(reader) => reader.read(payload, into),
        }
    }
}

/// Takes what is decoded of one payload.
struct Into<'a> {
    /// The record that brought the payload.
    from: &'a Record,
    records: &'a mut Vec<Record>,
    /// How many records may be there when the payload is done.
    most: usize,
}

impl<'a> Into<'a> {
    fn new(from: &'a Record, records: &'a mut Vec<Record>) -> Self {
        let most = records.len().saturating_add(MOST_RECORDS);
        Self { from, records, most }
    }

    /// A value. Null without a reason is the absence of data; nothing is better than the record that brought it.
    fn push(&mut self, tag: Tag, time: Timestamp, quality: Quality, value: Value) -> Result<(), Why> {
        if self.most <= self.records.len() {
            return Err(Why::Size);
        }
        let quality = match value {
            Value::Null if quality.is_good() => Quality::BAD_NO_DATA,
            _ => worse_or_more(quality, self.from.quality),
        };
        self.records.push(Record { tag, quality, time, value });
        Ok(())
    }
}

struct Decoder {
    /// The tags that are decoded.
    selected: Rules<()>,
    first: Option<Encoding>,
    format: Format,
    tally: Tally,
}

impl Decoder {
    fn decode(&mut self, from: &Record, records: &mut Vec<Record>) -> Result<(), Why> {
        let into = &mut Into::new(from, records);
        if from.quality.is_bad() {
            return self.pass_on(into);
        }
        let payload = match &from.value {
            Value::Text(text) => text.as_bytes(),
            Value::Bytes(bytes) => bytes,
            _ => return Err(Why::Type),
        };
        if MOST_BYTES < payload.len() {
            return Err(Why::Size);
        }
        match self.first {
            None => self.format.read(payload, into),
            Some(first) => self.format.read(&first.bytes(payload).ok_or(Why::Encoding)?, into),
        }
    }

    /// Tells all that would have come of a payload that it is Bad.
    fn pass_on(&mut self, into: &mut Into<'_>) -> Result<(), Why> {
        let from = into.from;
        let names = self.format.names().of(from.tag);
        let tags: Option<Vec<Tag>> = names.ok().and_then(|names| names.all().collect());
        for tag in tags.unwrap_or_else(|| vec![from.tag]) {
            into.push(tag, from.time, from.quality, Value::Null)?;
        }
        Ok(())
    }
}

impl Transform for Decoder {
    fn apply(&mut self, batch: Batch, out: &mut Outputs) -> Result<(), Cause> {
        let (mut decoded, mut rejected, mut empty) = (Vec::new(), Vec::new(), 0);
        for record in batch.records() {
            if !self.selected.names(record.tag) {
                decoded.push(record.clone());
                continue;
            }
            let before = decoded.len();
            match self.decode(record, &mut decoded) {
                Ok(()) => empty += u64::from(decoded.len() == before),
                Err(why) => {
                    self.tally.add(why.word(), 1);
                    decoded.truncate(before);
                    rejected.push(record.clone());
                }
            }
        }
        let frame = Frame::of(&batch);
        frame.emit(decoded, out);
        frame.reject(rejected, out);
        out.filtered("empty", empty);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
