//! What forwarding costs: messages of QoS 1 to Mosquitto, from a durable edge, beside the same node from memory and beside a client
//! that only publishes.

use std::time::Duration;

use super::broker::{Bare, Mosquitto};
use super::support::{Bench, median, two_workers};

const ROUNDS: usize = 5;
const RECORDS: u64 = 200_000;
/// As long as what the node says of a record.
const PAYLOAD: &[u8] = br#"{"t":"2026-11-21T19:30:00.000000Z","value":123456}"#;

#[expect(clippy::print_stdout, reason = "printing is what a bench is for")]
pub(super) fn run() {
    let bench = Bench::new(&[]);
    let Some(broker) = Mosquitto::start(&bench.fresh(), "max_inflight_messages 100") else { return };
    println!(
        "{RECORDS} records as messages of QoS 1, a window of 100, Mosquitto on the same box; median of {ROUNDS}, in turn"
    );
    let (mut bare, mut memory, mut durable) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        bare.push(rate(Bare::connect(&broker, "bare", true).publish(RECORDS, 100, "bench/n", PAYLOAD)));
        memory.push(forwarded(&bench, broker.port, false));
        durable.push(forwarded(&bench, broker.port, true));
    }
    let (bare, memory, durable) = (median(bare), median(memory), median(durable));
    println!("  a client that only publishes        {bare:>10} messages/s");
    println!("  mqtt_forward from memory            {memory:>10} messages/s");
    println!("  mqtt_forward from a durable edge    {durable:>10} messages/s");
    println!("  ratio to the same node from memory  {:>10.2} (at least 0.70)", durable as f64 / memory as f64);
    println!("  ratio to the client that only publishes {:>6.2}", durable as f64 / bare as f64);
}

/// Messages a second, from the start of the pipeline to the last acknowledgement.
fn forwarded(bench: &Bench, port: u16, is_durable: bool) -> u64 {
    let body = format!(
        "nodes:\n  in: {{ type: generate, rate: max, count: {RECORDS}, tags: {{ n: {{ counter: {{}} }} }} }}\n  \
         cloud: {{ type: mqtt_forward, url: \"mqtt://127.0.0.1:{port}\", topic: \"bench/{{tag}}\", in_flight: 100 }}\n\
         edges:\n  - in -> cloud: {{ durable: {is_durable} }}\n"
    );
    let took = bench.run(&two_workers(), &body, std::future::pending());
    rate(took)
}

fn rate(took: Duration) -> u64 {
    (RECORDS as f64 / took.as_secs_f64()) as u64
}
