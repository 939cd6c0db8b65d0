//! `route`: each record leaves by the port whose condition it meets.

use std::fmt;

use std::path::Path;

use fieldflow_contract::{
    At, Batch, BuildContext, BuildError, Carries, Cause, Facts, Findings, Node, NodeSpec, Outputs, Port, PortName,
    Ports, Record, Role, TagMap, Tally, Transform, Yield,
};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};

use crate::transform::kit::batches::Frame;
use crate::transform::kit::condition::{Asked, Condition, Met};
use crate::transform::kit::expression::Expressions;

/// Most routes of one node: a set of them is a bit each.
const MOST: usize = 63;
/// The port of what meets no route.
const OTHERWISE: &str = "otherwise";

/// `type: route`
pub(crate) struct Route;

/// Sends each record out of the port whose condition it meets, by tag, quality, range or expression.
///
/// Each route is a port of this name (`node.hot -> …`), and each has to be wired. What meets none leaves by `otherwise`.
/// A record for which a `when` that decides has no answer (a text in arithmetic, another tag that is Bad or has no value yet)
/// goes to `rejected`; `last_or` puts a value in the place of one that is missing.
///
/// Bad quality: the value of a Bad record is not judged (by `range`, or by a `when` that does not ask for `quality` or
/// `good`): it takes the way that the last record of its tag took by its value, so whoever got the value learns of the fault.
/// If there was none, it meets no such route.
/// Restart: nothing is kept over it.
/// Time: none; the records keep theirs.
/// Memory: the last way of each tag, bounded by the table of tags; one value for each tag that stands in a `last`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// The routes by the name of their port (lower-case letters, digits, `_` and `-`), each a condition such as
    /// `{ tags: "oven.*", range: [800, 1200] }`. They are tried in the order of the file. At least one, at most 63.
    pub(crate) routes: Routes,
    /// Whether a record takes the first route that it meets, or all of them. Default `first`.
    #[serde(default, rename = "match")]
    pub(crate) matching: Matching,
    /// What becomes of a record that meets no route. Default `port`.
    #[serde(default)]
    pub(crate) otherwise: Otherwise,
}

/// How many routes a record takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Matching {
    /// The first that it meets.
    #[default]
    First,
    /// Every one that it meets.
    All,
}

/// What becomes of a record that meets no route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Otherwise {
    /// It leaves by the port `otherwise`, which has to be wired.
    #[default]
    Port,
    /// It is let go, and counted as filtered.
    Drop,
}

/// Conditions by name, in the order of the file.
#[derive(Debug, Clone)]
pub(crate) struct Routes(Vec<(String, Condition)>);

impl<'de> Deserialize<'de> for Routes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Routes;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a condition for each port")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Routes, A::Error> {
                let mut routes = Vec::new();
                while let Some(route) = map.next_entry()? {
                    routes.push(route);
                }
                Ok(Routes(routes))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

impl JsonSchema for Routes {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Routes".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let condition = generator.subschema_for::<Condition>();
        json_schema!({ "type": "object", "additionalProperties": condition, "minProperties": 1 })
    }
}

