//! How a node is named in the file, and which node of a server that is.

use std::fmt;
use std::str::FromStr as _;

use opcua::types::{
    Identifier, NodeId, ObjectId, QualifiedName, ReferenceTypeId, RelativePath, RelativePathElement, UAString,
};

/// A node as it is named in the file: its namespace may move at each restart of the server.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Id {
    /// By its identifier.
    Node(Namespace, Identifier),
    /// By the browse names on the way from the root folder.
    Path(Vec<(Namespace, String)>),
}

/// A namespace of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Namespace {
    /// By its place in the server's list.
    Index(u16),
    /// By its name.
    Uri(String),
}

/// What is wrong with the text, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) message: String,
    pub(super) help: String,
}

/// The server does not know the namespace of this uri.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NoNamespace(pub(super) String);

impl fmt::Display for NoNamespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the server has no namespace `{}`", self.0)
    }
}

/// Most names on the way to a node.
const DEEPEST: usize = 64;

impl Id {
    /// Reads what stands in the file.
    pub(super) fn parse(text: &str) -> Result<Self, Problem> {
        if text.starts_with('/') { Self::path(text) } else { Self::node(text) }
    }

    fn node(text: &str) -> Result<Self, Problem> {
        let wrong = |message: String| {
            Problem {
            message,
            help: "write nsu=urn:plant;s=Line.Speed, ns=2;i=1001, i=2258 or /Objects/2:Line/2:Speed; s= is text, i= a number, \
                   g= a GUID, b= base64"
                .to_owned(),
        }
        };
        let (namespace, identifier) = if let Some(rest) = text.strip_prefix("nsu=") {
            // A uri may hold a `;` of its own: the identifier begins at the first that can be one.
            let end = (0..rest.len()).find(|at| is_identifier(rest.get(*at..).unwrap_or_default()));
            let end = end.ok_or_else(|| wrong(format!("`{text}` has no identifier after the namespace")))?;
            let uri = rest.get(..end).unwrap_or_default();
            if uri.is_empty() {
                return Err(wrong(format!("`{text}` names no namespace")));
            }
            (Namespace::Uri(uri.replace("%3B", ";").replace("%25", "%")), rest.get(end + 1..).unwrap_or_default())
        } else if let Some(rest) = text.strip_prefix("ns=") {
            let (index, identifier) =
                rest.split_once(';').ok_or_else(|| wrong(format!("`{text}` has no identifier after the namespace")))?;
            let index =
                index.parse().map_err(|_| wrong(format!("`{index}` is not a namespace between 0 and 65535")))?;
            (Namespace::Index(index), identifier)
        } else {
            (Namespace::Index(0), text)
        };
        let known = ["i=", "s=", "g=", "b="].iter().any(|kind| identifier.starts_with(kind)) && 2 < identifier.len();
        let identifier = known.then(|| Identifier::from_str(identifier).ok()).flatten();
        let identifier = identifier.ok_or_else(|| wrong(format!("`{text}` is not the id of a node")))?;
        Ok(Self::Node(namespace, identifier))
    }

    fn path(text: &str) -> Result<Self, Problem> {
        let wrong = |message: String| {
            Problem {
            message,
            help: "write the browse names from the root on, each with the number of its namespace: /Objects/2:Line/2:Speed; \
                   &/ is a slash inside of a name"
                .to_owned(),
        }
        };
        let mut names = vec![String::new()];
        let mut characters = text.chars().skip(1);
        while let Some(character) = characters.next() {
            match (character, names.last_mut()) {
                ('/', _) => names.push(String::new()),
                ('&', Some(name)) => {
                    name.push(
                        characters.next().ok_or_else(|| wrong(format!("`{text}` ends in the middle of a name")))?,
                    );
                }
                (other, Some(name)) => name.push(other),
                (_, None) => {}
            }
        }
        if DEEPEST < names.len() {
            return Err(wrong(format!("{} names are more than {DEEPEST}", names.len())));
        }
        let element = |name: &String| {
            let (namespace, name) = match name.split_once(':') {
                Some((index, rest)) if index.bytes().all(|c| c.is_ascii_digit()) && !index.is_empty() => {
                    let index = index.parse().map_err(|_| wrong(format!("`{index}` is not between 0 and 65535")))?;
                    (Namespace::Index(index), rest)
                }
                _ => match name.strip_prefix("nsu=").and_then(|rest| rest.rsplit_once(';')) {
                    Some((uri, rest)) => (Namespace::Uri(uri.to_owned()), rest),
                    None => (Namespace::Index(0), name.as_str()),
                },
            };
            if name.is_empty() {
                return Err(wrong(format!("a name of `{text}` is empty")));
            }
            Ok((namespace, name.to_owned()))
        };
        names.iter().map(element).collect::<Result<_, _>>().map(Self::Path)
    }

    /// The node, if it is named by its identifier.
    pub(super) fn resolve(&self, namespaces: &[String]) -> Result<Found, NoNamespace> {
        match self {
            Self::Node(namespace, identifier) => {
                Ok(Found::Node(NodeId::new(namespace.index(namespaces)?, identifier.clone())))
            }
            Self::Path(names) => {
                let element = |(namespace, name): &(Namespace, String)| {
                    Ok(RelativePathElement {
                        reference_type_id: ReferenceTypeId::HierarchicalReferences.into(),
                        is_inverse: false,
                        include_subtypes: true,
                        target_name: QualifiedName::new(namespace.index(namespaces)?, UAString::from(name.as_str())),
                    })
                };
                let elements = names.iter().map(element).collect::<Result<_, _>>()?;
                Ok(Found::Path(RelativePath { elements: Some(elements) }))
            }
        }
    }
}

