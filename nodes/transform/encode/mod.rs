//! `encode`: from records to text for a line, a file or a topic.

mod text;

use std::collections::BTreeMap;
use std::collections::hash_map::{Entry, HashMap};

use std::path::Path;

use fieldflow_contract::{
    At, Batch, BuildContext, BuildError, Carries, Cause, Facts, Findings, Node, NodeSpec, Outputs, Place, Ports,
    Record, Role, Tag, TagSelector, Tally, Transform, Value, Yield,
};
use schemars::JsonSchema;
use serde::Deserialize;

pub(crate) use self::text::Line;
use self::text::{Column, Csv, LineProtocol};
use crate::template::Template;
use crate::transform::kit::batches::Frame;
use crate::transform::kit::names::Naming;
use crate::transform::kit::quality::worse_or_more;
use crate::transform::kit::rules::Rules;

/// `type: encode`
pub(crate) struct Encode;

/// Makes text of records: JSON, CSV, line protocol (as of `InfluxDB`), or a template of your own.
///
/// The text is the value of a new record, with the tag that `tag` names, so that a sink or a topic takes it as it is. In all
/// forms bytes are written as hex, and a single as the shortest decimal that means it.
///
/// `json`: the record as everywhere in fieldflow, `{"t":"2026-01-01T00:00:00.000000Z","tag":"a","value":1.5}` with a `quality`
/// if it is not good; or the `fields` that you name. What is not finite is the text `NaN`, `Infinity` or `-Infinity`.
/// `csv`: the `columns` in order, quoted as RFC 4180 says; a Null is an empty field.
/// `line_protocol`: `measurement,labels field=value time`; in names a line's end becomes a space, a backslash at the end a slash,
/// and a measurement that begins with `#`, which would be a comment, gets a backslash in front. The time is in nanoseconds,
/// integers as `1i`, those beyond 63 bits as
/// `1u`. A quality that is not good is one more field, `quality="bad:timeout"`, or `temperature_quality` where the value's
/// field is `temperature`. A Bad value, a Null and what is not finite are left out, so that nobody averages them; then the
/// quality stands alone, for what is not finite as `bad:out_of_range`.
/// `template`: your `template`, filled.
///
/// What cannot be written leaves by `rejected` as it came: a tag without the part that a template asks for, a new name when
/// the table of tags is full, in line protocol a time before 1677 or after 2262. The node's counters tell: `name`, `time`.
///
/// Bad quality: written like any other, as said above. The new record has the quality of the one it was made of, of a
/// group the worst, so that nothing becomes better by being written down.
/// Restart: nothing to keep.
/// Time: the new record has the time of the one it was made of, of a group the latest.
/// Memory: the new tag for each incoming tag, bounded by the table of tags; with `group: batch` the text of one batch.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// The tags that are encoded: a name, a pattern such as `press.*`, or a list of them; others pass untouched. Default: all.
    #[serde(default)]
    tags: Option<TagSelector>,
    /// What kind of text.
    #[serde(rename = "as")]
    kind: Kind,
    /// The tag of the text. `{tag}` is the tag of the record, `{tag[1]}` its second part between `/` or `.`, `{tag[-1]}` its
    /// last. Default `{tag}`.
    #[serde(default = "same_tag")]
    tag: String,
    /// `record`: a text for each record. `batch`: one for all records of a batch that get the same `tag`; a list in JSON, lines
    /// in all other forms. Default `record`.
    #[serde(default)]
    group: Group,
    /// Only with `json`: the names of the members, and what each holds; in the order of these names. Default: the record as
    /// everywhere in fieldflow.
    #[serde(default)]
    fields: Option<BTreeMap<String, Column>>,
    /// Only with `csv`: what stands in the columns, at least one. Default `[time, tag, value, quality]`.
    #[serde(default)]
    columns: Option<Vec<Column>>,
    /// Only with `csv`: what stands between two fields, one character such as `;` or `"\t"`. Default `,`.
    #[serde(default)]
    delimiter: Option<char>,
    /// Only with `csv`: whether each text begins with a row of the names of the columns. Default false.
    #[serde(default)]
    header: Option<bool>,
    /// Only with `line_protocol`: the measurement, with `{tag}` and its parts. Default `{tag}`.
    #[serde(default)]
    measurement: Option<String>,
    /// Only with `line_protocol`: the labels (tags in `InfluxDB`) and what each says, with `{tag}` and its parts, such as
    /// `{ site: "{tag[0]}" }`. Default: none.
    #[serde(default)]
    labels: Option<BTreeMap<String, String>>,
    /// Only with `line_protocol`: the name of the field that holds the value, with `{tag}` and its parts. Default `value`.
    #[serde(default)]
    field: Option<String>,
    /// Only and always with `template`: the text. `{tag}` and its parts, `{value}` (text as it is, Null as `null`), `{time}`,
    /// `{time_ms}` (since 1970) and `{quality}` stand for what the record says; `{{` and `}}` for the braces themselves.
    #[serde(default)]
    template: Option<String>,
}

