//! The client that the MQTT nodes share.
//!
//! | to learn about | read |
//! |---|---|
//! | the options of a link | `options`, `address`, `tls` |
//! | which broker is used, and when another one | [`Client`] in `brokers` |
//! | one connection, from CONNACK to its end | `connection`; its task in `task`, and in `task::incoming` what it does with packets |
//! | what came and is not acknowledged, what was sent and is not answered | `window`, `sent` |
//! | packets, byte for byte | `codec` |
//! | why a broker says no | `reason` |
//! | what is looked at before a run | `look` |
//! | TCP, TLS, WebSocket | `dial`, `prompt`, `websocket` |
//!
//! The client is our own, though good libraries exist and all else here is theirs (rustls, tungstenite). What this program
//! promises lies where they decide by rules of their own:
//!
//! - Acknowledgements leave after the commit, in the order of arrival, and on the connection that brought the message, on no
//!   other. Libraries acknowledge by packet number, which means another message after a reconnect.
//! - A publish is resolved by its own PUBACK or PUBCOMP, or fails with its connection. Libraries keep what is under way over a
//!   reconnect, or forget it when the broker has lost the session, and mostly do not say which.
//! - What comes in is bounded by bytes and by messages before it is read, so that a slow sink leaves the rest with the broker.
//! - MQTT 5 and 3.1.1 are one code here, and two clients in the libraries.
//!
//! The price is some 1,900 lines, whose codec is fuzzed and which are tested against Mosquitto and against brokers that lie.
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
mod look;
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

pub(crate) use self::address::{Address, client_ids};
pub(crate) use self::brokers::Client;
#[cfg(feature = "fuzzing")]
pub use self::codec::fuzzing::mqtt_packets;
pub(crate) use self::codec::{Message, Properties, Qos, Version, Will};
pub(crate) use self::connection::{Answered, Connection, Inbound, Publisher};
pub(crate) use self::look::look;
pub(crate) use self::options::{LinkConfig, Options, Secret};
pub(crate) use self::reason::{Reaction, Refusal};
#[cfg(test)]
pub(crate) use self::scripted::{Peer, Scripted, WELCOME};
pub(crate) use self::sent::Receipt;
pub(crate) use self::tls::{Tls, identity};
pub(crate) use self::window::Window;
