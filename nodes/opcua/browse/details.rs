//! What variables are: their types, what may be done with them, their units, ranges and states, and their values of now.

use std::collections::HashMap;
use std::fmt::Write as _;

use fieldflow_contract::Watch;
use opcua::types::{
    AttributeId, DataTypeId, EUInformation, EnumValueType, Error, NodeId, Range, ReadValueId, StatusCode, Variant,
};

use super::asking::good_value;
use super::walk::Variable;
use crate::opcua::refusal;
use crate::opcua::session::{Session, attribute_of, text, value_of};
use crate::opcua::structures::{Type, builtin};
use crate::opcua::{ids, values};

/// Most types that are asked for.
const MOST_TYPES: usize = 500;
/// Longest value, and longest list of states, that are shown.
const LONGEST: usize = 200;

/// A variable, as it is shown.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Detail {
    /// The path from where the walk began.
    pub(super) path: String,
    /// The names of the path.
    pub(super) names: Vec<String>,
    /// The node, as it is written in a file.
    pub(super) node: String,
    /// `Double`, `State[]`.
    pub(super) of: String,
    /// What may be done with it: `r`, `w`, and `h` for a history that can be read.
    pub(super) access: String,
    pub(super) unit: Option<String>,
    /// `0..200`.
    pub(super) range: Option<String>,
    /// `0 Stopped, 1 Running`.
    pub(super) states: Option<String>,
    pub(super) value: serde_json::Value,
    /// Why there is no value.
    pub(super) status: Option<String>,
}

impl Detail {
    /// Whether its value can be read.
    pub(super) fn is_readable(&self) -> bool {
        self.access.is_empty() || self.access.contains('r')
    }
}

/// What is known of a data type.
#[derive(Debug, Clone)]
struct Kind {
    name: String,
    states: Option<String>,
}

/// Asks for all that there is to know of these.
pub(super) async fn details(session: &mut Session, found: Vec<Variable>, watch: &Watch) -> Result<Vec<Detail>, Error> {
    const EACH: [AttributeId; 5] = [
        AttributeId::DataType,
        AttributeId::ValueRank,
        AttributeId::AccessLevel,
        AttributeId::UserAccessLevel,
        AttributeId::Value,
    ];
    let mut asked: Vec<ReadValueId> = Vec::new();
    for variable in &found {
        asked.extend(EACH.map(|attribute| attribute_of(variable.node.clone(), attribute)));
        let properties = [&variable.unit, &variable.range, &variable.states].into_iter().flatten();
        asked.extend(properties.map(|property| value_of(property.clone())));
    }
    let (all, mut types) = (asked.len(), HashMap::new());
    let mut so_far = |read: usize| {
        watch.tell(&format!("{} variables found, {} % of what they are read", found.len(), read * 100 / all.max(1)));
        if watch.is_stopped() {
            Err(Error::new(StatusCode::BadRequestInterrupted, "it was asked to end"))
        } else {
            Ok(())
        }
    };
    let mut read = session.read_all(&asked, &mut so_far).await?.into_iter().map(good_value);
    let mut next = move || read.next().unwrap_or(Err(StatusCode::BadUnexpectedError));
    let mut details = Vec::with_capacity(found.len());
    for variable in &found {
        so_far(all)?;
        let [kind, rank, access, own_access, value] = EACH.map(|_| next());
        let kind = match kind {
            Ok(Variant::NodeId(id)) => kind_of(session, &id, &mut types).await?,
            _ => Kind { name: "?".to_owned(), states: None },
        };
        let rank = if let Ok(Variant::Int32(rank)) = rank { rank } else { -2 };
        let mut detail = Detail {
            path: variable.names.join("/"),
            names: variable.names.clone(),
            node: ids::written(&variable.node, &session.namespaces),
            of: format!("{}{}", kind.name, dimensions(rank)),
            // What this user may do, where the server says it.
            access: letters(own_access.or(access).ok().as_ref()),
            states: kind.states,
            ..Detail::default()
        };
        match value {
            Ok(value) => detail.value = short(&value),
            Err(status) => detail.status = Some(refusal::name(status)),
        }
        if variable.unit.is_some() {
            detail.unit = next().ok().and_then(|unit| unit_of(&unit));
        }
        if variable.range.is_some() {
            detail.range = next().ok().and_then(|range| range_of(&range));
        }
        if variable.states.is_some() {
            detail.states = next().ok().and_then(|states| states_of(&states)).or(detail.states);
        }
        details.push(detail);
    }
    details.sort_by(|one, other| one.names.cmp(&other.names));
    Ok(details)
}