/// What kind of text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
enum Kind {
    Json,
    Csv,
    LineProtocol,
    Template,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Csv => "csv",
            Self::LineProtocol => "line_protocol",
            Self::Template => "template",
        }
    }
}

/// How many records make a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
enum Group {
    #[default]
    Record,
    Batch,
}

fn same_tag() -> String {
    "{tag}".to_owned()
}

impl NodeSpec for Encode {
    const TYPE: &'static str = "encode";
    const ROLE: Role = Role::Transform;
    const EXAMPLE: &'static str = "\
as: line_protocol
tag: influx
group: batch
measurement: \"{tag[0]}\"
labels: { site: works-1 }
field: \"{tag[-1]}\"
";
    type Config = Config;

    fn ports(config: &Config) -> Ports {
        // What is not selected may be bytes.
        let gives = if config.tags.is_some() { Carries::Any } else { Carries::Values };
        Ports::transform(Carries::Any, gives).with_rejected()
    }

    fn facts(_: &Config, _: &Path) -> Facts {
        Facts::renames(Yield::AtMost).place(Place::Renders)
    }

    fn check(config: &Config, findings: &mut Findings) {
        config.resolve(findings);
    }

    fn build(config: Config, context: &BuildContext) -> Result<Node, BuildError> {
        let wrong = || BuildError("the options of `encode` are wrong".to_owned());
        let (tag, writer) = config.resolve(&mut Findings::default()).ok_or_else(wrong)?;
        Ok(Node::transform(Encoder {
            selected: Rules::one(config.tags, ()),
            names: tag.into(),
            writer,
            by_batch: config.group == Group::Batch,
            tally: context.tally.clone(),
        }))
    }
}

impl Config {
    /// The template of the tag and the writer, or `None` if the options are wrong; `findings` has every fault.
    fn resolve(&self, findings: &mut Findings) -> Option<(Template, Writer)> {
        let before = findings.0.len();
        for (option, kind, given) in [
            ("fields", Kind::Json, self.fields.is_some()),
            ("columns", Kind::Csv, self.columns.is_some()),
            ("delimiter", Kind::Csv, self.delimiter.is_some()),
            ("header", Kind::Csv, self.header.is_some()),
            ("measurement", Kind::LineProtocol, self.measurement.is_some()),
            ("labels", Kind::LineProtocol, self.labels.is_some()),
            ("field", Kind::LineProtocol, self.field.is_some()),
            ("template", Kind::Template, self.template.is_some()),
        ] {
            if given && kind != self.kind {
                findings
                    .error(option, format!("`{option}` goes with `as: {}`", kind.word()))
                    .related("as", format!("it is `{}` here", self.kind.word()))
                    .help("leave one of the two out");
            }
        }
        let tag = of_tag(&self.tag, &"tag".into(), findings);
        let writer = match self.kind {
            Kind::Json => Some(self.json(findings)),
            Kind::Csv => Some(self.csv(findings)),
            Kind::LineProtocol => self.line_protocol(findings),
            Kind::Template => self.template(findings),
        };
        tag.zip(writer).filter(|_| before == findings.0.len())
    }

    fn json(&self, findings: &mut Findings) -> Writer {
        if self.fields.as_ref().is_some_and(BTreeMap::is_empty) {
            findings.error("fields", "nothing is written").help("name at least one member, such as `v: value`");
        }
        Writer::Json(self.fields.clone().map(|fields| fields.into_iter().collect()))
    }

    fn csv(&self, findings: &mut Findings) -> Writer {
        let columns = self.columns.clone().unwrap_or_else(|| Column::ROW.to_vec());
        let delimiter = self.delimiter.unwrap_or(',');
        if columns.is_empty() {
            findings.error("columns", "nothing is written").help("name at least one column, such as `value`");
        }
        if matches!(delimiter, '"' | '\r' | '\n') {
            findings.error("delimiter", "a quote or a line's end cannot stand between fields");
        }
        Writer::Csv(Csv { columns, delimiter, header: self.header.unwrap_or(false) })
    }

    fn line_protocol(&self, findings: &mut Findings) -> Option<Writer> {
        let measurement = of_tag(self.measurement.as_deref().unwrap_or("{tag}"), &"measurement".into(), findings);
        let field = of_tag(self.field.as_deref().unwrap_or("value"), &"field".into(), findings);
        let mut labels = Vec::new();
        for (name, text) in self.labels.iter().flatten() {
            let at = At::from("labels").key(name);
            if name.is_empty() {
                findings.error(at.clone(), "the name of a label is empty");
            }
            labels.extend(of_tag(text, &at, findings).map(|text| (name.clone(), text)));
        }
        Some(Writer::LineProtocol(LineProtocol::new(measurement?, labels, field?)))
    }