impl NodeSpec for Route {
    const TYPE: &'static str = "route";
    const ROLE: Role = Role::Transform;
    const EXAMPLE: &'static str = "\
routes:
  faults: { quality: { max: bad } }
  hot: { tags: \"oven.*\", range: [800, 1200] }
";
    type Config = Config;

    fn ports(config: &Config) -> Ports {
        let mut names: Vec<&str> = config.routes.0.iter().map(|(name, _)| name.as_str()).collect();
        names.extend((config.otherwise == Otherwise::Port).then_some(OTHERWISE));
        let port = |name: &str| Port { name: name.to_owned().into(), carries: Carries::Same, required: true };
        Ports { input: Some(Carries::Any), outputs: names.into_iter().map(port).collect() }.with_rejected()
    }

    fn facts(_: &Config, _: &Path) -> Facts {
        Facts::passes(Yield::AtMost)
    }

    fn check(config: &Config, findings: &mut Findings) {
        let routes = &config.routes.0;
        if MOST < routes.len() {
            findings.error("routes", format!("{} routes are too many; {MOST} are allowed", routes.len()));
        }
        for (name, condition) in routes {
            let at = At::from("routes").key(name);
            let letters = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
            if name.is_empty() || !name.chars().all(letters) {
                findings
                    .error(at.clone(), format!("`{name}` is no name for a port"))
                    .help("use lower-case letters, digits, `_` and `-`");
            }
            if [OTHERWISE, Port::REJECTED].contains(&name.as_str()) {
                findings
                    .error(at.clone(), format!("`{name}` is a port of the node already"))
                    .help("take another name for the route");
            }
            condition.check(&at, findings);
        }
    }

    fn build(config: Config, context: &BuildContext) -> Result<Node, BuildError> {
        let mut expressions = Expressions::default();
        let mut routes = Vec::new();
        for (name, condition) in config.routes.0.into_iter().take(MOST) {
            routes.push((PortName::from(name), Asked::new(condition, &mut expressions)?));
        }
        let (all, drops) = (config.matching == Matching::All, config.otherwise == Otherwise::Drop);
        let tally = context.tally.clone();
        Ok(Node::transform(Router {
            routes,
            all,
            drops,
            expressions,
            ways: TagMap::default(),
            taken: Vec::new(),
            tally,
        }))
    }
}

struct Router {
    routes: Vec<(PortName, Asked)>,
    all: bool,
    drops: bool,
    expressions: Expressions,
    /// The routes that the last record of a tag met whose value could be judged.
    ways: TagMap<u64>,
    /// The routes of each record of one batch, here so that they need no new memory each time.
    taken: Vec<u64>,
    tally: Tally,
}

/// In the place of routes: the record is rejected.
const REJECTED: u64 = 1 << MOST;

impl Router {
    /// The routes that a record takes, a bit each; none for `otherwise`.
    fn way(&mut self, record: &Record) -> u64 {
        let last = self.ways.get(record.tag).copied().unwrap_or(0);
        let (mut met, mut way) = (0, 0);
        for (n, (_, asked)) in self.routes.iter_mut().enumerate() {
            let bit = 1 << n;
            let taken = match asked.of(record, &mut self.expressions) {
                Met::Yes => bit,
                Met::No | Met::NotByValue => 0,
                Met::Unknown => last & bit,
                Met::Failed => {
                    way = REJECTED;
                    break;
                }
            };
            met |= taken;
            if taken != 0 {
                way |= taken;
                if !self.all {
                    break;
                }
            }
        }
        if !record.quality.is_bad() {
            *self.ways.slot(record.tag) = Some(met);
        }
        self.expressions.saw(record);
        way
    }
}

impl Transform for Router {
    fn apply(&mut self, batch: Batch, out: &mut Outputs) -> Result<(), Cause> {
        let mut taken = std::mem::take(&mut self.taken);
        taken.clear();
        taken.extend(batch.records().iter().map(|record| self.way(record)));
        let (some, every) = taken.iter().fold((0, u64::MAX), |(some, every), way| (some | way, every & way));
        let frame = Frame::of(&batch);
        let only = |wanted: &dyn Fn(u64) -> bool| {
            let records = batch.records().iter().zip(&taken).filter(|(_, way)| wanted(**way));
            records.map(|(record, _)| record.clone()).collect::<Vec<_>>()
        };
        for (n, (port, _)) in self.routes.iter().enumerate() {
            let bit = 1 << n;
            if every & bit != 0 {
                // All of it: no copy.
                out.emit_to(port.clone(), batch.clone());
            } else if some & bit != 0 {
                frame.emit_to(port.clone(), only(&|way| way & bit != 0), out);
            }
        }
        let rest = taken.iter().filter(|way| **way == 0).count();
        if self.drops {
            out.filtered("no_route", rest as u64);
        } else if rest == taken.len() {
            out.emit_to(OTHERWISE, batch.clone());
        } else if rest != 0 {
            frame.emit_to(OTHERWISE, only(&|way| way == 0), out);
        }
        if some & REJECTED != 0 {
            let rejected = only(&|way| way == REJECTED);
            self.tally.add("no_answer", rejected.len() as u64);
            frame.reject(rejected, out);
        }
        self.taken = taken;
        Ok(())
    }
}