/// What a data type is called, and the names of its values if it is an enumeration.
async fn kind_of(session: &Session, id: &NodeId, known: &mut HashMap<NodeId, Kind>) -> Result<Kind, Error> {
    if let Some(kind) = known.get(id) {
        return Ok(kind.clone());
    }
    let standard = id.as_data_type_id().ok().map(|standard| format!("{standard:?}"));
    let plain = builtin(id).is_some() && *id != DataTypeId::Enumeration;
    if plain || MOST_TYPES <= known.len() {
        return Ok(Kind { name: standard.unwrap_or_else(|| id.to_string()), states: None });
    }
    let name = if let Some(name) = standard {
        name
    } else {
        let name = session.read(vec![attribute_of(id.clone(), AttributeId::BrowseName)]).await?;
        let name = name.into_iter().next().and_then(|value| value.value);
        if let Some(Variant::QualifiedName(name)) = name { cut(name.name.as_ref()) } else { id.to_string() }
    };
    let (base, mut states) = (session.data_type(id).await?, None);
    let name = match base {
        // An enumeration is a number.
        Type::Builtin(number) if number == DataTypeId::Int32 as u32 => {
            let names = session.names(id).await?.unwrap_or_default();
            let mut names: Vec<(i64, String)> = names.into_iter().collect();
            names.sort_unstable();
            states = (!names.is_empty()).then(|| listed(names));
            name
        }
        Type::Builtin(number) => match NodeId::new(0, number).as_data_type_id() {
            Ok(base) => format!("{name} ({base:?})"),
            Err(_) => name,
        },
        Type::Structure { .. } | Type::Unknown => name,
    };
    let kind = Kind { name, states };
    known.insert(id.clone(), kind.clone());
    Ok(kind)
}

fn dimensions(rank: i32) -> String {
    match rank {
        1 | 0 => "[]".to_owned(),
        2.. => format!("[{}]", ",".repeat(rank.min(8) as usize - 1)),
        _ => String::new(),
    }
}

fn letters(access: Option<&Variant>) -> String {
    let Some(Variant::Byte(level)) = access else { return String::new() };
    let is = |bit: u8, letter: char| (level & bit != 0).then_some(letter);
    let letters: String = [is(1, 'r'), is(2, 'w'), is(4, 'h')].into_iter().flatten().collect();
    if letters.is_empty() { "-".to_owned() } else { letters }
}

fn unit_of(value: &Variant) -> Option<String> {
    let Variant::ExtensionObject(object) = value else { return None };
    let unit = object.inner_as::<EUInformation>()?;
    let names = [unit.display_name.text.as_ref(), unit.description.text.as_ref()];
    names.into_iter().map(cut).find(|name| !name.is_empty())
}

fn range_of(value: &Variant) -> Option<String> {
    let Variant::ExtensionObject(object) = value else { return None };
    object.inner_as::<Range>().map(|range| format!("{}..{}", range.low, range.high))
}

/// The names of `EnumStrings` or of `EnumValues`.
fn states_of(value: &Variant) -> Option<String> {
    let Variant::Array(array) = value else { return None };
    let state = |(index, value): (i64, &Variant)| match value {
        Variant::ExtensionObject(object) => {
            let state = object.inner_as::<EnumValueType>()?;
            Some((state.value, state.display_name.text.as_ref().to_owned()))
        }
        other => Some((index, text(other))),
    };
    let states: Vec<(i64, String)> = (0..).zip(&array.values).filter_map(state).collect();
    (!states.is_empty()).then(|| listed(states))
}

fn listed(states: Vec<(i64, String)>) -> String {
    let mut list = String::new();
    for (number, name) in states {
        if LONGEST < list.len() {
            return list + ", …";
        }
        let comma = if list.is_empty() { "" } else { ", " };
        let _ = write!(list, "{comma}{number} {}", cut(&name));
    }
    list
}

/// A value, if it is not too long to be looked at.
fn short(value: &Variant) -> serde_json::Value {
    match value {
        Variant::Empty | Variant::ExtensionObject(_) => serde_json::Value::Null,
        value => match values::plain(value, 0) {
            serde_json::Value::String(text) => cut(&text).into(),
            json @ (serde_json::Value::Array(_) | serde_json::Value::Object(_)) => {
                let text = json.to_string();
                if text.len() <= LONGEST { json } else { cut(&text).into() }
            }
            json => json,
        },
    }
}

/// Text of a server, on one line and not too long.
fn cut(text: &str) -> String {
    let mut plain = text.chars().filter(|c| !c.is_control());
    let short: String = plain.by_ref().take(LONGEST).collect();
    if plain.next().is_some() { short + "…" } else { short }
}
