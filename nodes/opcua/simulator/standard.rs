//! The nodes of the standard that clients look at: folders, what the server says of itself, and the types.
//!
//! The library could bring all of them, some thousands; they would take longer to build than the rest of it.

use std::collections::HashMap;

use opcua::types::{
    Array, DataTypeId, DateTime, NodeId, ObjectId, ObjectTypeId, QualifiedName, ReferenceTypeId, VariableId,
    VariableTypeId, Variant, VariantScalarTypeId,
};
use opcua_server::address_space::{
    DataType, ImportedItem, NodeType, ObjectType, ReferenceType, Variable, VariableType,
};

use super::plant::{object, reference};

/// Folders and objects: what each is called, what it is, and what it lies in.
const OBJECTS: [(ObjectId, &str, ObjectTypeId, Option<ObjectId>); 7] = [
    (ObjectId::RootFolder, "Root", ObjectTypeId::FolderType, None),
    (ObjectId::ObjectsFolder, "Objects", ObjectTypeId::FolderType, Some(ObjectId::RootFolder)),
    (ObjectId::TypesFolder, "Types", ObjectTypeId::FolderType, Some(ObjectId::RootFolder)),
    (ObjectId::ViewsFolder, "Views", ObjectTypeId::FolderType, Some(ObjectId::RootFolder)),
    (ObjectId::Server, "Server", ObjectTypeId::BaseObjectType, Some(ObjectId::ObjectsFolder)),
    (ObjectId::Server_ServerCapabilities, "ServerCapabilities", ObjectTypeId::BaseObjectType, Some(ObjectId::Server)),
    (
        ObjectId::Server_ServerCapabilities_OperationLimits,
        "OperationLimits",
        ObjectTypeId::FolderType,
        Some(ObjectId::Server_ServerCapabilities),
    ),
];

/// Reference types: number, name, and the one above.
const REFERENCES: [(ReferenceTypeId, &str, ReferenceTypeId); 12] = {
    use ReferenceTypeId as R;
    [
        (R::HierarchicalReferences, "HierarchicalReferences", R::References),
        (R::NonHierarchicalReferences, "NonHierarchicalReferences", R::References),
        (R::HasChild, "HasChild", R::HierarchicalReferences),
        (R::Organizes, "Organizes", R::HierarchicalReferences),
        (R::Aggregates, "Aggregates", R::HasChild),
        (R::HasSubtype, "HasSubtype", R::HasChild),
        (R::HasComponent, "HasComponent", R::Aggregates),
        (R::HasProperty, "HasProperty", R::Aggregates),
        (R::HasOrderedComponent, "HasOrderedComponent", R::HasComponent),
        (R::HasTypeDefinition, "HasTypeDefinition", R::NonHierarchicalReferences),
        (R::HasEncoding, "HasEncoding", R::NonHierarchicalReferences),
        (R::HasModellingRule, "HasModellingRule", R::NonHierarchicalReferences),
    ]
};

/// Data types: name, and the one above.
const DATA: [(DataTypeId, &str, DataTypeId); 23] = {
    use DataTypeId as D;
    [
        (D::Boolean, "Boolean", D::BaseDataType),
        (D::Number, "Number", D::BaseDataType),
        (D::Integer, "Integer", D::Number),
        (D::UInteger, "UInteger", D::Number),
        (D::SByte, "SByte", D::Integer),
        (D::Int16, "Int16", D::Integer),
        (D::Int32, "Int32", D::Integer),
        (D::Int64, "Int64", D::Integer),
        (D::Byte, "Byte", D::UInteger),
        (D::UInt16, "UInt16", D::UInteger),
        (D::UInt32, "UInt32", D::UInteger),
        (D::UInt64, "UInt64", D::UInteger),
        (D::Float, "Float", D::Number),
        (D::Double, "Double", D::Number),
        (D::String, "String", D::BaseDataType),
        (D::DateTime, "DateTime", D::BaseDataType),
        (D::UtcTime, "UtcTime", D::DateTime),
        (D::ByteString, "ByteString", D::BaseDataType),
        (D::Enumeration, "Enumeration", D::BaseDataType),
        (D::ServerState, "ServerState", D::Enumeration),
        (D::Structure, "Structure", D::BaseDataType),
        (D::Range, "Range", D::Structure),
        (D::LocalizedText, "LocalizedText", D::BaseDataType),
    ]
};

