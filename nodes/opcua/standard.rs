//! Structures of the standard itself, for servers that do not say what they are: those that values of a plant are made of.

use opcua::types::{DataTypeId, NodeId, ObjectId, StructureDefinition, StructureField};

use super::structures::{Type, Types};

/// A structure: its type, its encoding, and the names and types of its fields; `[]` behind a name is an array.
type Structure = (DataTypeId, ObjectId, &'static [(&'static str, DataTypeId)]);

use DataTypeId as Of;
use ObjectId as Coded;

const STRUCTURES: &[Structure] = &[
    (Of::Range, Coded::Range_Encoding_DefaultBinary, &[("Low", Of::Double), ("High", Of::Double)]),
    (
        Of::EUInformation,
        Coded::EUInformation_Encoding_DefaultBinary,
        &[
            ("NamespaceUri", Of::String),
            ("UnitId", Of::Int32),
            ("DisplayName", Of::LocalizedText),
            ("Description", Of::LocalizedText),
        ],
    ),
    (
        Of::Argument,
        Coded::Argument_Encoding_DefaultBinary,
        &[
            ("Name", Of::String),
            ("DataType", Of::NodeId),
            ("ValueRank", Of::Int32),
            ("ArrayDimensions[]", Of::UInt32),
            ("Description", Of::LocalizedText),
        ],
    ),
    (
        Of::EnumValueType,
        Coded::EnumValueType_Encoding_DefaultBinary,
        &[("Value", Of::Int64), ("DisplayName", Of::LocalizedText), ("Description", Of::LocalizedText)],
    ),
    (
        Of::TimeZoneDataType,
        Coded::TimeZoneDataType_Encoding_DefaultBinary,
        &[("Offset", Of::Int16), ("DaylightSavingInOffset", Of::Boolean)],
    ),
    (
        Of::AxisInformation,
        Coded::AxisInformation_Encoding_DefaultBinary,
        &[
            ("EngineeringUnits", Of::EUInformation),
            ("EURange", Of::Range),
            ("Title", Of::LocalizedText),
            ("AxisScaleType", Of::Enumeration),
            ("AxisSteps[]", Of::Double),
        ],
    ),
    (Of::XVType, Coded::XVType_Encoding_DefaultBinary, &[("X", Of::Double), ("Value", Of::Float)]),
    (
        Of::ComplexNumberType,
        Coded::ComplexNumberType_Encoding_DefaultBinary,
        &[("Real", Of::Float), ("Imaginary", Of::Float)],
    ),
    (
        Of::DoubleComplexNumberType,
        Coded::DoubleComplexNumberType_Encoding_DefaultBinary,
        &[("Real", Of::Double), ("Imaginary", Of::Double)],
    ),
    (
        Of::BuildInfo,
        Coded::BuildInfo_Encoding_DefaultBinary,
        &[
            ("ProductUri", Of::String),
            ("ManufacturerName", Of::String),
            ("ProductName", Of::String),
            ("SoftwareVersion", Of::String),
            ("BuildNumber", Of::String),
            ("BuildDate", Of::DateTime),
        ],
    ),
    (
        Of::ServerStatusDataType,
        Coded::ServerStatusDataType_Encoding_DefaultBinary,
        &[
            ("StartTime", Of::DateTime),
            ("CurrentTime", Of::DateTime),
            ("State", Of::Enumeration),
            ("BuildInfo", Of::BuildInfo),
            ("SecondsTillShutdown", Of::UInt32),
            ("ShutdownReason", Of::LocalizedText),
        ],
    ),
];

/// The data type of an encoding of the standard, which is known from now on with all that its fields are made of.
pub(super) fn standard(encoding: &NodeId, types: &mut Types) -> Option<NodeId> {
    let wanted = STRUCTURES.iter().find(|(_, known, _)| *encoding == *known)?;
    for (id, _, fields) in STRUCTURES {
        let known = types.types.entry((*id).into()).or_insert(Type::Unknown);
        // Of one that is not described it may be known that it is some structure.
        if !matches!(known, Type::Structure { .. }) {
            *known = Type::structure(&definition(fields), false);
        }
    }
    Some(wanted.0.into())
}

fn definition(fields: &[(&'static str, DataTypeId)]) -> StructureDefinition {
    let field = |(name, of): &(&'static str, DataTypeId)| StructureField {
        name: name.trim_end_matches("[]").into(),
        data_type: (*of).into(),
        value_rank: if name.ends_with("[]") { 1 } else { -1 },
        ..StructureField::default()
    };
    StructureDefinition { fields: Some(fields.iter().map(field).collect()), ..StructureDefinition::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use opcua::types::{
        Argument, AxisInformation, BinaryEncodable, BuildInfo, ContextOwned, EUInformation, EnumValueType,
        NamespaceMap, Range, ServerStatusDataType, TimeZoneDataType, Variant,
    };

    /// The fields of what the library writes.
    fn fields(encoding: ObjectId, value: &impl BinaryEncodable) -> Vec<(String, Variant)> {
        let context = ContextOwned::new_default(NamespaceMap::new(), super::super::dial::limits());
        let context = context.context();
        let mut bytes = Vec::new();
        value.encode(&mut bytes, &context).unwrap();
        let (encoding, mut types) = (NodeId::from(encoding), Types::default());
        let of = standard(&encoding, &mut types);
        types.encodings.insert(encoding.clone(), of);
        types.read(&encoding, &bytes, &context).unwrap()
    }

    #[test]
    fn what_the_library_writes_is_read_field_by_field() {
        let range = fields(Coded::Range_Encoding_DefaultBinary, &Range { low: -1.0, high: 2.5 });
        let expected = [(".Low".to_owned(), Variant::Double(-1.0)), (".High".to_owned(), Variant::Double(2.5))];
        assert_eq!(range, expected);
        let axis = AxisInformation { axis_steps: Some(vec![1.0, 2.0]), ..AxisInformation::default() };
        let axis = fields(Coded::AxisInformation_Encoding_DefaultBinary, &axis);
        assert_eq!(axis.len(), 4 + 2 + 3, "structures in it come with their fields");
        assert_eq!(axis.last().unwrap().1, Variant::from("[1.0,2.0]"));
        for (encoding, count) in [
            (fields(Coded::EUInformation_Encoding_DefaultBinary, &EUInformation::default()), 4),
            (fields(Coded::Argument_Encoding_DefaultBinary, &Argument::default()), 5),
            (fields(Coded::EnumValueType_Encoding_DefaultBinary, &EnumValueType::default()), 3),
            (fields(Coded::TimeZoneDataType_Encoding_DefaultBinary, &TimeZoneDataType::default()), 2),
            (fields(Coded::BuildInfo_Encoding_DefaultBinary, &BuildInfo::default()), 6),
            (fields(Coded::ServerStatusDataType_Encoding_DefaultBinary, &ServerStatusDataType::default()), 11),
        ] {
            assert_eq!(encoding.len(), count);
        }
    }
}
