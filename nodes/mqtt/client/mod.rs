//! The client that the MQTT nodes share.
//!
//! | to learn about | read |
//! |---|---|
//! | the options of a link | `options`, `address`, `tls` |
//! | which broker is used, and when another one | [`Client`] in `brokers` |
//! | one connection, from CONNACK to its end | `connection`, and its task in `task` |
//! | what came and is not acknowledged, what was sent and is not answered | `window`, `sent` |
//! | packets, byte for byte | `codec` |
//! | why a broker says no | `reason` |
//! | TCP, TLS, WebSocket | `dial`, `prompt`, `websocket` |
//!
//! It is written here, not taken from a library, for what it must do and those that were tried do not: one code for both
//! versions of the protocol; acknowledgements that leave in order, after the commit, and only on the connection that brought
//! the message; nothing that is under way survives a connection unseen; a packet that is too long is refused by its header.
//!
//! How a node uses it: [`LinkConfig::resolve`] in `check` and `build`, [`Client::new`] in `build`, [`Client::connect`] in
//! `connect`. A [`Connection`] is thrown away at the first trouble, told to [`Client::lost`], and opened anew.

mod address;
mod brokers;
#[cfg(test)]
mod brokers_tests;
mod codec;
mod connection;
mod dial;
mod options;
mod prompt;
mod reason;
#[cfg(test)]
mod scripted;
mod sent;
mod task;
#[cfg(test)]
mod tests;
mod tls;
#[cfg(test)]
mod tls_tests;
mod websocket;
#[cfg(test)]
mod websocket_tests;
mod window;

pub(crate) use self::address::Address;
pub(crate) use self::brokers::Client;
pub(crate) use self::codec::{Limits, Message, Properties, Qos, Version, Will};
pub(crate) use self::connection::{Connection, Inbound, Publisher};
pub(crate) use self::options::{LinkConfig, Options, Secret};
pub(crate) use self::reason::{Reaction, Refusal, words};
pub(crate) use self::sent::Receipt;
pub(crate) use self::tls::{Tls, identity};
pub(crate) use self::window::Window;
#[cfg(test)]
pub(crate) use self::{
    connection::publisher_alone,
    scripted::{Peer, Scripted, WELCOME},
};
