//! Topics: `spBv1.0/<group>/<kind>/<node>[/<device>]` and `spBv1.0/STATE/<host>`.

use std::fmt;

/// What all topics begin with.
const NAMESPACE: &str = "spBv1.0";

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $word:literal,)*) => {
        /// What a message is.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub(crate) enum Kind {
            $($(#[$doc])* $name,)*
        }

        impl Kind {
            /// The word in the topic.
            pub(crate) fn word(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)*
                }
            }

            fn of_word(word: &str) -> Option<Self> {
                match word {
                    $($word => Some(Self::$name),)*
                    _ => None,
                }
            }
        }
    };
}

kinds! {
    /// A node tells all its metrics.
    NodeBirth = "NBIRTH",
    /// A node is gone.
    NodeDeath = "NDEATH",
    /// A device tells all its metrics.
    DeviceBirth = "DBIRTH",
    /// A device is gone.
    DeviceDeath = "DDEATH",
    /// Metrics of a node.
    NodeData = "NDATA",
    /// Metrics of a device.
    DeviceData = "DDATA",
    /// A command to a node.
    NodeCommand = "NCMD",
    /// A command to a device.
    DeviceCommand = "DCMD",
}

impl Kind {
    /// Whether the topic names a device.
    fn is_of_device(self) -> bool {
        matches!(self, Self::DeviceBirth | Self::DeviceDeath | Self::DeviceData | Self::DeviceCommand)
    }
}

/// A topic, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Topic<'a> {
    /// A message from or to an edge node.
    Edge {
        /// The group of nodes.
        group: &'a str,
        /// What the message is.
        kind: Kind,
        /// The edge node.
        node: &'a str,
        /// The device behind it.
        device: Option<&'a str>,
    },
    /// Whether a host is there.
    State(&'a str),
}

impl<'a> Topic<'a> {
    /// Takes a topic apart; `None` if it is none of Sparkplug.
    pub(crate) fn parse(topic: &'a str) -> Option<Self> {
        let mut levels = topic.split('/');
        let first = [levels.next()?, levels.next()?, levels.next()?];
        let rest = (levels.next(), levels.next(), levels.next());
        if first.iter().any(|level| level.is_empty()) {
            return None;
        }
        match (first, rest) {
            ([NAMESPACE, "STATE", host], (None, None, None)) => Some(Self::State(host)),
            ([NAMESPACE, group, kind], (Some(node), device, None)) => {
                let kind = Kind::of_word(kind)?;
                let is_whole = !node.is_empty() && device.is_some() == kind.is_of_device() && device != Some("");
                is_whole.then_some(Self::Edge { group, kind, node, device })
            }
            _ => None,
        }
    }
}

impl fmt::Display for Topic<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Edge { group, kind, node, device: None } => write!(f, "{NAMESPACE}/{group}/{}/{node}", kind.word()),
            Self::Edge { group, kind, node, device: Some(device) } => {
                write!(f, "{NAMESPACE}/{group}/{}/{node}/{device}", kind.word())
            }
            Self::State(host) => write!(f, "{NAMESPACE}/STATE/{host}"),
        }
    }
}

/// Whether a text can be the name of a group, node, device or host; else why not.
pub(crate) fn check_id(id: &str) -> Result<(), &'static str> {
    if id.is_empty() {
        return Err("it is empty");
    }
    if id.contains(['+', '/', '#']) {
        return Err("`+`, `/` and `#` cannot stand in it");
    }
    if id.chars().any(char::is_control) {
        return Err("a control character stands in it");
    }
    Ok(())
}
