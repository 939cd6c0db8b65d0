//! What MQTT costs, in and out, beside a client that has nothing around it; Mosquitto on the same box, in the same run.

mod broker;
mod inbound;
mod outbound;
#[path = "../support/mod.rs"]
mod support;

fn main() {
    // `cargo test --benches` and `cargo clippy` build this file; only `cargo bench` shall run it.
    if std::env::args().any(|arg| arg == "--bench") {
        inbound::run();
        outbound::run();
    }
}
