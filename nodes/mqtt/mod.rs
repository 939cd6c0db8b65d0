//! `mqtt`: subscribes to topics of a broker.
//!
//! | to learn about | read |
//! |---|---|
//! | the connection to a broker, which every MQTT node has | `client` |

#[allow(dead_code, unused_imports)]
mod client;