/// What an [`Id`] is at a server.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Found {
    Node(NodeId),
    /// To be asked for, from [`root`] on.
    Path(RelativePath),
}

/// Where paths begin.
pub(super) fn root() -> NodeId {
    ObjectId::RootFolder.into()
}

impl Namespace {
    fn index(&self, namespaces: &[String]) -> Result<u16, NoNamespace> {
        match self {
            Self::Index(index) => Ok(*index),
            Self::Uri(uri) => {
                let index = namespaces.iter().position(|known| known == uri);
                index.and_then(|index| u16::try_from(index).ok()).ok_or_else(|| NoNamespace(uri.clone()))
            }
        }
    }
}

/// A node as it is to be written in a file: by the uri of its namespace, if that is the only one of this uri.
pub(super) fn written(node: &NodeId, namespaces: &[String]) -> String {
    let identifier = node.identifier.to_string();
    let uri = namespaces.get(usize::from(node.namespace)).filter(|uri| !uri.is_empty());
    match uri {
        _ if node.namespace == 0 => identifier,
        Some(uri) if namespaces.iter().filter(|other| *other == uri).count() == 1 => {
            format!("nsu={};{identifier}", uri.replace('%', "%25").replace(';', "%3B"))
        }
        _ => format!("ns={};{identifier}", node.namespace),
    }
}

/// How long an identifier is, in bytes.
pub(super) fn length(node: &NodeId) -> usize {
    match &node.identifier {
        Identifier::String(text) => text.as_ref().len(),
        Identifier::ByteString(bytes) => bytes.value.as_ref().map_or(0, Vec::len),
        Identifier::Numeric(_) | Identifier::Guid(_) => 16,
    }
}

/// Whether an identifier begins here, after a `;`.
fn is_identifier(text: &str) -> bool {
    [";i=", ";s=", ";g=", ";b="].iter().any(|kind| text.starts_with(kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> NodeId {
        let namespaces = ["http://opcfoundation.org/UA/", "urn:host:server", "urn:plant"].map(str::to_owned);
        match Id::parse(text).unwrap().resolve(&namespaces).unwrap() {
            Found::Node(node) => node,
            Found::Path(path) => panic!("{path:?}"),
        }
    }

    #[test]
    fn a_node_is_named_by_the_uri_or_the_number_of_its_namespace() {
        assert_eq!(found("i=2258"), NodeId::new(0, 2258u32));
        assert_eq!(found("ns=2;s=Line;1=a b/\"c\""), NodeId::new(2, "Line;1=a b/\"c\""));
        assert_eq!(found("nsu=urn:plant;s=Line.Speed"), NodeId::new(2, "Line.Speed"));
        assert_eq!(found("nsu=urn:plant;i=7"), NodeId::new(2, 7u32));
        assert_eq!(found("ns=1;b=AQID").namespace, 1);
        assert_eq!(found("ns=1;g=72962B91-FA75-4AE6-8D28-B404DC7DAF63").namespace, 1);
        let lost = Id::parse("nsu=urn:other;i=7").unwrap().resolve(&[]).unwrap_err();
        assert_eq!(lost.to_string(), "the server has no namespace `urn:other`");
    }

    #[test]
    fn a_node_that_is_written_is_read_as_the_same_node() {
        let uris =
            ["http://opcfoundation.org/UA/", "urn:a;s=b", "urn:100%3B", "urn:twice", "urn:twice"].map(str::to_owned);
        let guid = opcua::types::Guid::from_str("72962B91-FA75-4AE6-8D28-B404DC7DAF63").unwrap();
        let identifiers = [
            Identifier::from(2258u32),
            Identifier::from("Line;i=1 \"a\" {b}: #c\n"),
            Identifier::from(guid),
            Identifier::from(opcua::types::ByteString::from(vec![0, 255, 7])),
        ];
        for namespace in 0..6 {
            for identifier in &identifiers {
                let node = NodeId::new(namespace, identifier.clone());
                let text = written(&node, &uris);
                assert_eq!(Id::parse(&text).unwrap().resolve(&uris), Ok(Found::Node(node)), "{text}");
            }
        }
    }

    #[test]
    fn a_path_goes_from_the_root_on() {
        let Id::Path(names) = Id::parse("/Objects/2:Line &/ 1/nsu=urn:plant;Speed").unwrap() else { panic!("a path") };
        let expected = [
            (Namespace::Index(0), "Objects".to_owned()),
            (Namespace::Index(2), "Line / 1".to_owned()),
            (Namespace::Uri("urn:plant".to_owned()), "Speed".to_owned()),
        ];
        assert_eq!(names, expected);
    }

    #[test]
    fn what_is_no_node_is_told() {
        for (text, said) in [
            ("Line.Speed", "is not the id of a node"),
            ("i=x", "is not the id of a node"),
            ("s=", "is not the id of a node"),
            ("ns=70000;i=1", "not a namespace"),
            ("ns=2", "no identifier"),
            ("nsu=urn:plant", "no identifier"),
            ("nsu=;s=x", "names no namespace"),
            ("/Objects//2:x", "is empty"),
            ("/Objects/2:", "is empty"),
            ("/Objects/x&", "ends in the middle"),
        ] {
            assert!(Id::parse(text).unwrap_err().message.contains(said), "{text}: {:?}", Id::parse(text));
        }
    }
}
