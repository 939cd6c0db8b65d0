//! What is asked of a server about types: what the bytes of a structure mean, and the names of an enumeration.

use std::collections::HashMap;
use std::sync::Arc;

use opcua::core::ResponseMessage;
use opcua::types::{
    AttributeId, BrowseDescription, BrowseDirection, BrowsePath, BrowseRequest, DataValue, EnumDefinition, Error,
    NodeId, NotificationMessage, QualifiedName, ReferenceTypeId, RelativePath, RelativePathElement, StatusCode,
    StructureDefinition, Variant,
};

use super::channel::{good, unexpected};
use super::ids::{Found, Id, NoNamespace};
use super::session::{Session, ask, attribute_of, counted, text, value_of};
use super::source::Subscriber;
use super::standard::standard;
use super::structures::{Type, Types, builtin, encodings};

/// Why there is no node of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Missing {
    /// The server has no such namespace.
    Namespace(NoNamespace),
    /// The server says so.
    Node(StatusCode),
}

/// Most types that are asked for because of one structure.
const MOST_TYPES: usize = 64;
/// Most steps from a type to one that every client knows.
const MOST_STEPS: usize = 16;
/// Most structures that are looked into.
const MOST_ENCODINGS: usize = 1024;

impl Subscriber {
    /// Asks what the structures of a message mean, if that is not known.
    pub(super) async fn learn_of(&mut self, message: &NotificationMessage) -> Result<(), Error> {
        let changes = message.notification_data.iter().flatten();
        let changes = changes.filter_map(|data| data.inner_as::<opcua::types::DataChangeNotification>());
        let values = changes.flat_map(|change| change.monitored_items.iter().flatten()).map(|item| &item.value);
        let unknown = self.unknown(values);
        self.learn(unknown).await
    }

    /// The encodings of structures in these values of which nothing is known.
    pub(super) fn unknown<'a>(&self, values: impl Iterator<Item = &'a DataValue>) -> Vec<NodeId> {
        let all = values.filter_map(|value| value.value.as_ref()).flat_map(encodings);
        let mut unknown: Vec<NodeId> = all.filter(|id| !self.types.encodings.contains_key(id)).collect();
        unknown.dedup();
        unknown
    }

    pub(super) async fn learn(&mut self, encodings: Vec<NodeId>) -> Result<(), Error> {
        for encoding in encodings {
            if self.types.encodings.contains_key(&encoding) || MOST_ENCODINGS <= self.types.encodings.len() {
                continue;
            }
            let Some(session) = &self.session else { return Ok(()) };
            let mut found = session.learn_type(&encoding, &mut self.types).await?;
            if found.is_none() {
                found = standard(&encoding, &mut self.types);
            }
            if found.is_none() {
                let url = self.server.url();
                self.server.notices.say(format!(
                    "{url}: the server does not say what structures of {encoding} are: they come as bytes"
                ));
            }
            self.types.encodings.insert(encoding, found);
        }
        Ok(())
    }

    /// Asks for the names of enumerations, for the tags that want them.
    pub(super) async fn learn_names(&mut self) -> Result<(), Error> {
        let mut known: HashMap<NodeId, Option<Arc<HashMap<i64, String>>>> = HashMap::new();
        for item in self.items.iter_mut().filter(|item| item.point.names) {
            let (Some(session), Some(node)) = (&self.session, item.node.clone()) else { continue };
            let Some(of) = session.node_in(attribute_of(node, AttributeId::DataType)).await? else { continue };
            if !known.contains_key(&of) {
                known.insert(of.clone(), session.names(&of).await?.map(Arc::new));
            }
            item.names = known.get(&of).cloned().flatten();
        }
        Ok(())
    }
}

impl Session {
    /// Which nodes are meant by these names.
    pub(super) async fn nodes(&self, ids: impl Iterator<Item = &Id>) -> Result<Vec<Result<NodeId, Missing>>, Error> {
        let mut nodes = Vec::new();
        let mut paths = Vec::new();
        for (place, id) in ids.enumerate() {
            nodes.push(match id.resolve(&self.namespaces) {
                Ok(Found::Node(node)) => Ok(node),
                Ok(Found::Path(path)) => {
                    paths.push((place, Self::path(None, path)));
                    Err(Missing::Node(StatusCode::BadNoMatch))
                }
                Err(namespace) => Err(Missing::Namespace(namespace)),
            });
        }
        for chunk in paths.chunks(self.profile.paths.max(1)) {
            let (places, asked): (Vec<usize>, Vec<BrowsePath>) = chunk.iter().cloned().unzip();
            for (place, found) in places.into_iter().zip(self.follow(asked).await?) {
                if let Some(node) = nodes.get_mut(place) {
                    *node = found.map_err(Missing::Node);
                }
            }
        }
        Ok(nodes)
    }

