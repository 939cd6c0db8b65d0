//! Structures: how their bytes are read, by what the server says of their type.
//!
//! A structure comes as bytes with the id of its encoding. What they mean is asked of the server when the first of its kind
//! comes: from the encoding to the data type, to its definition, to those of the fields. The library has a reader of its own for
//! this; it does not stop at a type that holds itself, nor at types that are each other's parents.

use std::collections::HashMap;

use fieldflow_contract::Value;
use opcua::types::{
    BinaryDecodable, ByteString, ByteStringBody, Context, DataTypeId, DataValue, DateTime, Error, ExpandedNodeId,
    ExtensionObject, Guid, LocalizedText, NodeId, QualifiedName, StatusCode, StructureDefinition, StructureType,
    UAString, Variant, VariantScalarTypeId, XmlElement,
};

use super::stream::Stream;
use super::values::{self, MOST_PARTS, Made};

/// Deepest that structures lie in each other.
const DEEPEST: usize = 16;
/// Most elements of all arrays inside of a structure: one may take no byte at all.
const MOST_ELEMENTS: usize = 65_536;

/// What is known of the types of a server.
#[derive(Debug, Default)]
pub(super) struct Types {
    /// The data type of an encoding; none if the server does not say.
    pub(super) encodings: HashMap<NodeId, Option<NodeId>>,
    pub(super) types: HashMap<NodeId, Type>,
}

/// A data type.
#[derive(Debug, Clone)]
pub(super) enum Type {
    /// One of those that every client knows, by its number.
    Builtin(u32),
    /// A structure.
    Structure { kind: StructureType, fields: Vec<Field>, is_abstract: bool },
    /// The server does not say what it is.
    Unknown,
}

/// A field of a structure.
#[derive(Debug, Clone)]
pub(super) struct Field {
    name: String,
    pub(super) of: NodeId,
    rank: i32,
    is_optional: bool,
}

impl Type {
    /// A structure, by what the server says of it.
    pub(super) fn structure(definition: &StructureDefinition, is_abstract: bool) -> Self {
        let field = |field: &opcua::types::StructureField| Field {
            name: field.name.as_ref().to_owned(),
            of: field.data_type.clone(),
            rank: field.value_rank,
            is_optional: field.is_optional,
        };
        let fields = definition.fields.iter().flatten().take(MOST_PARTS).map(field).collect();
        Self::Structure { kind: definition.structure_type, fields, is_abstract }
    }
}

/// The number of a data type that every client knows how to read.
pub(super) fn builtin(id: &NodeId) -> Option<u32> {
    let number = id.as_data_type_id().ok()? as u32;
    match number {
        1..=25 => Some(number),
        // An enumeration is a number; any value at all says of what type it is.
        29 => Some(DataTypeId::Int32 as u32),
        _ => None,
    }
}

/// What was read: the path of a field, and its value.
pub(super) type Fields = Vec<(String, Variant)>;

impl Types {
    /// Reads the bytes of a structure of this encoding.
    pub(super) fn read(&self, encoding: &NodeId, bytes: &[u8], context: &Context<'_>) -> Result<Fields, Error> {
        let unknown = || Error::decoding(format!("the server does not say what {encoding} is"));
        let id = self.encodings.get(encoding).and_then(Option::as_ref).ok_or_else(unknown)?;
        let mut reader = Reader { types: self, context, stream: Stream::new(bytes), fields: Vec::new(), elements: 0 };
        reader.structure(id, "", 0)?;
        if !reader.stream.rest().is_empty() {
            return Err(Error::decoding("the structure is longer than its type"));
        }
        Ok(reader.fields)
    }
}

struct Reader<'a> {
    types: &'a Types,
    context: &'a Context<'a>,
    stream: Stream<'a>,
    fields: Fields,
    /// Elements of arrays so far.
    elements: usize,
}

