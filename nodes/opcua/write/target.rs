//! The tags that may be written, and what the server says of their nodes: where they are, of what type, and who may write them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use fieldflow_contract::Tag;
use opcua::types::{AttributeId, DataTypeId, DataValue, Error, NodeId, NumericRange, ReadValueId, StatusCode, Variant};
use tokio::time::Instant;

use super::form::{Form, Measure, Shape};
use super::scalar::Scalar;
use crate::opcua::ids::Id;
use crate::opcua::lookup::Missing;
use crate::opcua::refusal::Refusal;
use crate::opcua::session::{Session, attribute_of, value_of};
use crate::opcua::structures::{Type, builtin};

/// A tag that may be written.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) tag: Tag,
    pub(super) id: Id,
    /// The node as it was written.
    pub(super) node: String,
    /// Of what type it is, if the file says so.
    pub(super) kind: Option<Scalar>,
    /// The part of an array that is written.
    pub(super) part: NumericRange,
    pub(super) measure: Measure,
    pub(super) verify: bool,
    pub(super) min_interval: Duration,
    /// What the server says of it; in words why it cannot be written.
    pub(super) place: Result<Place, String>,
    /// When the server was asked.
    pub(super) looked: Option<Instant>,
}

/// A node that can be written, as long as the session lasts.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) node: NodeId,
    pub(super) form: Form,
}

/// What is read of each node.
const ATTRIBUTES: [AttributeId; 5] = [
    AttributeId::DataType,
    AttributeId::ValueRank,
    AttributeId::ArrayDimensions,
    AttributeId::AccessLevel,
    AttributeId::UserAccessLevel,
];
/// The bit of an access level that says that the value can be written.
const CURRENT_WRITE: u8 = 0x02;
/// Most dimensions of an array.
const MOST_DIMENSIONS: usize = 8;

/// What is known of the data types of a server.
type Known = HashMap<NodeId, (Type, Option<Arc<HashMap<i64, String>>>)>;

impl Target {
    /// The place for people and the book: the node, and the part of it.
    pub(super) fn address(&self) -> String {
        if self.part.is_none() { self.node.clone() } else { format!("{}[{}]", self.node, self.part) }
    }
}

impl Session {
    /// Asks the server what these targets are.
    pub(super) async fn place(&mut self, targets: &mut [&mut Target]) -> Result<(), Error> {
        let nodes = self.nodes(targets.iter().map(|target| &target.id)).await?;
        let found = |node: &Result<NodeId, Missing>| node.as_ref().ok().cloned();
        let asked: Vec<ReadValueId> = nodes
            .iter()
            .filter_map(found)
            .flat_map(|node| ATTRIBUTES.map(|attribute| attribute_of(node.clone(), attribute)))
            .collect();
        let values = self.read_all(&asked, |_| Ok(())).await?;
        let mut said = values.chunks(ATTRIBUTES.len());
        let current = |(node, target): (&Result<NodeId, Missing>, &&mut Target)| {
            let mut what = value_of(found(node)?);
            what.index_range = target.part.clone();
            Some(what)
        };
        let mut known = Known::new();
        // The value of now says what is left open. Most leave nothing open, so it is asked for where it is needed only.
        let asked: Vec<ReadValueId> = nodes.iter().zip(targets.iter()).filter_map(current).collect();
        let mut asked = asked.into_iter();
        for (node, target) in nodes.iter().zip(targets.iter_mut()) {
            target.looked = Some(Instant::now());
            target.place = match node {
                Err(Missing::Namespace(missing)) => Err(missing.to_string()),
                Err(Missing::Node(status)) => Err(Refusal::code("it is not there", *status).message),
                Ok(node) => match (said.next(), asked.next()) {
                    (Some(said), Some(value)) => {
                        let form = self.form(target, said, value, &mut known).await?;
                        form.map(|form| Place { node: node.clone(), form })
                    }
                    _ => Err("the server says nothing of it".to_owned()),
                },
            };
        }
        Ok(())
    }

