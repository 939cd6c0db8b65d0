//! MQTT against Mosquitto.

mod broker;
mod forward;
mod kill;
mod line;
mod source;
mod sparkplug;
mod subscriber;
mod tls;
mod uplink;