impl Reader<'_> {
    fn structure(&mut self, id: &NodeId, path: &str, depth: usize) -> Result<(), Error> {
        let Some(Type::Structure { kind, fields, .. }) = self.types.types.get(id) else {
            return Err(Error::decoding(format!("the server does not say what {id} is")));
        };
        if DEEPEST < depth {
            return Err(Error::decoding("structures lie too deep in each other"));
        }
        match kind {
            StructureType::Structure => fields.iter().try_for_each(|field| self.field(field, path, depth)),
            StructureType::StructureWithOptionalFields => {
                let mask: u32 = self.plain()?;
                let mut optional = 0u32;
                for field in fields {
                    if field.is_optional {
                        let is_there = mask.checked_shr(optional).unwrap_or(0) & 1 == 1;
                        optional += 1;
                        if !is_there {
                            continue;
                        }
                    }
                    self.field(field, path, depth)?;
                }
                Ok(())
            }
            StructureType::Union => {
                let which: u32 = self.plain()?;
                let Some(at) = (which as usize).checked_sub(1) else { return Ok(()) };
                let field = fields.get(at).ok_or_else(|| Error::decoding("a union holds none of its fields"))?;
                self.field(field, path, depth)
            }
            StructureType::StructureWithSubtypedValues | StructureType::UnionWithSubtypedValues => {
                Err(Error::decoding("structures with fields of more than one type are not read"))
            }
        }
    }

    fn field(&mut self, field: &Field, path: &str, depth: usize) -> Result<(), Error> {
        let path = format!("{path}.{}", field.name);
        if MOST_PARTS <= self.fields.len() {
            return Err(Error::decoding("a structure of too many fields"));
        }
        match field.rank {
            ..=0 => self.value(&field.of, path, depth),
            rank => {
                let mut dimensions = vec![0u32; if 1 < rank { rank.min(8) as usize } else { 1 }];
                if 1 < rank {
                    let count: i32 = self.plain()?;
                    if count != rank || 8 < rank {
                        return Err(Error::decoding("a matrix of other dimensions than its type"));
                    }
                }
                for dimension in &mut dimensions {
                    *dimension = u32::try_from(self.plain::<i32>()?).unwrap_or(0);
                }
                let product = dimensions.iter().try_fold(1usize, |all, size| all.checked_mul(*size as usize));
                let length = product.filter(|length| *length <= MOST_ELEMENTS);
                let length = length.ok_or_else(|| Error::decoding("an array that is too long"))?;
                self.array(&field.of, path, length, depth)
            }
        }
    }

    /// An array becomes one text, as any array does; what is in it is read as fields of their own first.
    fn array(&mut self, of: &NodeId, path: String, length: usize, depth: usize) -> Result<(), Error> {
        self.elements = self.elements.saturating_add(length);
        if MOST_ELEMENTS < self.elements {
            return Err(Error::decoding("arrays that are too long"));
        }
        let mut elements = Vec::new();
        for _ in 0..length {
            let outer = std::mem::take(&mut self.fields);
            let read = self.value(of, String::new(), depth);
            let inner = std::mem::replace(&mut self.fields, outer);
            read?;
            elements.push(json(inner));
        }
        let text = serde_json::Value::Array(elements).to_string();
        self.fields.push((path, Variant::String(text.as_str().into())));
        Ok(())
    }

    fn value(&mut self, of: &NodeId, path: String, depth: usize) -> Result<(), Error> {
        let number = match (builtin(of), self.types.types.get(of)) {
            (Some(number), _) => number,
            (None, Some(Type::Builtin(number))) => *number,
            (None, Some(Type::Structure { is_abstract: false, .. })) => return self.structure(of, &path, depth + 1),
            (None, Some(Type::Structure { is_abstract: true, .. })) => DataTypeId::Structure as u32,
            _ => return Err(Error::decoding(format!("the server does not say what {of} is"))),
        };
        let value = self.scalar(number)?;
        self.fields.push((path, value));
        Ok(())
    }

    fn scalar(&mut self, number: u32) -> Result<Variant, Error> {
        Ok(match number {
            1 => Variant::Boolean(self.plain()?),
            2 => Variant::SByte(self.plain()?),
            3 => Variant::Byte(self.plain()?),
            4 => Variant::Int16(self.plain()?),
            5 => Variant::UInt16(self.plain()?),
            6 => Variant::Int32(self.plain()?),
            7 => Variant::UInt32(self.plain()?),
            8 => Variant::Int64(self.plain()?),
            9 => Variant::UInt64(self.plain()?),
            10 => Variant::Float(self.plain()?),
            11 => Variant::Double(self.plain()?),
            12 => Variant::String(self.plain::<UAString>()?),
            13 => Variant::DateTime(Box::new(self.plain::<DateTime>()?)),
            14 => Variant::Guid(Box::new(self.plain::<Guid>()?)),
            15 => Variant::ByteString(self.plain::<ByteString>()?),
            16 => Variant::XmlElement(self.plain::<XmlElement>()?),
            17 => Variant::NodeId(Box::new(self.plain::<NodeId>()?)),
            18 => Variant::ExpandedNodeId(Box::new(self.plain::<ExpandedNodeId>()?)),
            19 => Variant::StatusCode(self.plain::<StatusCode>()?),
            20 => Variant::QualifiedName(Box::new(self.plain::<QualifiedName>()?)),
            21 => Variant::LocalizedText(Box::new(self.plain::<LocalizedText>()?)),
            22 => Variant::ExtensionObject(self.plain::<ExtensionObject>()?),
            23 => Variant::DataValue(Box::new(self.plain::<DataValue>()?)),
            24 => Variant::Variant(Box::new(self.plain::<Variant>()?)),
            _ => return Err(Error::decoding("a type that is not read")),
        })
    }

    fn plain<T: BinaryDecodable>(&mut self) -> Result<T, Error> {
        T::decode(&mut self.stream, self.context)
    }
}