    /// The data type of an encoding, with all that its fields are made of.
    async fn learn_type(&self, encoding: &NodeId, types: &mut Types) -> Result<Option<NodeId>, Error> {
        let Some(id) = self.other_end(encoding, ReferenceTypeId::HasEncoding).await? else { return Ok(None) };
        let mut wanted = vec![id.clone()];
        let mut asked = 0;
        while let Some(next) = wanted.pop() {
            if builtin(&next).is_some() || types.types.contains_key(&next) {
                continue;
            }
            asked += 1;
            if MOST_TYPES < asked {
                return Ok(None);
            }
            let found = self.data_type(&next).await?;
            if let Type::Structure { fields, .. } = &found {
                wanted.extend(fields.iter().map(|field| field.of.clone()));
            }
            types.types.insert(next, found);
        }
        Ok(matches!(types.types.get(&id), Some(Type::Structure { .. })).then_some(id))
    }

    /// What a data type is.
    pub(super) async fn data_type(&self, id: &NodeId) -> Result<Type, Error> {
        let attributes = [AttributeId::DataTypeDefinition, AttributeId::IsAbstract];
        let asked = attributes.into_iter().map(|attribute| attribute_of(id.clone(), attribute)).collect();
        let mut values = self.read(asked).await?.into_iter().map(|value| value.value);
        let (definition, is_abstract) = (values.next().flatten(), values.next().flatten());
        if let Some(Variant::ExtensionObject(object)) = definition
            && let Some(structure) = object.inner_as::<StructureDefinition>()
        {
            return Ok(Type::structure(structure, matches!(is_abstract, Some(Variant::Boolean(true)))));
        }
        let mut at = id.clone();
        for _ in 0..MOST_STEPS {
            if let Some(number) = builtin(&at) {
                return Ok(Type::Builtin(number));
            }
            match self.other_end(&at, ReferenceTypeId::HasSubtype).await? {
                Some(above) => at = above,
                None => break,
            }
        }
        Ok(Type::Unknown)
    }

    /// The node from which a reference leads to this one.
    async fn other_end(&self, node: &NodeId, reference: ReferenceTypeId) -> Result<Option<NodeId>, Error> {
        let what = BrowseDescription {
            node_id: node.clone(),
            browse_direction: BrowseDirection::Inverse,
            reference_type_id: reference.into(),
            include_subtypes: false,
            node_class_mask: 0,
            result_mask: 0,
        };
        let request = BrowseRequest {
            request_header: self.head(),
            requested_max_references_per_node: 1,
            nodes_to_browse: Some(vec![what]),
            ..BrowseRequest::default()
        };
        let answer: Result<_, Error> = ask!(self, request, Browse);
        let result = counted(answer?.results, 1)?.into_iter().next();
        let first = result.and_then(|result| result.references?.into_iter().next());
        Ok(first.map(|reference| reference.node_id.node_id))
    }

    /// A node that an attribute names.
    async fn node_in(&self, attribute: opcua::types::ReadValueId) -> Result<Option<NodeId>, Error> {
        let value = self.read(vec![attribute]).await?.into_iter().next().and_then(|value| value.value);
        Ok(if let Some(Variant::NodeId(node)) = value { Some(*node) } else { None })
    }

    /// The names of an enumeration; none if it is none.
    pub(super) async fn names(&self, of: &NodeId) -> Result<Option<HashMap<i64, String>>, Error> {
        let definition = attribute_of(of.clone(), AttributeId::DataTypeDefinition);
        let value = self.read(vec![definition]).await?.into_iter().next().and_then(|value| value.value);
        if let Some(Variant::ExtensionObject(object)) = value
            && let Some(names) = object.inner_as::<EnumDefinition>()
        {
            let fields = names.fields.iter().flatten();
            return Ok(Some(fields.map(|field| (field.value, field.name.as_ref().to_owned())).collect()));
        }
        // Servers of before 1.04 say it in a property.
        let name = RelativePathElement {
            reference_type_id: ReferenceTypeId::HasProperty.into(),
            is_inverse: false,
            include_subtypes: true,
            target_name: QualifiedName::new(0, "EnumStrings"),
        };
        let path = Self::path(Some(of.clone()), RelativePath { elements: Some(vec![name]) });
        let Some(Ok(property)) = self.follow(vec![path]).await?.into_iter().next() else { return Ok(None) };
        let value = self.read(vec![value_of(property)]).await?.into_iter().next().and_then(|value| value.value);
        let Some(Variant::Array(array)) = value else { return Ok(None) };
        Ok(Some((0..).zip(array.values.iter().map(text)).collect()))
    }
}
