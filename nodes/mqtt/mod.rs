//! MQTT: the nodes, and what they share.
//!
//! | to learn about | read |
//! |---|---|
//! | `mqtt`, which subscribes | `source` |
//! | `mqtt_forward`, which publishes | `forward` |
//! | the connection to a broker, which both have | `client` |
//! | payloads of Sparkplug B | `sparkplug` |

mod client;
mod forward;
mod source;
mod sparkplug;

/// What `tests/fuzz/` throws bytes at.
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing {
    pub use super::client::mqtt_packets;
    pub use super::source::sparkplug;
}

pub(crate) use self::forward::MqttForward;
pub(crate) use self::source::Mqtt;
