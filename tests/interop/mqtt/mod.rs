//! MQTT against Mosquitto.

mod broker;
mod commands;
mod forward;
mod kill;
mod line;
mod look;
mod source;
mod sparkplug;
mod sparkplug_node;
mod subscriber;
mod tls;
mod uplink;
