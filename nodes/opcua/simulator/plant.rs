//! Which nodes the simulated server has: those of the standard that a client looks at, and all that the tags of the file name.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;

use opcua::types::{
    DataTypeDefinition, DataTypeId, EnumDefinition, EnumField, ExtensionObject, Identifier, NodeId, ObjectId,
    ObjectTypeId, QualifiedName, Range, ReferenceTypeId, VariableTypeId, Variant,
};
use opcua_server::address_space::{
    AccessLevel, DataType, EventNotifier, ImportedItem, ImportedReference, NodeSetImport, NodeSetNamespaceMapper,
    NodeType, Object, Variable,
};

use super::super::ids::{Id, Namespace};
use super::super::tags::Point;
use super::cell::{Cell, Kind, STATES};
use super::standard;

/// The uri of the standard's own namespace.
const STANDARD: &str = "http://opcfoundation.org/UA/";
/// Most namespaces.
const NAMESPACES: u16 = 1000;

/// All nodes.
#[derive(Debug, Clone)]
pub(super) struct Plant {
    /// By their index; one that is named by its index only has no uri yet.
    uris: Vec<Option<String>>,
    /// The variables that the tags name.
    pub(super) cells: BTreeMap<String, Cell>,
    /// What each variable is called, and what it lies in.
    places: HashMap<String, (QualifiedName, NodeId)>,
    /// The ids of what lies on the way of a path, by what it lies in and its name.
    ways: HashMap<(NodeId, QualifiedName), NodeId>,
    objects: Vec<(NodeId, QualifiedName, NodeId)>,
}

impl Plant {
    /// One without tags, of a server of this name.
    pub(super) fn new(uri: &str) -> Self {
        Self {
            uris: vec![Some(STANDARD.to_owned()), Some(uri.to_owned())],
            cells: BTreeMap::new(),
            places: HashMap::new(),
            ways: standard::ways(),
            objects: Vec::new(),
        }
    }

    /// Adds what a tag names, unless the standard has it.
    pub(super) fn add(&mut self, point: &Point) -> Result<(), String> {
        match &point.id {
            Id::Node(namespace, identifier) => {
                let id = NodeId::new(self.index(namespace)?, identifier.clone());
                let name = match &identifier {
                    Identifier::String(text) => text.as_ref().to_owned(),
                    other => other.to_string(),
                };
                let name = QualifiedName::new(id.namespace, name);
                self.variable(id, name, ObjectId::ObjectsFolder.into(), point);
            }
            Id::Path(names) => {
                let mut at: NodeId = ObjectId::RootFolder.into();
                let mut way = String::new();
                for (depth, (namespace, name)) in names.iter().enumerate() {
                    let name = QualifiedName::new(self.index(namespace)?, name.as_str());
                    let _ = write!(way, "/{}:{}", name.namespace_index, name.name);
                    let known = self.ways.get(&(at.clone(), name.clone())).cloned();
                    let id = known.clone().unwrap_or_else(|| NodeId::new(1, way.as_str()));
                    if depth + 1 == names.len() {
                        self.variable(id, name, at.clone(), point);
                        break;
                    }
                    if known.is_none() {
                        self.ways.insert((at.clone(), name.clone()), id.clone());
                        self.objects.push((id.clone(), name, at));
                    }
                    at = id;
                }
            }
        }
        Ok(())
    }

    fn variable(&mut self, id: NodeId, name: QualifiedName, parent: NodeId, point: &Point) {
        if standard::has(&id) {
            return;
        }
        let (key, kind) = (id.to_string(), Kind::of(point));
        let phase = self.cells.len() as f64;
        let cell = self.cells.entry(key.clone()).or_insert_with(|| Cell::new(id, kind, phase));
        cell.kind = cell.kind.with(kind);
        self.places.entry(key).or_insert((name, parent));
    }

    /// The index of a namespace; the next free one for a uri that is new.
    fn index(&mut self, namespace: &Namespace) -> Result<u16, String> {
        let index = match namespace {
            Namespace::Index(index) => *index,
            Namespace::Uri(uri) => {
                let known = self.uris.iter().position(|known| known.as_ref() == Some(uri));
                let free = || self.uris.iter().position(Option::is_none).unwrap_or(self.uris.len());
                let index = known.unwrap_or_else(free);
                u16::try_from(index).unwrap_or(u16::MAX)
            }
        };
        if NAMESPACES < index {
            return Err(format!("namespace {index} cannot be simulated, only those up to {NAMESPACES}"));
        }
        if self.uris.len() <= index.into() {
            self.uris.resize(usize::from(index) + 1, None);
        }
        if let (Namespace::Uri(uri), Some(place)) = (namespace, self.uris.get_mut(usize::from(index))) {
            *place = Some(uri.clone());
        }
        Ok(index)
    }

