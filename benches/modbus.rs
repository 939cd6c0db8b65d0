//! What polling costs: a full line beside a bare loop of tokio-modbus that asks for the same, and a hall of 150 devices.

mod support;

use std::fmt::Write as _;
use std::future::{Ready, ready};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use support::{Bench, median, two_workers};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_modbus::client::{Reader as _, tcp};
use tokio_modbus::server::Service;
use tokio_modbus::server::tcp::Server;
use tokio_modbus::{ExceptionCode, Request, Response, SlaveRequest};

const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(2);
/// One node alone would wait for the next millisecond between two polls; of so many one is always due.
const NODES: u16 = 8;
const REGISTERS: u16 = 1000;
const PER_REQUEST: u16 = 125;

const DEVICES: usize = 150;
const TAGS: usize = 100;
const WARM_UP: Duration = Duration::from_secs(5);
const WATCHED: Duration = Duration::from_secs(20);

#[expect(clippy::print_stdout, reason = "printing is what a bench is for")]
fn main() {
    if !std::env::args().any(|arg| arg == "--bench") {
        return;
    }
    let plant = Plant::start(DEVICES);
    println!(
        "{REGISTERS} registers, {PER_REQUEST} a request, as fast as it goes; median of {ROUNDS} runs of {ROUND:?}, in turn"
    );
    let bench = Bench::new(&[]);
    let (mut bare, mut ours) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        bare.push(bare_loop(&plant));
        ours.push(full_line(&bench, &plant));
    }
    let (bare, ours) = (median(bare), median(ours));
    println!("  bare tokio-modbus loop              {bare:>10} requests/s");
    println!("  modbus → a sink that forgets        {ours:>10} requests/s");
    println!("  ratio                               {:>10.2} (at least 0.80)", ours as f64 / bare as f64);

    println!("\n{DEVICES} devices of {TAGS} tags each, every second, into SQLite, watched for {WATCHED:?}");
    let (cpu, memory) = hall(&bench, &plant);
    println!("  of one core                         {:>9.1}% (less than 10)", cpu * 100.0);
    println!("  memory, with what is mapped         {memory:>6.1} MiB (less than 60)");
}

/// Devices whose registers hold their own addresses, each at a port of its own, on a thread of their own.
struct Plant {
    addresses: Vec<SocketAddr>,
    answered: Arc<AtomicU64>,
}

impl Plant {
    fn start(devices: usize) -> Self {
        let (tell, told) = mpsc::sync_channel(devices);
        let answered = Arc::<AtomicU64>::default();
        let unit = Unit(Arc::clone(&answered));
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let mut serving = JoinSet::new();
                for _ in 0..devices {
                    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
                    tell.send(listener.local_addr().expect("an address")).expect("the bench waits for it");
                    serving.spawn(serve(listener, unit.clone()));
                }
                drop(tell);
                serving.join_all().await;
            });
        });
        Self { addresses: told.iter().collect(), answered }
    }

    /// How many requests a second were answered while this ran.
    fn rate(&self, work: impl FnOnce()) -> u64 {
        let (before, began) = (self.answered.load(Ordering::Relaxed), Instant::now());
        work();
        let answered = self.answered.load(Ordering::Relaxed) - before;
        (answered as f64 / began.elapsed().as_secs_f64()) as u64
    }
}

async fn serve(listener: TcpListener, unit: Unit) {
    let connected = |stream: TcpStream, _| {
        let unit = unit.clone();
        async move {
            stream.set_nodelay(true)?;
            Ok(Some((unit, stream)))
        }
    };
    Server::new(listener).serve(&connected, |_| {}).await.expect("the device serves");
}

#[derive(Clone)]
struct Unit(Arc<AtomicU64>);

impl Service for Unit {
    type Request = SlaveRequest<'static>;
    type Response = Response;
    type Exception = ExceptionCode;
    type Future = Ready<Result<Response, ExceptionCode>>;

    fn call(&self, request: Self::Request) -> Self::Future {
        self.0.fetch_add(1, Ordering::Relaxed);
        ready(match request.request {
            Request::ReadHoldingRegisters(first, count) => {
                Ok(Response::ReadHoldingRegisters((first..first.saturating_add(count)).collect()))
            }
            _ => Err(ExceptionCode::IllegalFunction),
        })
    }
}