    /// In what form a target takes its value, by what the server says of it.
    async fn form(
        &self,
        target: &Target,
        said: &[DataValue],
        value: ReadValueId,
        known: &mut Known,
    ) -> Result<Result<Form, String>, Error> {
        let [data_type, rank, dimensions, access, user_access] = said else {
            return Ok(Err("the server says too little of it".to_owned()));
        };
        let Some(Variant::NodeId(data_type)) = &data_type.value else {
            let status = data_type.status.unwrap_or(StatusCode::BadAttributeIdInvalid);
            let what = match status {
                StatusCode::BadAttributeIdInvalid => "it is no variable",
                _ => "its type cannot be read",
            };
            return Ok(Err(Refusal::code(what, status).message));
        };
        for (level, what) in [
            (access, "the server lets nobody write it: it can be read only (AccessLevel"),
            (user_access, "this user may not write it; check `user` and its rights there (UserAccessLevel"),
        ] {
            if let Some(Variant::Byte(level)) = &level.value
                && level & CURRENT_WRITE == 0
            {
                return Ok(Err(format!("{what} {level})")));
            }
        }
        if !known.contains_key(data_type) {
            let found = match builtin(data_type) {
                Some(number) => Type::Builtin(number),
                None => self.data_type(data_type).await?,
            };
            let is_number = matches!(found, Type::Builtin(number) if number == DataTypeId::Int32 as u32);
            let names = if is_number && builtin(data_type).is_none() { self.names(data_type).await? } else { None };
            known.insert((**data_type).clone(), (found, names.map(Arc::new)));
        }
        let (of, names) = match known.get(data_type) {
            Some((of, names)) => (of.clone(), names.clone()),
            None => (Type::Unknown, None),
        };
        let scalar = match of {
            Type::Builtin(number) => Scalar::of(number),
            Type::Structure { .. } => {
                let what =
                    "it holds a structure, and those are not written; write its fields, if they are nodes of their own";
                return Ok(Err(what.to_owned()));
            }
            Type::Unknown => None,
        };
        let rank = if let Some(Variant::Int32(rank)) = &rank.value { *rank } else { -1 };
        let is_open = matches!(rank, -3 | -2 | 0);
        let needs_value = is_open || scalar.is_none() || !target.part.is_none();
        let now = if needs_value { self.read(vec![value]).await?.into_iter().next() } else { None };
        let now = now.unwrap_or_default();
        Ok(scalar_of(target, scalar, now.value.as_ref()).and_then(|scalar| {
            let shape = if target.part.is_none() {
                whole(rank, dimensions.value.as_ref(), now.value.as_ref())
            } else {
                part(target, rank, &now)?
            };
            Ok(Form { scalar, shape, names })
        }))
    }
}

/// Of what type the value is: as the server says, or as the file does where the server leaves it open.
fn scalar_of(target: &Target, said: Option<Scalar>, now: Option<&Variant>) -> Result<Scalar, String> {
    match (said, target.kind) {
        (Some(said), Some(kind)) if said != kind => Err(format!("it is of type {said:?}, not {kind:?} as `as` says")),
        (Some(scalar), _) | (None, Some(scalar)) => Ok(scalar),
        (None, None) => {
            let number = now.and_then(|now| match now {
                Variant::Array(array) => Some(array.value_type as u32),
                other => other.scalar_type_id().map(|id| id as u32),
            });
            number.and_then(Scalar::of).ok_or_else(|| {
                "the server does not say of what type it is, or of one that is not written; say which with `as`"
                    .to_owned()
            })
        }
    }
}

/// How many values the whole of a node holds.
fn whole(rank: i32, dimensions: Option<&Variant>, now: Option<&Variant>) -> Shape {
    match (usize::try_from(rank), now) {
        (Ok(rank @ 1..), _) => {
            let size = |value: &Variant| if let Variant::UInt32(size) = value { *size } else { 0 };
            let rank = rank.min(MOST_DIMENSIONS);
            let said: Vec<u32> = match dimensions {
                Some(Variant::Array(array)) if array.values.len() == rank => array.values.iter().map(size).collect(),
                _ => vec![0; rank],
            };
            Shape::Many(said)
        }
        (_, Some(Variant::Array(array))) if rank != -1 => {
            let dimensions = array.dimensions.as_ref().map_or(1, |dimensions| dimensions.len().max(1));
            Shape::Many(vec![0; dimensions.min(MOST_DIMENSIONS)])
        }
        _ => Shape::One,
    }
}

/// How many values a part of an array holds; refused where the server does not know parts of arrays.
fn part(target: &Target, rank: i32, now: &DataValue) -> Result<Shape, String> {
    if rank == -1 {
        return Err("it is one value and no array, so `index` names no part of it".to_owned());
    }
    if let Some(status) = now.status.filter(StatusCode::is_bad) {
        return Err(Refusal::code(format_args!("its part {} cannot be read", target.part), status).message);
    }
    let shape = Shape::part(&target.part).ok_or_else(|| format!("{} names no part of an array", target.part))?;
    let held = if let Some(Variant::Array(array)) = &now.value { array.values.len() } else { 1 };
    if shape.count() != Some(held) {
        return Err(format!(
            "the server gives {held} elements when it is asked for {}: the array is shorter, or the server knows no parts of \
             arrays and would replace all of it; write the whole array",
            target.part
        ));
    }
    Ok(shape)
}
