//! MQTT against Mosquitto.

mod broker;
mod commands;
mod forward;
mod kill;
mod line;
mod source;
mod sparkplug;
mod subscriber;
mod tls;