/// Reads all registers over and over, and looks at the values.
fn bare_loop(plant: &Plant) -> u64 {
    let runtime = two_workers();
    plant.rate(|| {
        let client = runtime.spawn(read_all(plant.addresses[0]));
        runtime.block_on(client).expect("the loop ends by itself");
    })
}

async fn read_all(address: SocketAddr) {
    let mut client = tcp::connect(address).await.expect("the device is there");
    let (until, mut sum) = (Instant::now() + ROUND, 0_u64);
    while Instant::now() < until {
        for first in (0..REGISTERS).step_by(usize::from(PER_REQUEST)) {
            let words = client.read_holding_registers(first, PER_REQUEST).await.expect("an answer").expect("registers");
            sum += words.into_iter().map(u64::from).sum::<u64>();
        }
    }
    assert_ne!(sum, 0);
}

/// Several nodes on one line to the same device, each as often as it may.
fn full_line(bench: &Bench, plant: &Plant) -> u64 {
    let tags: String = (0..REGISTERS).map(|n| format!("t.{n}: {{ at: \"holding:{n}\", as: u16 }}, ")).collect();
    let (mut nodes, mut edges) = (String::new(), String::new());
    for n in 0..NODES {
        let url = plant.addresses[0];
        let _ = writeln!(nodes, "  n{n}: {{ type: modbus, url: \"tcp://{url}\", every: 1ms, tags: {{ {tags} }} }}");
        let _ = writeln!(edges, "  - n{n} -> out");
    }
    let body = format!("nodes:\n{nodes}  out: {{ type: nowhere }}\nedges:\n{edges}");
    plant.rate(|| {
        let _ = bench.run(&two_workers(), &body, async { tokio::time::sleep(ROUND).await });
    })
}

/// The share of a core, and the MiB, that the program takes for all devices.
#[expect(clippy::disallowed_methods, reason = "a figure over time takes that time")]
fn hall(bench: &Bench, plant: &Plant) -> (f64, f64) {
    let folder = bench.fresh();
    let (mut nodes, mut edges) = (String::new(), String::new());
    for (n, address) in plant.addresses.iter().enumerate() {
        let tags: String = (0..TAGS).map(|t| format!("d{n}.{t}: {{ at: \"holding:{t}\", as: u16 }}, ")).collect();
        let _ = writeln!(nodes, "  n{n}: {{ type: modbus, url: \"tcp://{address}\", every: 1s, tags: {{ {tags} }} }}");
        let _ = writeln!(edges, "  - n{n} -> store");
    }
    let file = folder.join("hall.yaml");
    let store = "  store: { type: sqlite, path: hall.db }\n";
    std::fs::write(&file, format!("version: 1\nname: hall\nnodes:\n{nodes}{store}edges:\n{edges}")).expect("a file");
    let mut program = Program::start(&file, &folder);
    std::thread::sleep(WARM_UP);
    let before = program.processor_time();
    std::thread::sleep(WATCHED);
    let used = program.processor_time() - before;
    (used / WATCHED.as_secs_f64(), program.memory())
}

/// `fieldflow run`, killed when this is dropped.
struct Program(Child);

impl Program {
    fn start(file: &Path, folder: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fieldflow"));
        command.arg("run").arg(file).arg("--listen").arg("127.0.0.1:0").current_dir(folder);
        Self(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the program starts"))
    }

    fn proc(&mut self, what: &str) -> String {
        assert!(self.0.try_wait().expect("a state").is_none(), "the program ended by itself");
        std::fs::read_to_string(format!("/proc/{}/{what}", self.0.id())).expect("Linux tells of its processes")
    }

    /// Seconds of processor time that it has used; Linux counts in hundredths.
    fn processor_time(&mut self) -> f64 {
        let stat = self.proc("stat");
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks: f64 = [11, 12].iter().map(|at| fields[*at].parse::<f64>().expect("ticks")).sum();
        ticks / 100.0
    }

    /// MiB that are resident.
    fn memory(&mut self) -> f64 {
        let status = self.proc("status");
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("a line about memory");
        line.split_whitespace().nth(1).and_then(|kib| kib.parse::<f64>().ok()).expect("KiB") / 1024.0
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