    fn template(&self, findings: &mut Findings) -> Option<Writer> {
        let Some(text) = &self.template else {
            findings
                .error(At::root(), "`as: template` needs `template`")
                .help("write the text, such as template: \"{tag}={value}\"");
            return None;
        };
        let known = ["tag", "value", "time", "time_ms", "quality"];
        parse(text, &known, &"template".into(), findings).map(Writer::Template)
    }
}

/// A template that is filled from the tag alone; a fault goes to `findings`.
fn of_tag(text: &str, at: &At, findings: &mut Findings) -> Option<Template> {
    if text.is_empty() {
        findings.error(at.clone(), "a text is wanted here").help("such as \"{tag}\"");
        return None;
    }
    parse(text, &["tag"], at, findings)
}

fn parse(text: &str, known: &[&'static str], at: &At, findings: &mut Findings) -> Option<Template> {
    let template = Template::parse(text, known);
    if let Err(message) = &template {
        findings.error(at.clone(), message);
    }
    template.ok()
}

/// Why a record cannot be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    /// Something cannot be named.
    Name,
    /// The time is out of what the form can tell.
    Time,
}

enum Writer {
    /// As everywhere, or these members.
    Json(Option<Vec<(String, Column)>>),
    Csv(Csv),
    LineProtocol(LineProtocol),
    Template(Template),
}

impl Writer {
    /// Appends one record.
    fn write(&mut self, record: &Record, to: &mut String) -> Result<(), Why> {
        match self {
            Self::Json(fields) => text::json(record, fields.as_deref(), to),
            Self::Csv(csv) => csv.write(record, to),
            Self::LineProtocol(lines) => return lines.write(record, to),
            Self::Template(template) => {
                let fill = |hole: &str, to: &mut String| Line(record).hole(hole, to);
                to.push_str(&template.expand(fill).map_err(|_| Why::Name)?);
            }
        }
        Ok(())
    }

    /// What stands before the first record, between two, and behind the last of a text.
    fn frame(&self, by_batch: bool) -> (String, &'static str, &'static str) {
        match self {
            Self::Json(_) if by_batch => ("[".to_owned(), ",", "]"),
            Self::Csv(csv) => (csv.head(), "\n", ""),
            _ => (String::new(), "\n", ""),
        }
    }
}

struct Encoder {
    /// The tags that are encoded.
    selected: Rules<()>,
    names: Naming,
    writer: Writer,
    by_batch: bool,
    tally: Tally,
}

impl Encoder {
    /// The records that go on, and those that are rejected.
    fn encode(&mut self, batch: &Batch) -> (Vec<Record>, Vec<Record>) {
        let (mut made, mut rejected) = (Vec::new(), Vec::new());
        let mut groups: HashMap<Tag, (usize, String)> = HashMap::new();
        let (before, between, behind) = self.writer.frame(self.by_batch);
        for record in batch.records() {
            if !self.selected.names(record.tag) {
                made.push(record.clone());
                continue;
            }
            let mut text = before.clone();
            let tag = self.names.of(record.tag).ok_or(Why::Name);
            let tag = tag.and_then(|tag| self.writer.write(record, &mut text).map(|()| tag));
            match tag {
                Err(why) => {
                    self.tally.add(if why == Why::Name { "name" } else { "time" }, 1);
                    rejected.push(record.clone());
                }
                Ok(tag) if self.by_batch => match groups.entry(tag) {
                    Entry::Occupied(mut group) => {
                        let (at, whole) = group.get_mut();
                        whole.push_str(between);
                        whole.push_str(text.get(before.len()..).unwrap_or_default());
                        if let Some(first) = made.get_mut(*at) {
                            join(first, record);
                        }
                    }
                    Entry::Vacant(group) => {
                        // Its place in the batch is that of its first record; the text is put in at the end.
                        group.insert((made.len(), text));
                        made.push(Record { tag, quality: record.quality, time: record.time, value: Value::Null });
                    }
                },
                Ok(tag) => {
                    made.push(Record {
                        tag,
                        quality: record.quality,
                        time: record.time,
                        value: Value::Text(text.into()),
                    });
                }
            }
        }
        for (at, mut text) in groups.into_values() {
            text.push_str(behind);
            if let Some(record) = made.get_mut(at) {
                record.value = Value::Text(text.into());
            }
        }
        (made, rejected)
    }
}

/// Takes one more record into a group: the latest time, the worst quality.
fn join(group: &mut Record, record: &Record) {
    group.time = group.time.max(record.time);
    group.quality = worse_or_more(group.quality, record.quality);
}

impl Transform for Encoder {
    fn apply(&mut self, batch: Batch, out: &mut Outputs) -> Result<(), Cause> {
        let (made, rejected) = self.encode(&batch);
        let frame = Frame::of(&batch);
        frame.emit(made, out);
        frame.reject(rejected, out);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
