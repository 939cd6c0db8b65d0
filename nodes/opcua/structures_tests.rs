//! Structures, byte by byte, honest and not.

use super::*;
use opcua::types::{ContextOwned, DataTypeId, NamespaceMap, StructureField};

fn context() -> ContextOwned {
    ContextOwned::new_default(NamespaceMap::new(), super::super::dial::limits())
}

fn field(name: &str, of: impl Into<NodeId>, rank: i32, is_optional: bool) -> StructureField {
    StructureField {
        name: name.into(),
        data_type: of.into(),
        value_rank: rank,
        is_optional,
        ..StructureField::default()
    }
}

fn types(structures: &[(u32, StructureType, Vec<StructureField>)]) -> Types {
    let mut types = Types::default();
    for (id, kind, fields) in structures {
        let definition = StructureDefinition {
            structure_type: *kind,
            fields: Some(fields.clone()),
            ..StructureDefinition::default()
        };
        let node = NodeId::new(2, *id);
        types.types.insert(node.clone(), Type::structure(&definition, false));
        types.encodings.insert(NodeId::new(2, id + 1000), Some(node));
    }
    types
}

/// What is read, as lines.
fn read(types: &Types, encoding: u32, bytes: &[u8]) -> Result<Vec<String>, String> {
    let context = context();
    let fields = types.read(&NodeId::new(2, encoding), bytes, &context.context()).map_err(|error| error.to_string())?;
    Ok(fields.iter().map(|(path, value)| format!("{path}={}", values::plain(value, 0))).collect())
}

#[test]
fn fields_are_read_in_order_and_structures_in_structures() {
    let point = vec![field("x", DataTypeId::Int16, -1, false), field("y", DataTypeId::Int16, -1, false)];
    let order = vec![
        field("number", DataTypeId::UInt32, -1, false),
        field("at", NodeId::new(2, 1u32), -1, false),
        field("sizes", DataTypeId::Byte, 1, false),
        field("path", NodeId::new(2, 1u32), 1, false),
    ];
    let types = types(&[(1, StructureType::Structure, point), (2, StructureType::Structure, order)]);
    let bytes = [42, 0, 0, 0, 1, 0, 255, 255, 2, 0, 0, 0, 7, 8, 1, 0, 0, 0, 5, 0, 6, 0];
    let expected = ["number=42", "at.x=1", "at.y=-1", "sizes=\"[7,8]\"", "path=\"[{\\\"x\\\":5,\\\"y\\\":6}]\""];
    let expected: Vec<String> = expected.iter().map(|line| format!(".{line}")).collect();
    assert_eq!(read(&types, 1002, &bytes), Ok(expected));
    assert!(read(&types, 1002, &bytes[..20]).is_err(), "cut short");
    assert!(read(&types, 1002, &[bytes.as_slice(), &[0]].concat()).unwrap_err().contains("longer than its type"));
    assert!(read(&types, 9, &bytes).unwrap_err().contains("does not say"));
}

#[test]
fn optional_fields_and_unions_hold_what_is_there() {
    let fields = vec![field("a", DataTypeId::Byte, -1, true), field("b", DataTypeId::Byte, -1, true)];
    let types = types(&[
        (1, StructureType::StructureWithOptionalFields, fields.clone()),
        (2, StructureType::Union, fields.clone()),
        (3, StructureType::StructureWithOptionalFields, vec![field("a", DataTypeId::Byte, -1, true); 40]),
    ]);
    assert_eq!(read(&types, 1001, &[2, 0, 0, 0, 9]), Ok(vec![".b=9".to_owned()]));
    assert_eq!(read(&types, 1002, &[1, 0, 0, 0, 9]), Ok(vec![".a=9".to_owned()]));
    assert_eq!(read(&types, 1002, &[0, 0, 0, 0]), Ok(vec![]));
    assert!(read(&types, 1002, &[3, 0, 0, 0, 9]).is_err());
    assert_eq!(read(&types, 1003, &[0, 0, 0, 0]), Ok(vec![]), "more optional fields than the mask has bits");
}

#[test]
fn a_type_that_holds_itself_and_arrays_of_nothing_come_to_an_end() {
    let itself = vec![field("again", NodeId::new(2, 1u32), -1, false)];
    let nothing = vec![field("none", NodeId::new(2, 3u32), 1, false), field("more", NodeId::new(2, 3u32), 1, false)];
    let types = types(&[
        (1, StructureType::Structure, itself),
        (2, StructureType::Structure, nothing),
        (3, StructureType::Structure, vec![]),
    ]);
    assert!(read(&types, 1001, &[]).unwrap_err().contains("too deep"));
    let much = 60_000u32.to_le_bytes();
    assert!(read(&types, 1002, &[much, much].concat()).unwrap_err().contains("too long"));
    assert!(read(&types, 1002, &[[255; 4], [127; 4]].concat()).unwrap_err().contains("too long"));
}
