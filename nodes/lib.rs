//! The built-in nodes: one folder a protocol, source, sink, config, codec and `cases/` together.
//!
//! To add a node, write its file or folder, then add two lines here: its `mod` and its place in [`BUILTIN`].
//! `UPDATE=1 cargo test` writes its schema and its line in the README.
//!
//! Nothing in here sees an edge, a metric, a signal or the YAML: see `fieldflow_contract` for what a node is.

#[cfg(any(feature = "modbus", feature = "opcua"))]
mod command;
mod console;
#[cfg(test)]
mod follower;
mod generate;
#[cfg(any(feature = "modbus", feature = "mqtt", feature = "opcua"))]
mod loopback;
#[cfg(feature = "modbus")]
mod modbus;
#[cfg(feature = "mqtt")]
mod mqtt;
#[cfg(feature = "opcua")]
mod opcua;
mod replay;
#[cfg(feature = "sqlite")]
mod sqlite;
mod template;
#[cfg(any(feature = "modbus-tls", feature = "mqtt"))]
mod tls;
mod transform;

use fieldflow_contract::NodeKind;

/// What `tests/fuzz/` throws bytes at.
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing {
    pub use crate::modbus::fuzzing::*;
    pub use crate::mqtt::fuzzing::*;
}

/// Every built-in node, sorted by type. Tests walk this list.
pub const BUILTIN: &[&dyn NodeKind] = &[
    &transform::Alarm,
    &transform::Cast,
    &transform::Clamp,
    &console::Console,
    &transform::Counter,
    &transform::CrcCheck,
    &transform::Deadband,
    &transform::Debounce,
    &transform::Decode,
    &transform::Dedupe,
    &transform::Encode,
    &transform::Enrich,
    &transform::Filter,
    &generate::Generate,
    #[cfg(feature = "expressions")]
    &transform::Map,
    &transform::Median,
    #[cfg(feature = "modbus")]
    &modbus::Modbus,
    #[cfg(feature = "modbus")]
    &modbus::ModbusWrite,
    #[cfg(feature = "mqtt")]
    &mqtt::Mqtt,
    #[cfg(feature = "mqtt")]
    &mqtt::MqttForward,
    #[cfg(feature = "opcua")]
    &self::opcua::Opcua,
    #[cfg(feature = "opcua")]
    &self::opcua::OpcuaWrite,
    &transform::SetQuality,
    &transform::Rate,
    &transform::Rename,
    &replay::Replay,
    &transform::Round,
    &transform::Route,
    &transform::Scale,
    &transform::Sequence,
    &transform::Split,
    #[cfg(feature = "sqlite")]
    &sqlite::Sqlite,
    &transform::Stale,
    &transform::SwingingDoor,
    &transform::Throttle,
    &transform::Window,
];
