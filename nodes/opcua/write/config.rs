//! The options of `opcua_write`, and what they resolve to.

use std::collections::BTreeMap;
use std::time::Duration;

use fieldflow_contract::{At, Findings, Severity, Span, Tag};
use schemars::JsonSchema;
use serde::Deserialize;

use super::form::Measure;
use super::scalar::Scalar;
use super::target::Target;
use crate::command::amount;
use crate::command::gates::{Limits, check_rate};
use crate::opcua::config::between;
use crate::opcua::ids::Id;
use crate::opcua::options::{Access, SecurityOptions, User};
use crate::opcua::profile::Kind;
use crate::opcua::tags::is_range;

/// Writes records to nodes of an OPC UA server, and only to the tags that it lists.
///
/// A record is a command: its value is written to the node that `tags` names for its tag. It is written once, or refused and
/// sent to `rejected` with the reason. Refused is a tag that is not listed; a record that is not of Good quality (see
/// `uncertain`); a value that the type of the node cannot hold exactly, that is outside of `range`, NaN or infinite; a command
/// older than `expire`; one that comes sooner than `min_interval` allows; one to a node that the server does not let this user
/// write; and one that came off the disk and had been received before this run began, as it may have been written then.
///
/// Of what type a node is, and whether it may be written, is read from the server at each connection. An array is written as a
/// text of JSON, `[1,2,3]`, as `opcua` reads it, and must have as many elements as the server says, if it says so; a matrix as
/// `[[1,2],[3,4]]`. An enumeration is written as its number or its name, a time as 2026-01-02T03:04:05Z, bytes as bytes.
/// Structures are not written. Only the value is sent, without a quality and without a time (see `source_time`), as many
/// servers take nothing else.
///
/// While nothing was sent, as the server cannot be reached or is too busy, the command is tried again until it has expired.
/// Otherwise what was sent is never sent again: if no answer comes or the connection breaks, the outcome is unknown, and the
/// record is rejected as such. Look at the device before you repeat it. Records that came together are written by one request,
/// as far as the server takes them and each node is in it once, so that the order of a tag's records is kept.
///
/// Every write is noted in the table `writes` of the pipeline's `state.db`, within about a second: time in nanoseconds since
/// 1970, node, tag, device, address, value, raw (as it went over the wire), outcome and reason. The outcome is `written`,
/// `verified`, `mismatch`, `unverified`, `refused` (by the server) or `unknown`. The newest 100,000 are kept. To read them:
/// `sqlite3 data/NAME/state.db "SELECT datetime(time/1000000000,'unixepoch'),* FROM writes ORDER BY id DESC LIMIT 20"`.
/// If the disk does not take what was noted, nothing is written after the next 1024 writes.
///
/// The connection is signed and encrypted unless `allow_insecure` says that it need not be; keys, certificates and trust are
/// those of `opcua`, in the folder `pki` of the pipeline's data.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// Where the server is: `opc.tcp://HOST:PORT/PATH`, port 4840 if left out. This address is used whatever the server says
    /// of its own.
    #[schemars(extend("examples" = ["opc.tcp://127.0.0.1:4840"]))]
    pub(super) url: String,
    /// How the connection is secured. `Basic256Sha256` and `SignAndEncrypt` if left out.
    #[serde(default)]
    pub(super) security: SecurityOptions,
    /// Who logs in. Nobody in particular (anonymous) if left out.
    pub(super) user: Option<User>,
    /// Longest wait for the connection and for each answer; `100ms` to `10m`. Without an answer the outcome is unknown, so do
    /// not make it short.
    #[serde(default = "five_seconds")]
    pub(super) timeout: Span,
    /// A command that is older is refused: since its own time, or since it was received, whichever is longer ago. At least
    /// `1ms`. The clock of whoever gave it must be right to within this. A command whose sender let it expire before, as an
    /// MQTT message can, is refused then.
    #[serde(default = "ten_seconds")]
    pub(super) expire: Span,
    /// Most write requests in a second, 0.001 to 1000. What comes faster waits for its turn in the edge, which has its own
    /// bound, and is refused when it has expired.
    #[serde(default = "ten")]
    #[schemars(range(min = 0.001, max = 1000.0))]
    pub(super) rate: f64,
    /// Whether records of Uncertain quality are written. Bad ones never are. Default false.
    #[serde(default)]
    pub(super) uncertain: bool,
    /// Whether each write is followed by a read of the same value. A server that holds something else then, or cannot be
    /// read, makes the command rejected; it is not written again. A tag can say otherwise. Default false.
    #[serde(default)]
    pub(super) verify: bool,
    /// Whether the time of the record is written too, as the source time of the value. Many servers refuse that. Default
    /// false.
    #[serde(default)]
    pub(super) source_time: bool,
    /// What kind of server it is. Then it is asked for as much at once as such a server takes well, whatever it says of itself.
    /// Recognised at the connection if left out.
    pub(super) server: Option<Kind>,
    /// Most nodes that one request names. What the server states, and less for servers that are known to state too much, if
    /// left out: 50 for one that is not known. Halved by itself where the server refuses; 1 to write each record by itself.
    #[schemars(range(min = 1, max = 10_000))]
    pub(super) batch: Option<u32>,
    /// What may be written: the name of each tag, and the node of the server. At least one; nothing else is written.
    #[schemars(extend("minProperties" = 1))]
    pub(super) tags: BTreeMap<String, WriteOptions>,
}