    fn uris(&self) -> Vec<String> {
        let named = |(index, uri): (usize, &Option<String>)| {
            uri.clone().unwrap_or_else(|| format!("urn:fieldflow:simulator:namespace:{index}"))
        };
        self.uris.iter().enumerate().map(named).collect()
    }

    fn item(&self, key: &str, cell: &Cell) -> Vec<ImportedItem> {
        let Some((name, parent)) = self.places.get(key) else { return Vec::new() };
        let of = cell.kind.data_type().map_or_else(states, NodeId::from);
        let value = cell.kind.value(cell.phase, std::time::Duration::ZERO);
        let text = name.name.as_ref().to_owned();
        let mut variable = Variable::new_data_value(&cell.id, name.clone(), text, of, None, None, value);
        variable.set_access_level(AccessLevel::CURRENT_READ | AccessLevel::CURRENT_WRITE);
        variable.set_user_access_level(AccessLevel::CURRENT_READ | AccessLevel::CURRENT_WRITE);
        let references = vec![
            reference(ReferenceTypeId::HasTypeDefinition, VariableTypeId::BaseDataVariableType.into(), true),
            reference(ReferenceTypeId::Organizes, parent.clone(), false),
        ];
        let mut items = vec![ImportedItem { node: NodeType::Variable(Box::new(variable)), references }];
        if cell.kind == Kind::Wave {
            items.push(range_of(&cell.id));
        }
        items
    }
}

/// The range of a number.
fn range_of(of: &NodeId) -> ImportedItem {
    let id = NodeId::new(1, format!("{of}#EURange"));
    let range = ExtensionObject::from_message(Range { low: 0.0, high: 100.0 });
    let range = Variant::ExtensionObject(range);
    let name = QualifiedName::new(0, "EURange");
    let property = Variable::new_data_value(&id, name, "EURange", DataTypeId::Range, None, None, range);
    let references = vec![
        reference(ReferenceTypeId::HasTypeDefinition, VariableTypeId::PropertyType.into(), true),
        reference(ReferenceTypeId::HasProperty, of.clone(), false),
    ];
    ImportedItem { node: NodeType::Variable(Box::new(property)), references }
}

/// The enumeration.
fn states() -> NodeId {
    NodeId::new(1, "State")
}

fn enumeration() -> ImportedItem {
    let fields = (0..).zip(STATES).map(|(value, name)| EnumField { value, name: name.into(), ..EnumField::default() });
    let mut kind = DataType::new(&states(), QualifiedName::new(1, "State"), "State", false);
    let definition = EnumDefinition { fields: Some(fields.collect()) };
    kind.set_data_type_definition(Some(DataTypeDefinition::Enum(definition)));
    let references = vec![reference(ReferenceTypeId::HasSubtype, DataTypeId::Enumeration.into(), false)];
    ImportedItem { node: NodeType::DataType(Box::new(kind)), references }
}

pub(super) fn reference(kind: ReferenceTypeId, target: NodeId, is_forward: bool) -> ImportedReference {
    ImportedReference { target_id: target, type_id: kind.into(), is_forward }
}

/// An object in another one.
pub(super) fn object(id: &NodeId, name: &QualifiedName, kind: ObjectTypeId, parent: Option<NodeId>) -> ImportedItem {
    let object = Object::new(id, name.clone(), name.name.as_ref(), EventNotifier::empty());
    let mut references = vec![reference(ReferenceTypeId::HasTypeDefinition, kind.into(), true)];
    references.extend(parent.map(|parent| reference(ReferenceTypeId::Organizes, parent, false)));
    ImportedItem { node: NodeType::Object(Box::new(object)), references }
}

impl NodeSetImport for Plant {
    fn register_namespaces(&self, namespaces: &mut NodeSetNamespaceMapper) {
        for (index, uri) in (0..).zip(self.uris()) {
            namespaces.add_namespace(&uri, index);
        }
    }

    fn get_own_namespaces(&self) -> Vec<String> {
        self.uris()
    }

    fn load<'a>(&'a self, _: &'a NodeSetNamespaceMapper) -> Box<dyn Iterator<Item = ImportedItem> + 'a> {
        let folder = ObjectTypeId::FolderType;
        let objects = self.objects.iter().map(move |(id, name, parent)| object(id, name, folder, Some(parent.clone())));
        let variables = self.cells.iter().flat_map(|(key, cell)| self.item(key, cell));
        Box::new(standard::items(&self.uris()).into_iter().chain([enumeration()]).chain(objects).chain(variables))
    }
}
