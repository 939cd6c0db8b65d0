//! Payloads of JSON: values by their paths.

use std::borrow::Cow;
use std::collections::BTreeMap;

use fieldflow_contract::{At, Findings, Value};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value as Json;

use super::head::{Head, Missing, TimeFormat, not_finite};
use super::names::{self, Here, Name, Names};
use super::path::{Key, Path};
use super::{Into, Why};
use crate::transform::kit::encoding::Encoding;
use crate::transform::kit::number::of_json;

/// Values by their paths in a JSON message. A path is `$` for the message, then `.name`, `['any name']`, `[0]` or, from the
/// end, `[-1]`: a part of `JSONPath`, without slices, filters and search at any depth.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub(super) struct Options {
    /// What to read: the name of each tag, and the path of its value. The name may hold `{tag}` and its parts such as
    /// `{tag[1]}`, and `{name}`, which comes from the message. Records leave in the order of these names. At least one.
    #[schemars(extend("minProperties" = 1))]
    tags: BTreeMap<String, String>,
    /// The path of a list or an object in the message: what is in it is read one by one, and `$` in the other paths means
    /// that one, `$$` the whole message. `[*]` in this path goes through lists in lists. Default: the message is read once.
    #[serde(default)]
    each: Option<String>,
    /// The path of the text or number that `{name}` stands for; an empty text is none. Default: with `each`, the name of the member, or the number of
    /// the element counted from 0.
    #[serde(default)]
    name: Option<String>,
    /// The path of the time. Default, and where there is none in a message: the time of the incoming record.
    #[serde(default)]
    time: Option<String>,
    /// How that time is written. Default `auto`.
    #[serde(default)]
    time_format: TimeFormat,
    /// The path of the quality: a word of fieldflow such as `bad:timeout`, an OPC UA status code, or `true` for good and
    /// `false` for bad. Numbers from 1 to 65535 are no such codes: classic OPC has 192 for good, and so has Sparkplug, so they
    /// are rejected as `quality`. The 0 of such a device is bad, and 0 is good here: read such a number as a tag of its own, and let a
    /// `map` make the quality of it by `last`. Where there is none in a message: good. A bad message without any value makes all its tags bad. A
    /// value that is `null` is bad in any case, `bad:no_data` if the message gives no other reason.
    #[serde(default)]
    quality: Option<String>,
    /// What to do where a path leads nowhere. Default `skip`, because many devices only send what has changed; a message in
    /// which no value is found at all is rejected, because it is probably another one than was meant. With `reject`, the
    /// time and the quality must be there too.
    #[serde(default)]
    missing: Missing,
}

impl Options {
    pub(super) fn resolve(&self, findings: &mut Findings) -> Option<Reader> {
        let at = At::from("json");
        let before = findings.0.len();
        let mut tags = Vec::new();
        let mut asks = None;
        for (name, path) in &self.tags {
            let at = at.clone().key("tags").key(name);
            let template = names::parse(name, &[Name::TAG, Name::NAME], &at, findings);
            let path = read(path, &at, true, findings);
            if let Some((template, path)) = template.zip(path) {
                asks = asks.or_else(|| names::has(&template, Name::NAME).then_some(at));
                tags.push((Name::new(template), path));
            }
        }
        if self.tags.is_empty() {
            findings.error(at.clone().key("tags"), "no tag is read").help("name at least one tag and its path");
        }
        let mut one = |option: &'static str, path: &Option<String>, is_one| {
            path.as_ref().and_then(|path| read(path, &at.clone().key(option), is_one, findings))
        };
        let each = one("each", &self.each, false).map(Path::into_each);
        let (name, time, quality) =
            (one("name", &self.name, true), one("time", &self.time, true), one("quality", &self.quality, true));
        match asks {
            Some(at) if self.name.is_none() && self.each.is_none() => {
                findings
                    .error(at, "`{name}` stands for nothing here")
                    .help("say by `name` where it stands in the message, or by `each` what has names");
            }
            None if self.name.is_some() => {
                findings
                    .error(at.clone().key("name"), "no tag has `{name}` in its name")
                    .help("write `{name}` into the names of the tags, such as \"{tag}.{name}\"");
            }
            _ => {}
        }
        if self.time.is_none() && self.time_format != TimeFormat::Auto {
            findings.error(at.key("time_format"), "a format, but no time").help("say by `time` where the time stands");
        }
        let (names, paths): (Vec<_>, _) = tags.into_iter().unzip();
        (findings.0.len() == before).then(|| Reader {
            asks: names.iter().any(Name::asks),
            names: Names::new(names),
            plan: Plan { paths, each, name, time, format: self.time_format, quality, missing: self.missing },
        })
    }
}

