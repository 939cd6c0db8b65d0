//! `mqtt_forward` against Mosquitto: what was sent arrives, in order, whatever happens to the broker, the line and ourselves.

use std::fs;
use std::process::{ExitStatus, Stdio};
use std::sync::atomic::Ordering;
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStderr, Command};
use tokio::time::{Instant, sleep, timeout};

use super::broker::{Mosquitto, PATIENCE, signal};
use super::line::{Break, Line};
use super::subscriber::{Message, Numbers, Subscriber};
use crate::outage::outage;
use crate::peers::port_that_no_client_gets;
use crate::turn::alone;

/// A pipeline that forwards numbers. It is killed with this handle.
pub(super) struct Forwarding {
    pub(super) child: Child,
    said: Lines<BufReader<ChildStderr>>,
    all: Vec<String>,
}

/// A folder with this many numbers to forward.
fn folder(count: usize) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    numbers(&dir, count);
    dir
}

fn numbers(dir: &TempDir, count: usize) {
    let line = |n: usize| {
        format!(r#"{{"t":"2026-01-01T00:00:{:02}.{:06}Z","tag":"n","value":{n}}}"#, n / 1_000_000, n % 1_000_000)
    };
    fs::write(dir.path().join("in.jsonl"), (0..count).map(|n| line(n) + "\n").collect::<String>()).unwrap();
}

const REPLAY: &str = "{ type: replay, path: in.jsonl, pace: max }";

impl Forwarding {
    fn start(dir: &TempDir, source: &str, port: u16, options: &str) -> Self {
        Self::through(dir, source, &format!("url: \"mqtt://127.0.0.1:{port}\", {options}"), "")
    }

    /// The same with the broker among the options of the sink, and with options of the edge.
    pub(super) fn through(dir: &TempDir, source: &str, options: &str, edge: &str) -> Self {
        let sink = format!("{{ type: mqtt_forward, {options} }}");
        let edge = if edge.is_empty() { "in -> cloud".to_owned() } else { format!("in -> cloud: {{ {edge} }}") };
        let file = format!("version: 1\nname: out\nnodes:\n  in: {source}\n  cloud: {sink}\nedges:\n  - {edge}\n");
        fs::write(dir.path().join("out.yaml"), file).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_fieldflow"))
            .args(["run", "out.yaml", "--data-dir", "data", "--listen", "off"])
            .current_dir(dir.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let said = BufReader::new(child.stderr.take().unwrap()).lines();
        Self { child, said, all: Vec::new() }
    }

    /// Waits until it says this.
    pub(super) async fn says(&mut self, word: &str) {
        loop {
            let line = timeout(PATIENCE, self.said.next_line()).await.map(Result::unwrap);
            let Ok(Some(line)) = line else { panic!("it does not say `{word}`: {:#?}", self.all) };
            let is_it = line.contains(word);
            self.all.push(line);
            if is_it {
                return;
            }
        }
    }

    /// Waits until it has ended by itself.
    pub(super) async fn ends(mut self) -> ExitStatus {
        let end = async {
            while let Some(line) = self.said.next_line().await.unwrap() {
                self.all.push(line);
            }
            self.child.wait().await.unwrap()
        };
        let Ok(status) = timeout(PATIENCE, end).await else { panic!("it does not end: {:#?}", self.all) };
        assert_eq!(status.code(), Some(0), "{:#?}", self.all);
        status
    }
}

#[tokio::test]
async fn what_was_sent_arrives_in_order_with_each_quality_of_service() {
    let _turn = alone().await;
    let Some(broker) = Mosquitto::start("").await else { return };
    for version in ["5", "3.1.1"] {
        for qos in 0..3 {
            let mut subscriber = Subscriber::new(broker.port, "t/#").await;
            let dir = folder(3000);
            let options = format!("topic: \"t/{{tag}}\", qos: {qos}, version: {version}");
            Forwarding::start(&dir, REPLAY, broker.port, &options).ends().await;
            assert_eq!(subscriber.numbers(3000).await.all_in_order(3000), 0, "QoS {qos}: nothing comes twice");
        }
    }
}

#[tokio::test]
async fn a_broker_that_wants_one_message_at_a_time_gets_one_at_a_time() {
    let _turn = alone().await;
    let Some(broker) = Mosquitto::start("max_inflight_messages 1").await else { return };
    let mut subscriber = Subscriber::new(broker.port, "t/#").await;
    let dir = folder(500);
    Forwarding::start(&dir, REPLAY, broker.port, "topic: \"t/{tag}\"").ends().await;
    assert_eq!(subscriber.numbers(500).await.all_in_order(500), 0);
}

#[tokio::test]
async fn while_the_broker_is_away_everything_waits_on_disk() {
    let _turn = alone().await;
    let Some(broker) = Mosquitto::start("").await else { return };
    let mut subscriber = Subscriber::new(broker.port, "t/#").await;
    let (dir, away) = (folder(20_000), port_that_no_client_gets());
    let mut pipeline = Forwarding::start(&dir, REPLAY, away, "topic: \"t/{tag}\"");
    pipeline.says("refused").await;
    on_disk(&dir, 20_000).await;
    let _line = Line::to(broker.port, away, Break::Cut, Vec::new()).await;
    let (numbers, _) = tokio::join!(subscriber.numbers(20_000), pipeline.ends());
    assert_eq!(numbers.all_in_order(20_000), 0);
}

/// `FIELDFLOW_OUTAGE_SECONDS` makes the outage longer than its 6 seconds.
#[tokio::test]
async fn what_comes_while_the_broker_is_gone_arrives_when_it_is_back_in_order() {
    const RATE: usize = 10_000;
    let _turn = alone().await;
    let Some(broker) = Mosquitto::start("").await else { return };
    let mut subscriber = Subscriber::new(broker.port, "t/#").await;
    let (dir, away) = (folder(0), port_that_no_client_gets());
    let count = RATE * (outage().as_secs() as usize + 4);
    let source = format!("{{ type: generate, rate: {RATE}, count: {count}, tags: {{ n: {{ counter: {{}} }} }} }}");
    let options = format!("url: \"mqtt://127.0.0.1:{away}\", topic: \"t/{{tag}}\"");
    let line = Line::to(broker.port, away, Break::Cut, Vec::new()).await;
    let pipeline = Forwarding::through(&dir, &source, &options, "");
    let mut numbers = Numbers::default();
    subscriber.more(&mut numbers, RATE).await;
    drop(line);
    // The outage itself is what is tried.
    sleep(outage()).await;
    let _line = Line::to(broker.port, away, Break::Cut, Vec::new()).await;
    subscriber.more(&mut numbers, count).await;
    pipeline.ends().await;
    let again = numbers.all_in_order(count);
    assert!(again <= 100, "{again} came again, more than were under way");
}

#[tokio::test]
async fn a_line_that_is_cut_fifty_times_before_the_acknowledgements_loses_nothing_though_the_broker_forgets_the_session()
 {
    cut(Break::Cut, (1..=50).map(|n| 2_000 + n * 1_511).collect(), "").await;
}

#[tokio::test]
async fn a_line_that_swallows_everything_is_given_up_and_loses_nothing() {
    cut(Break::BlackHole, (1..=20).map(|n| 2_000 + n * 3_011).collect(), ", fail_after: 300ms").await;
}

#[tokio::test]
async fn a_broker_that_takes_its_time_gets_each_message_once() {
    let _turn = alone().await;
    let Some(broker) = Mosquitto::start("").await else { return };
    let mut subscriber = Subscriber::new(broker.port, "t/#").await;
    let dir = folder(3_000);
    let slow = Break::Slow(Duration::from_millis(50));
    let line = Line::to(broker.port, port_that_no_client_gets(), slow, Vec::new()).await;
    let pipeline = Forwarding::start(&dir, REPLAY, line.port, "topic: \"t/{tag}\", keep_alive: 1s");
    let numbers = tokio::join!(subscriber.numbers(3_000), pipeline.ends()).0;
    assert_eq!(numbers.all_in_order(3_000), 0);
}

/// `FIELDFLOW_BACKLOG` is how many records wait: 3,000,000 are those of five minutes at 10,000 a second; by default it is a tenth
/// of that, which is half a minute. How fast it is drained is the matter of `benches/mqtt`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_backlog_is_drained_in_order_over_a_line_that_breaks_and_in_little_memory() {
    let _turn = alone().await;
    let count = std::env::var("FIELDFLOW_BACKLOG").map_or(300_000, |count| count.parse().unwrap());
    let Some(broker) = Mosquitto::start("max_inflight_messages 100\nset_tcp_nodelay true").await else { return };
    let mut subscriber = Subscriber::new(broker.port, "t/#").await;
    let (dir, away) = (folder(count), port_that_no_client_gets());
    let options = format!("url: \"mqtt://127.0.0.1:{away}\", topic: \"t/{{tag}}\"");
    let mut pipeline = Forwarding::through(&dir, REPLAY, &options, "durable: true, max_bytes: 8GiB");
    pipeline.says("refused").await;
    on_disk(&dir, count).await;
    let before = resident(&pipeline.child);
    let began = Instant::now();
    // About a hundred bytes a message.
    let cuts = [10, 20, 30].map(|part| count * part).to_vec();
    let line = Line::to(broker.port, away, Break::Cut, cuts).await;
    let mut most = 0;
    let watch = async {
        let mut numbers = Numbers::default();
        for part in 1..=10 {
            subscriber.more(&mut numbers, count * part / 10).await;
            most = most.max(resident(&pipeline.child));
        }
        numbers
    };
    let numbers = watch.await;
    let took = began.elapsed().as_secs_f64();
    pipeline.ends().await;
    let (again, cut) = (numbers.all_in_order(count), line.cuts.load(Ordering::SeqCst));
    println!(
        "{count} records waited, drained in {took:.1} s over {cut} cuts, {again} came again; KiB {before} before, {most} at most"
    );
    assert!(again <= 100 * cut, "{again} came again after {cut} cuts");
    assert!(most < before + (24 << 10), "{before} KiB before, {most} at most");
}

/// Resident memory in KiB.
fn resident(child: &Child) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", child.id().unwrap())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

async fn cut(how: Break, after: Vec<usize>, options: &str) {
    let _turn = alone().await;
    let Some(broker) = Mosquitto::start("").await else { return };
    let mut subscriber = Subscriber::new(broker.port, "t/#").await;
    let (dir, cuts) = (folder(20_000), after.len());
    let line = Line::to(broker.port, port_that_no_client_gets(), how, after).await;
    let broker = format!("urls: [{{ url: \"mqtt://127.0.0.1:{}\"{options} }}], topic: \"t/{{tag}}\"", line.port);
    let pipeline = Forwarding::through(&dir, REPLAY, &broker, "");
    let numbers = tokio::join!(subscriber.numbers(20_000), pipeline.ends()).0;
    let again = numbers.all_in_order(20_000);
    let times = line.cuts.load(Ordering::SeqCst);
    assert_eq!(times, cuts, "the line broke as often as it was to");
    assert!(again <= 100 * cuts, "{again} came again, more than were under way at {cuts} breaks");
}

#[tokio::test]
async fn a_pipeline_that_is_killed_goes_on_where_the_broker_had_acknowledged() {
    const COUNT: usize = 30_000;
    let _turn = alone().await;
    let Some(broker) = Mosquitto::start("").await else { return };
    let mut subscriber = Subscriber::new(broker.port, "t/#").await;
    let (dir, port) = (folder(COUNT), port_that_no_client_gets());
    let mut pipeline = Forwarding::start(&dir, REPLAY, port, "topic: \"t/{tag}\"");
    pipeline.says("refused").await;
    on_disk(&dir, COUNT).await;
    drop(pipeline);
    let _line = Line::to(broker.port, port, Break::Cut, Vec::new()).await;
    // The file is played to its end, and must not be played again.
    numbers(&dir, 0);
    let mut kills = 0;
    let mut seen = Numbers::default();
    for wanted in (3_000..COUNT).step_by(3_000) {
        let pipeline = Forwarding::start(&dir, REPLAY, port, "topic: \"t/{tag}\"");
        subscriber.more(&mut seen, wanted).await;
        signal(&pipeline.child, "KILL").await;
        kills += 1;
    }
    let pipeline = Forwarding::start(&dir, REPLAY, port, "topic: \"t/{tag}\"");
    tokio::join!(subscriber.more(&mut seen, COUNT), pipeline.ends());
    let again = seen.all_in_order(COUNT);
    println!("killed {kills} times, {again} messages came again");
}

/// Waits until this many records are in the queue.
pub(super) async fn on_disk(dir: &TempDir, count: usize) {
    // As long as it takes to read and to sync so many.
    let until = Instant::now() + PATIENCE + Duration::from_micros(100) * count as u32;
    loop {
        let shown = Command::new(env!("CARGO_BIN_EXE_fieldflow"))
            .args(["queue", "ls", "out.yaml", "--data-dir", "data", "--format", "json"])
            .current_dir(dir.path())
            .output();
        let shown = shown.await.unwrap();
        let text = String::from_utf8_lossy(&shown.stdout).into_owned();
        if text.contains(&format!("\"records\": {count}")) || text.contains(&format!("\"records\":{count}")) {
            return;
        }
        sleep(Duration::from_millis(100)).await;
        assert!(Instant::now() < until, "{text} {}", String::from_utf8_lossy(&shown.stderr));
    }
}

#[tokio::test]
async fn the_status_says_whether_the_pipeline_is_there() {
    let _turn = alone().await;
    let Some(broker) = Mosquitto::start("").await else { return };
    let mut subscriber = Subscriber::new(broker.port, "status/#").await;
    let source = "{ type: generate, rate: 10, tags: { n: { counter: {} } } }";
    let options = "topic: \"t/{tag}\", status: { topic: \"status/{pipeline}\" }";
    let word = |message: Message| (message.topic, String::from_utf8(message.payload).unwrap());
    let says = |text: &str| ("status/out".to_owned(), text.to_owned());
    for (how, dir) in [("KILL", folder(0)), ("TERM", folder(0))] {
        let pipeline = Forwarding::start(&dir, source, broker.port, options);
        assert_eq!(word(subscriber.next().await), says("online"));
        signal(&pipeline.child, how).await;
        assert_eq!(word(subscriber.next().await), says("offline"), "{how}");
        if how == "TERM" {
            pipeline.ends().await;
        }
    }
    // Who subscribes later is told as well.
    let mut late = Subscriber::new(broker.port, "status/#").await;
    let message = late.next().await;
    assert!(message.is_retained, "{message:?}");
    assert_eq!(word(message), says("offline"));
}

#[tokio::test]
async fn messages_tell_where_they_come_from_and_batches_are_lists() {
    let _turn = alone().await;
    let Some(broker) = Mosquitto::start("").await else { return };
    let mut subscriber = Subscriber::new(broker.port, "t/#").await;
    let dir = folder(3000);
    let options = "topic: \"t/{pipeline}\", payload: json_batch, max_packet: 2KiB";
    Forwarding::start(&dir, REPLAY, broker.port, options).ends().await;
    let mut seen = 0;
    while seen < 3000 {
        let message = subscriber.next().await;
        assert!(message.payload.len() <= 2048 && message.topic == "t/out", "{message:?}");
        assert!(message.properties.contains("pipeline:out"), "{message:?}");
        assert!(message.properties.contains("stream:out/in.out/cloud@"), "{message:?}");
        assert!(message.properties.contains("sequence:"), "{message:?}");
        for record in message.json().as_array().unwrap() {
            assert_eq!(record["value"], seen);
            seen += 1;
        }
    }
}