/// What a structure becomes, or an array of them; nothing, if it is none.
pub(super) fn make(types: &Types, value: &Variant, elements: bool, context: &Context<'_>) -> Option<Made> {
    match value {
        Variant::ExtensionObject(object) => {
            let (encoding, bytes) = raw(object, context)?;
            Some(match types.read(&encoding, &bytes, context) {
                Ok(fields) => Made::Parts(fields.into_iter().map(|(path, value)| (path, part(&value))).collect()),
                Err(_) => Made::Raw(bytes),
            })
        }
        Variant::Array(array) if array.value_type == VariantScalarTypeId::ExtensionObject => {
            let read = |value: &Variant| match value {
                Variant::ExtensionObject(object) => {
                    let (encoding, bytes) = raw(object, context)?;
                    types.read(&encoding, &bytes, context).ok()
                }
                _ => None,
            };
            let all = array.values.iter().map(read);
            if !elements {
                let list: Option<Vec<_>> = all.map(|fields| fields.map(json)).collect();
                let list = serde_json::Value::Array(list?);
                return Some(Made::One(Value::Text(list.to_string().into())));
            }
            let mut parts = Vec::new();
            for (index, fields) in all.take(MOST_PARTS).enumerate() {
                parts.extend(fields?.into_iter().map(|(path, value)| (format!("[{index}]{path}"), part(&value))));
            }
            Some(Made::Parts(parts))
        }
        _ => None,
    }
}

fn part(value: &Variant) -> Value {
    values::scalar(value).unwrap_or_else(|| Value::Text(values::plain(value, 0).to_string().into()))
}

/// The encodings of the structures in a value.
pub(super) fn encodings(value: &Variant) -> Vec<NodeId> {
    let of = |object: &ExtensionObject| {
        let body = object.body.as_ref()?;
        Some(body.binary_type_id().node_id)
    };
    match value {
        Variant::ExtensionObject(object) => of(object).into_iter().collect(),
        Variant::Array(array) if array.value_type == VariantScalarTypeId::ExtensionObject => {
            let object = |value: &Variant| if let Variant::ExtensionObject(object) = value { of(object) } else { None };
            let mut found: Vec<NodeId> = array.values.iter().filter_map(object).collect();
            found.dedup();
            found
        }
        _ => Vec::new(),
    }
}

/// The bytes of a structure, and their encoding.
fn raw(object: &ExtensionObject, context: &Context<'_>) -> Option<(NodeId, Vec<u8>)> {
    if let Some(body) = object.inner_as::<ByteStringBody>() {
        return Some((body.encoding_id().clone(), body.raw_body().value.clone().unwrap_or_default()));
    }
    // One that the library knows, such as a range. There is no other way to its fields than this.
    let body = object.body.as_ref()?;
    let mut bytes = Vec::new();
    body.encode_binary(&mut bytes, context).ok()?;
    Some((body.binary_type_id().node_id, bytes))
}

/// The fields of an element as JSON: by itself if it is no structure.
fn json(mut fields: Fields) -> serde_json::Value {
    if let [(path, _)] = fields.as_slice()
        && path.is_empty()
    {
        return fields.pop().map_or_else(Default::default, |(_, value)| values::plain(&value, 0));
    }
    let named = |(path, value): (String, Variant)| (path.trim_start_matches('.').to_owned(), values::plain(&value, 0));
    serde_json::Value::Object(fields.into_iter().map(named).collect())
}

#[cfg(test)]
#[path = "structures_tests.rs"]
mod tests;