/// Which node a tag is, and what may be written there.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub(super) struct WriteOptions {
    /// The node of the server, as for `opcua`: `nsu=urn:plant;s=Line.Speed`, `ns=2;s=Line.Speed`, `i=2258` or
    /// `/Objects/2:Line/2:Speed`. Found anew at each connection.
    #[schemars(extend("examples" = ["nsu=urn:plant;s=Line.Setpoint"]))]
    node: String,
    /// The type, where the server leaves it open; where it does not, the command is refused if the type is another one. What
    /// the server says if left out. A float is rounded to the nearest that the type has; all else is held exactly, or refused.
    #[serde(rename = "as")]
    kind: Option<Scalar>,
    /// A part of an array, of which the rest stays as it is: `3` for the element at 3, counted from 0; `0:9` for the first
    /// ten. Refused at a server that would replace the whole array by it.
    #[schemars(extend("examples" = ["3", "0:9"]))]
    index: Option<String>,
    /// The lowest and the highest value that may be written, such as `[5, 80]`, in the unit of the record. What is outside is
    /// refused, not clamped; `clamp` before this node clamps. For numbers, and each number of an array; whatever the type can
    /// hold if left out.
    range: Option<[f64; 2]>,
    /// The value is the number of the server times this, plus `offset`, as the `scale` node with the same factor makes it:
    /// what is written is (value − offset) / scale. A value that is no whole number then is refused for whole types; `round`
    /// before this node rounds. Worked out in decimals. Default 1.
    scale: Option<f64>,
    /// See `scale`. Default 0.
    offset: Option<f64>,
    /// Whether this tag is read back, if not as the node says.
    verify: Option<bool>,
    /// A command that comes sooner after the last write of this tag is refused, to spare a memory that wears out. Default none.
    min_interval: Option<Span>,
}

fn five_seconds() -> Span {
    Span(Duration::from_secs(5))
}
fn ten_seconds() -> Span {
    Span(Duration::from_secs(10))
}
fn ten() -> f64 {
    10.0
}

/// Most tags of a node, as everywhere.
const MOST_TAGS: usize = 65_536;

/// Options that were found right.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) access: Access,
    pub(super) limits: Limits,
    pub(super) targets: Vec<Target>,
}

impl Config {
    /// Reads the options; `None` if one of them is wrong, and then `findings` has every one that is.
    pub(super) fn resolve(&self, findings: &mut Findings) -> Option<Settings> {
        let way = (self.url.as_str(), &self.security, self.user.as_ref());
        let access = Access::resolve(way, (self.timeout.0, self.server, self.batch), findings);
        let (milli, day) = (Duration::from_millis(1), Duration::from_secs(86_400));
        between("timeout".into(), Some(self.timeout), 100 * milli, Duration::from_secs(600), findings);
        between("expire".into(), Some(self.expire), milli, 366 * day, findings);
        check_rate(self.rate, "requests", findings);
        if self.batch == Some(0) {
            findings
                .error("batch", "0 nodes in a request would write nothing")
                .help("write 1 or more, or leave it out");
        }
        if self.tags.is_empty() {
            findings.error("tags", "no tag is listed, so nothing may be written").help(
                "name at least one, such as setpoint: { node: \"nsu=urn:plant;s=Line.Setpoint\", range: [5, 80] }",
            );
        } else if MOST_TAGS < self.tags.len() {
            findings
                .error("tags", format!("{} tags are more than {MOST_TAGS}", self.tags.len()))
                .help("split the node");
        }
        let targets = self.tags.iter().filter_map(|(name, tag)| self.target(name, tag, findings)).collect();
        let wrong = findings.0.iter().any(|found| found.severity == Severity::Error);
        let limits = Limits { expire: self.expire.0, uncertain: self.uncertain, rate: self.rate };
        access.filter(|_| !wrong).map(|access| Settings { access, limits, targets })
    }

    fn target(&self, name: &str, tag: &WriteOptions, findings: &mut Findings) -> Option<Target> {
        let at = At::from("tags").key(name);
        let id = Id::parse(&tag.node).map_err(|problem| {
            findings.error(at.clone().key("node"), problem.message).help(problem.help);
        });
        let what = tag.kind.filter(|kind| !kind.is_number()).map(|kind| format!("`{kind:?}`"));
        let scaling = amount::scaling((tag.scale, tag.offset), what.as_deref(), &at, findings);
        if let Some(range) = tag.range {
            amount::check_range(range, what.as_deref(), &at, findings);
        }
        let part = tag.index.as_deref().map(|text| text.parse().ok().filter(|_| is_range(text)));
        if let (Some(index), Some(None)) = (&tag.index, &part) {
            findings.error(at.clone().key("index"), format!("`{index}` is neither an index nor a range")).help(
                "write 3 for the element at 3, or 0:9 for the first ten; for a matrix one for each dimension: 1,0:9",
            );
        }
        let tag_of_name = Tag::new(name).map_err(|error| {
            findings.error(at, error.to_string());
        });
        Some(Target {
            tag: tag_of_name.ok()?,
            id: id.ok()?,
            node: tag.node.clone(),
            kind: tag.kind,
            part: part.flatten().unwrap_or_default(),
            place: Err("the server was not asked yet".to_owned()),
            looked: None,
            measure: Measure { range: tag.range, scaling },
            verify: tag.verify.unwrap_or(self.verify),
            min_interval: tag.min_interval.map_or(Duration::ZERO, |span| span.0),
        })
    }
}