/// What the server says of itself: what it is called, and what it lies in.
fn variables(uris: &[String]) -> Vec<(VariableId, &'static str, NodeId, Variant, DataTypeId)> {
    use DataTypeId as D;
    use VariableId as V;
    let (server, now) = (|| NodeId::from(ObjectId::Server), || Variant::DateTime(Box::new(DateTime::now())));
    let status = || NodeId::from(VariableId::Server_ServerStatus);
    let build = || NodeId::from(VariableId::Server_ServerStatus_BuildInfo);
    let limits = || NodeId::from(ObjectId::Server_ServerCapabilities_OperationLimits);
    let texts = |texts: &[String]| {
        let values = texts.iter().map(|text| Variant::String(text.as_str().into())).collect();
        Variant::Array(Box::new(Array { value_type: VariantScalarTypeId::String, values, dimensions: None }))
    };
    let most = Variant::UInt32(1000);
    let text = |text: &str| Variant::String(text.into());
    let own: Vec<String> = uris.get(1).cloned().into_iter().collect();
    vec![
        (V::Server_NamespaceArray, "NamespaceArray", server(), texts(uris), D::String),
        (V::Server_ServerArray, "ServerArray", server(), texts(&own), D::String),
        (V::Server_ServiceLevel, "ServiceLevel", server(), Variant::Byte(255), D::Byte),
        (V::Server_ServerStatus, "ServerStatus", server(), Variant::Empty, D::BaseDataType),
        (V::Server_ServerStatus_StartTime, "StartTime", status(), now(), D::UtcTime),
        (V::Server_ServerStatus_CurrentTime, "CurrentTime", status(), now(), D::UtcTime),
        (V::Server_ServerStatus_State, "State", status(), Variant::Int32(0), D::ServerState),
        (V::Server_ServerStatus_BuildInfo, "BuildInfo", status(), Variant::Empty, D::BaseDataType),
        (V::Server_ServerStatus_BuildInfo_ManufacturerName, "ManufacturerName", build(), text("fieldflow"), D::String),
        (V::Server_ServerStatus_BuildInfo_ProductName, "ProductName", build(), text("simulator"), D::String),
        (
            V::Server_ServerCapabilities_OperationLimits_MaxNodesPerRead,
            "MaxNodesPerRead",
            limits(),
            most.clone(),
            D::UInt32,
        ),
        (
            V::Server_ServerCapabilities_OperationLimits_MaxMonitoredItemsPerCall,
            "MaxMonitoredItemsPerCall",
            limits(),
            most.clone(),
            D::UInt32,
        ),
        (
            V::Server_ServerCapabilities_OperationLimits_MaxNodesPerTranslateBrowsePathsToNodeIds,
            "MaxNodesPerTranslateBrowsePathsToNodeIds",
            limits(),
            most,
            D::UInt32,
        ),
    ]
}

/// Where a path comes to nodes of the standard.
pub(super) fn ways() -> HashMap<(NodeId, QualifiedName), NodeId> {
    let name = |name: &str| QualifiedName::new(0, name);
    let objects = OBJECTS
        .iter()
        .filter_map(|(id, text, _, parent)| Some((((*parent.as_ref()?).into(), name(text)), NodeId::from(*id))));
    let variables = variables(&[]).into_iter().map(|(id, text, parent, _, _)| ((parent, name(text)), id.into()));
    objects.chain(variables).collect()
}

/// Whether the standard has this node here.
pub(super) fn has(id: &NodeId) -> bool {
    id.namespace == 0 && ways().values().any(|known| known == id)
}

/// The clock of the server.
pub(super) fn clock() -> NodeId {
    VariableId::Server_ServerStatus_CurrentTime.into()
}

/// All of them.
pub(super) fn items(uris: &[String]) -> Vec<ImportedItem> {
    let name = |name: &str| QualifiedName::new(0, name);
    let above = |id: NodeId| vec![reference(ReferenceTypeId::HasSubtype, id, false)];
    let objects = OBJECTS
        .iter()
        .map(|(id, text, kind, parent)| object(&(*id).into(), &name(text), *kind, parent.map(Into::into)));
    let references = REFERENCES.iter().map(|(id, text, parent)| {
        let kind = ReferenceType::new(&(*id).into(), name(text), *text, None, false, false);
        ImportedItem { node: NodeType::ReferenceType(Box::new(kind)), references: above((*parent).into()) }
    });
    let data = DATA.iter().map(|(id, text, parent)| {
        let kind = DataType::new(&(*id).into(), name(text), *text, false);
        ImportedItem { node: NodeType::DataType(Box::new(kind)), references: above((*parent).into()) }
    });
    let folder = ObjectType::new(&ObjectTypeId::FolderType.into(), name("FolderType"), "FolderType", false);
    let folder = ImportedItem {
        node: NodeType::ObjectType(Box::new(folder)),
        references: above(ObjectTypeId::BaseObjectType.into()),
    };
    let kinds = [
        (VariableTypeId::BaseDataVariableType, "BaseDataVariableType"),
        (VariableTypeId::PropertyType, "PropertyType"),
    ];
    let kinds = kinds.map(|(id, text)| {
        let of = DataTypeId::BaseDataType.into();
        let kind = VariableType::new(&id.into(), name(text), text, of, false, -2);
        ImportedItem {
            node: NodeType::VariableType(Box::new(kind)),
            references: above(VariableTypeId::BaseVariableType.into()),
        }
    });
    let variables = variables(uris).into_iter().map(|(id, text, parent, value, of)| {
        let variable = Variable::new_data_value(&id.into(), name(text), text, of, None, None, value);
        let references = vec![
            reference(ReferenceTypeId::HasTypeDefinition, VariableTypeId::BaseDataVariableType.into(), true),
            reference(ReferenceTypeId::HasComponent, parent, false),
        ];
        ImportedItem { node: NodeType::Variable(Box::new(variable)), references }
    });
    objects.chain(references).chain(data).chain([folder]).chain(kinds).chain(variables).collect()
}