/// Reads a path; a fault goes to `findings`.
fn read(path: &str, at: &At, is_one: bool, findings: &mut Findings) -> Option<Path> {
    match Path::parse(path) {
        Err(wrong) => {
            findings.error(at.clone(), wrong.to_string());
            None
        }
        Ok(path) if is_one && path.is_many() => {
            findings
                .error(at.clone(), "`[*]` leads to several values, and one is wanted here")
                .help("use `each` for the list, and a path from `$`, its element, here");
            None
        }
        Ok(path) => Some(path),
    }
}

/// Reads messages.
pub(super) struct Reader {
    pub(super) names: Names,
    /// Whether a name needs something of the message.
    asks: bool,
    plan: Plan,
}

struct Plan {
    paths: Vec<Path>,
    each: Option<Path>,
    name: Option<Path>,
    time: Option<Path>,
    format: TimeFormat,
    quality: Option<Path>,
    missing: Missing,
}

impl Reader {
    pub(super) fn read(&mut self, payload: &[u8], into: &mut Into<'_>) -> Result<(), Why> {
        // A mark of the byte order, which some programs of Windows write even into JSON, says nothing.
        let payload = payload.strip_prefix("\u{feff}".as_bytes()).unwrap_or(payload);
        let message: Json = serde_json::from_slice(payload).map_err(|_| Why::Format)?;
        let here = self.names.of(into.from.tag)?;
        let before = into.records.len();
        let mut groups = 0;
        let mut group = |key: Option<Key<'_>>, element: &Json| {
            groups += 1;
            let name = if self.asks { self.plan.name(&message, element, key) } else { None };
            if self.asks && name.is_none() {
                // What has no name cannot even be told to be Bad.
                return if self.plan.missing == Missing::Skip { Ok(()) } else { Err(Why::Missing) };
            }
            self.plan.group(&message, element, &here, name.as_deref(), into)
        };
        let reached = match &self.plan.each {
            None => group(None, &message).map(|()| true),
            Some(each) => each.each(&message, &mut |key, element| group(Some(key), element)),
        }?;
        let found = before < into.records.len();
        if found || (reached && groups == 0) { Ok(()) } else { Err(Why::Missing) }
    }
}

impl Plan {
    fn name<'a>(&self, message: &'a Json, element: &'a Json, key: Option<Key<'a>>) -> Option<Cow<'a, str>> {
        let name = match (&self.name, key) {
            (Some(path), _) => match path.find(message, element)? {
                Json::String(text) => Some(text.as_str().into()),
                Json::Number(number) => Some(number.to_string().into()),
                _ => None,
            },
            (None, Some(Key::Member(name))) => Some(name.into()),
            (None, Some(Key::Element(n))) => Some(n.to_string().into()),
            (None, None) => None,
        };
        name.filter(|name: &Cow<'a, str>| !name.is_empty())
    }

    fn group(
        &self,
        message: &Json,
        element: &Json,
        here: &Here<'_>,
        name: Option<&str>,
        into: &mut Into<'_>,
    ) -> Result<(), Why> {
        let find = |path: &Option<Path>| match path.as_ref().map(|path| path.find(message, element)) {
            None => Ok(None),
            Some(None | Some(Json::Null)) if self.missing == Missing::Reject => Err(Why::Missing),
            Some(found) => Ok(found.filter(|found| !found.is_null()).map(value)),
        };
        let head = Head::new((find(&self.time)?, self.format), find(&self.quality)?, self.missing, into)?;
        let values = self.paths.iter().map(|path| path.find(message, element).map(value));
        head.give(values, here, name, into)
    }
}

/// A value as fieldflow knows it; what it does not know becomes text.
fn value(json: &Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(truth) => Value::Bool(*truth),
        Json::Number(number) => of_json(number),
        Json::String(text) => not_finite(text).map_or_else(|| Value::Text(text.as_str().into()), Value::F64),
        Json::Object(members) if members.len() == 1 => {
            match members.get("hex").and_then(Json::as_str).map(|hex| Encoding::Hex.bytes(hex.as_bytes())) {
                Some(Some(bytes)) => Value::Bytes(bytes.into()),
                _ => Value::Text(json.to_string().into()),
            }
        }
        Json::Array(_) | Json::Object(_) => Value::Text(json.to_string().into()),
    }
}
