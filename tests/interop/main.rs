//! The nodes against servers that nobody here wrote: Modbus against pymodbus, and libmodbus in a few lines of C; MQTT against
//! Mosquitto; OPC UA against asyncua and node-opcua.
//!
//! Each test of Modbus writes down what the server shall hold, starts it, runs the real binary with a pipeline from it to `console`, and
//! compares the records with what is held. `tests/run` installs the servers. Where one is missing, its
//! tests say so and pass, unless `CI=true` or `FIELDFLOW_PEERS=required`.
//!
//! Tests that load or measure the machine run one at a time, the others beside each other: see `turn`.

#![expect(clippy::unwrap_used, reason = "a test stops at the line where something is missing")]

mod device;
mod memory;
mod mqtt;
mod opcua;
mod outage;
mod peers;
mod pipeline;
mod tables;
mod turn;
mod types;
mod values;
mod writes;
