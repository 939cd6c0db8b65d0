//! The device that `simulate` serves: every tag of the file moves, nothing else is there.
//!
//! Values are a function of the time since it was bound, so that what two readers see at one moment agrees. Floats are slow
//! sines, integers count up, booleans toggle, texts carry a counter, enumerations go through their words, and a factor stands
//! still. A register that no tag names is a hole, and answered with an exception, as devices do.

use std::collections::BTreeMap;
use std::f64::consts::TAU;
use std::future::{Ready, ready};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fieldflow_contract::{BoxFuture, Device, Value};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_modbus::server::Service;
use tokio_modbus::server::tcp::Server;
use tokio_modbus::{ExceptionCode, Request, Response, SlaveRequest};

use super::address::Table;
use super::codec::{Kind, Layout};
use super::endpoint::Host;
use super::plan::Need;
use super::quirks::{Quirks, between};
use super::tags::{Means, Point};
use super::wire::Stream;

/// Most registers of one value.
const LONGEST: u32 = 125;
/// Room for an answer and some more.
const ROOM: usize = 1024;

/// A device at one address, with the units and the tags that the file names there.
pub(super) struct Simulator {
    endpoint: Host,
    units: BTreeMap<u8, Vec<Cell>>,
    quirks: Arc<Quirks>,
    bound: Option<Bound>,
}

/// A value that the device has.
struct Cell {
    need: Need,
    layout: Layout,
    /// What it says all the time, if it is a factor.
    stands: Option<Means>,
}

struct Bound {
    server: Server,
    memory: Arc<Memory>,
    /// Where it really listens; differs from the endpoint for port 0.
    address: SocketAddr,
}

impl Simulator {
    /// A device without any unit yet.
    pub(super) fn new(endpoint: Host, quirks: Quirks) -> Self {
        Self { endpoint, units: BTreeMap::new(), quirks: Arc::new(quirks), bound: None }
    }

    /// Adds tags to a unit.
    pub(super) fn add(&mut self, unit: u8, points: Vec<Point>) {
        let cells = self.units.entry(unit).or_default();
        for Point { need, layout, factor, .. } in points {
            cells.push(Cell { need, layout, stands: None });
            if let Some(factor) = factor {
                cells.push(Cell { need: factor.need(), layout: factor.layout, stands: Some(factor.means) });
            }
        }
        cells.sort_by_key(|cell| (cell.need.table, cell.need.start));
    }

    /// Where it listens, once it is bound.
    #[cfg(test)]
    pub(super) fn port(&self) -> Option<u16> {
        self.bound.as_ref().map(|bound| bound.address.port())
    }
}

impl Device for Simulator {
    fn address(&self) -> String {
        match &self.bound {
            Some(bound) => format!("tcp://{}", bound.address),
            None => format!("tcp://{}", self.endpoint),
        }
    }

    fn bind(&mut self) -> BoxFuture<'_, io::Result<()>> {
        Box::pin(async {
            let listener = TcpListener::bind((self.endpoint.host.as_str(), self.endpoint.port)).await?;
            let address = listener.local_addr()?;
            if let Some(quirks) = Arc::get_mut(&mut self.quirks) {
                quirks.begin();
            }
            let (units, quirks) = (std::mem::take(&mut self.units), Arc::clone(&self.quirks));
            let memory = Arc::new(Memory { units, quirks, born: Instant::now() });
            self.bound = Some(Bound { server: Server::new(listener), memory, address });
            Ok(())
        })
    }

    fn serve(&mut self) -> BoxFuture<'_, io::Result<()>> {
        Box::pin(async {
            let Some(Bound { server, memory, .. }) = &self.bound else {
                return Err(io::Error::new(
                    io::ErrorKind::NotConnected,
                    "the device has no address yet: bind it first",
                ));
            };
            // They end when this future is dropped.
            let relays = &Mutex::new(JoinSet::new());
            let connected = |stream: TcpStream, _| async move {
                // An error here would end the whole server, and without it an answer is only a little later.
                let _ = stream.set_nodelay(true);
                if memory.quirks.is_empty() {
                    return Ok(Some((Arc::clone(memory), Box::new(stream) as Box<dyn Stream>)));
                }
                let (near, far) = tokio::io::duplex(ROOM);
                let mut relays = relays.lock().unwrap_or_else(PoisonError::into_inner);
                while relays.try_join_next().is_some() {}
                relays.spawn(between::run(stream, far, Arc::clone(&memory.quirks)));
                Ok(Some((Arc::clone(memory), Box::new(near) as Box<dyn Stream>)))
            };
            // The server's tasks, one a connection, end when this future is dropped. A client that breaks off is no news.
            server.serve(&connected, |_| {}).await
        })
    }
}

/// All values of the device.
struct Memory {
    units: BTreeMap<u8, Vec<Cell>>,
    quirks: Arc<Quirks>,
    born: Instant,
}

impl Service for Memory {
    type Request = SlaveRequest<'static>;
    type Response = Response;
    type Exception = ExceptionCode;
    type Future = Ready<Result<Response, ExceptionCode>>;

    fn call(&self, request: Self::Request) -> Self::Future {
        ready(self.answer(&request, self.quirks.age(request.slave, self.born.elapsed())))
    }
}

impl Memory {
    fn answer(&self, request: &SlaveRequest<'_>, age: Duration) -> Result<Response, ExceptionCode> {
        let cells = self.units.get(&request.slave).ok_or(ExceptionCode::GatewayTargetDevice)?;
        let read = |table, start, count| words(cells, Need { table, start, count }, age);
        let bits = |words: Vec<u16>| words.into_iter().map(|word| word != 0).collect();
        match request.request {
            Request::ReadCoils(start, count) => {
                read(Table::Coil, start, count).map(|words| Response::ReadCoils(bits(words)))
            }
            Request::ReadDiscreteInputs(start, count) => {
                read(Table::Discrete, start, count).map(|words| Response::ReadDiscreteInputs(bits(words)))
            }
            Request::ReadInputRegisters(start, count) => {
                read(Table::Input, start, count).map(Response::ReadInputRegisters)
            }
            Request::ReadHoldingRegisters(start, count) => {
                read(Table::Holding, start, count).map(Response::ReadHoldingRegisters)
            }
            _ => Err(ExceptionCode::IllegalFunction),
        }
    }
}

/// What lies in this stretch of a table; a bit is a word that is 0 or 1. `cells` are sorted by table and address.
fn words(cells: &[Cell], read: Need, age: Duration) -> Result<Vec<u16>, ExceptionCode> {
    let most = if read.table.is_bits() { 2000 } else { 125 };
    if !(1..=most).contains(&read.count) {
        return Err(ExceptionCode::IllegalDataValue);
    }
    let mut memory: Vec<Option<u16>> = vec![None; read.count.into()];
    // A value that begins before the stretch may reach into it.
    let first = cells.partition_point(|cell| {
        (cell.need.table, u32::from(cell.need.start) + LONGEST) < (read.table, u32::from(read.start))
    });
    let last = cells.partition_point(|cell| (cell.need.table, u32::from(cell.need.start)) < (read.table, read.end()));
    for cell in cells.get(first..last).unwrap_or_default() {
        let words = cell.layout.encode(&cell.value(age));
        // What cannot be held is a value that the file calls invalid; the device has a zero then.
        let words = words.unwrap_or_else(|_| vec![0; cell.layout.registers.into()]);
        for ((place, word), mask) in (u32::from(cell.need.start)..).zip(words).zip(cell.layout.mask()) {
            let held = place.checked_sub(read.start.into()).and_then(|offset| memory.get_mut(offset as usize));
            if let Some(held) = held {
                // Parts of one register are tags of their own: each sets what is its own.
                *held = Some(held.unwrap_or(0) & !mask | word & mask);
            }
        }
    }
    memory.into_iter().collect::<Option<_>>().ok_or(ExceptionCode::IllegalDataAddress)
}

impl Cell {
    /// The value at this age of the device. Its address sets its phase, so that no two move alike.
    fn value(&self, age: Duration) -> Value {
        let Layout { kind, part, names, .. } = &self.layout;
        match self.stands {
            Some(Means::Exponent) if kind.is_signed() || kind.is_float() => return Value::I64(-1),
            Some(_) => return Value::U64(1),
            None => {}
        }
        let phase = u64::from(self.need.start) + part.map_or(0, |part| u64::from(part.first));
        let seconds = age.as_secs_f64() + phase as f64;
        let wave = 60.0 + 20.0 * (TAU * seconds / 30.0).sin();
        let count = age.as_millis() as u64 / 100 + 7 * phase;
        if let Some(names) = names {
            let nth = count as usize / 20 % names.0.len().max(1);
            return names.0.values().nth(nth).map_or(Value::U64(0), |name| Value::Text(Arc::clone(name)));
        }
        if let Some(bits) = part.and_then(|part| part.count) {
            return Value::U64((count / 10) & (u64::MAX >> (64 - u32::from(bits).clamp(1, 64))));
        }
        match kind {
            Kind::F16 | Kind::F64 => Value::F64(wave),
            Kind::F32 => Value::F32(wave as f32),
            Kind::Bool | Kind::Bit => Value::Bool((count / 50).is_multiple_of(2)),
            Kind::U8 | Kind::I8 => Value::U64(count % 100),
            Kind::String => {
                let text = format!("{:04} SIMULATED", count / 10 % 10_000);
                Value::Text(text.get(..self.layout.room()).unwrap_or(&text).into())
            }
            Kind::Bytes => {
                let counter = count.to_be_bytes();
                Value::Bytes(counter.iter().rev().cycle().take(self.layout.room()).copied().collect())
            }
            _ => Value::U64(count % 1000),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Modbus;
    use super::super::config::Config;
    use super::super::endpoint::Endpoint;
    use super::super::peer::source;
    use super::*;
    use fieldflow_contract::{NodeSpec as _, Quality, Source as _};
    use serde_json::json;

    /// Runs the device while the test runs, and no longer.
    macro_rules! beside {
        ($device:ident, $test:expr) => {
            tokio::select! {
                ended = $device.serve() => panic!("the device ended: {ended:?}"),
                result = $test => result,
            }
        };
    }

    fn simulator(configs: &[serde_json::Value]) -> Simulator {
        let configs: Vec<Config> =
            configs.iter().map(|config| serde_json::from_value(config.clone()).unwrap()).collect();
        let settings = |config: &Config| super::super::settings(config, std::path::Path::new(".")).unwrap();
        let Some(Endpoint::Tcp(host)) = settings(&configs[0]).line.endpoints.pop() else { panic!("not tcp") };
        let mut device = Simulator::new(host, Quirks::new(Vec::new()).unwrap());
        for config in &configs {
            device.add(config.unit, settings(config).points);
        }
        device
    }

    #[tokio::test]
    async fn the_simulated_device_moves_every_tag_in_its_own_type_and_order() {
        let tags = json!({
            "f": { "at": "holding:0", "as": "f32", "order": "CDAB" }, "d": { "at": "input:0", "as": "f64", "order": "HGFEDCBA" },
            "i": { "at": "holding:2", "as": "i16", "order": "BA" }, "u": { "at": "holding:3", "as": "u64" },
            "t": { "at": "input:4", "as": "string", "length": 4 }, "c": { "at": "coil:3" }, "x": { "at": "discrete:0" },
            "b0": { "at": "holding:9.0" }, "b5": { "at": "holding:9.5" },
        });
        let mut device = simulator(&[json!({ "url": "tcp://127.0.0.1:0", "unit": 3, "tags": tags })]);
        device.bind().await.unwrap();
        let (mut source, _) = source(&device.address(), &tags, &json!({ "unit": 3 }));
        let first = beside!(device, async {
            source.connect().await.unwrap();
            source.read().await.unwrap().batch
        });
        assert_eq!(first.len(), 9);
        for record in first.records() {
            assert_eq!(record.quality, Quality::GOOD, "{record:?}");
            match (record.tag.name(), &record.value) {
                ("f" | "d", value) => assert!((40.0..=80.0).contains(&value.as_f64().unwrap()), "{record:?}"),
                ("i", Value::I64(value)) => assert!((0..1000).contains(value)),
                ("u", Value::U64(value)) => assert!(*value < 1000),
                ("t", Value::Text(text)) => assert!(text.ends_with(" SIM"), "{text}"),
                ("c" | "x" | "b0" | "b5", Value::Bool(_)) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn every_type_of_a_table_is_simulated_so_that_it_can_be_read() {
        let folder = tempfile::tempdir().unwrap();
        let length = |kind: Kind| if kind.registers().is_some() { "" } else { "3" };
        let row = |(n, (kind, word)): (usize, &(Kind, &str))| {
            let bit = if *kind == Kind::Bit { "3" } else { "" };
            format!("{word},holding:{},{word},{bit},{}\n", 10 * n, length(*kind))
        };
        let table: String = Kind::ALL.iter().enumerate().map(row).collect();
        std::fs::write(folder.path().join("map.csv"), format!("tag,at,as,bit,length\n{table}")).unwrap();
        let config = json!({ "url": "tcp://127.0.0.1:1502", "tags_from": "map.csv", "tags": {
            "state": { "at": "holding:900", "enum": { "3": "on", "7": "off" }, "bits": { "field": [4, 3] } },
            "scaled": { "at": "holding:901", "factor_from": { "at": "holding:902" } },
        } });
        let config: Config = serde_json::from_value(config).unwrap();
        let settings = super::super::settings(&config, folder.path()).unwrap();
        let Some(Endpoint::Tcp(host)) = settings.line.endpoints.into_iter().next() else { panic!("not tcp") };
        let mut device = Simulator::new(host, Quirks::new(Vec::new()).unwrap());
        device.add(1, settings.points.clone());
        assert_eq!(settings.points.len(), Kind::ALL.len() + 3);
        for (point, age) in settings.points.iter().zip((0..).map(Duration::from_secs)) {
            let words = words(&device.units[&1], point.need, age).unwrap();
            let (value, quality) = point.layout.decode(&words);
            assert_eq!(quality, Quality::GOOD, "{}: {value:?}", point.name);
        }
        let factor = Need { table: Table::Holding, start: 902, count: 1 };
        assert_eq!(words(&device.units[&1], factor, Duration::ZERO), Ok(vec![0xFFFF]), "an exponent of -1");
    }

    #[tokio::test]
    async fn the_simulated_device_refuses_holes_writes_and_strange_units_and_hangs_up_when_dropped() {
        use tokio_modbus::ExceptionCode;
        use tokio_modbus::client::{Reader as _, Writer as _, tcp};
        use tokio_modbus::prelude::{Slave, SlaveContext as _};

        let config = json!({ "url": "tcp://127.0.0.1:0", "tags": { "a": { "at": "holding:7" } } });
        let mut device = simulator(&[config]);
        device.bind().await.unwrap();
        let address = ([127, 0, 0, 1], device.port().unwrap()).into();
        let mut client = beside!(device, async {
            let mut client = tcp::connect_slave(address, Slave(1)).await.unwrap();
            assert_eq!(client.read_holding_registers(7, 1).await.unwrap().map(|words| words.len()), Ok(1));
            assert_eq!(client.read_holding_registers(7, 2).await.unwrap(), Err(ExceptionCode::IllegalDataAddress));
            assert_eq!(client.read_holding_registers(7, 126).await.unwrap(), Err(ExceptionCode::IllegalDataValue));
            assert_eq!(client.read_holding_registers(7, 0).await.unwrap(), Err(ExceptionCode::IllegalDataValue));
            assert_eq!(client.read_input_registers(7, 1).await.unwrap(), Err(ExceptionCode::IllegalDataAddress));
            assert_eq!(client.write_single_register(7, 1).await.unwrap(), Err(ExceptionCode::IllegalFunction));
            client.set_slave(Slave(2));
            assert_eq!(client.read_holding_registers(7, 1).await.unwrap(), Err(ExceptionCode::GatewayTargetDevice));
            client
        });
        assert!(client.read_holding_registers(7, 1).await.is_err(), "nobody serves any more");
    }

    #[test]
    fn bits_of_one_register_are_set_beside_each_other() {
        let tags = json!({ "b0": { "at": "holding:9.0" }, "b5": { "at": "holding:9.5" } });
        let mut device = simulator(&[json!({ "url": "tcp://127.0.0.1:0", "tags": tags })]);
        let cells = device.units.remove(&1).unwrap();
        let read = Need { table: Table::Holding, start: 9, count: 1 };
        assert_eq!(words(&cells, read, Duration::from_secs(4)), Ok(vec![0b10_0001]), "both on");
        assert_eq!(words(&cells, read, Duration::from_secs(9)), Ok(vec![0]), "both off");
    }

    #[test]
    fn one_device_is_simulated_for_each_address() {
        let config = |url: &str, unit: u8| {
            let config = json!({ "url": url, "unit": unit, "tags": { "a": { "at": "holding:0" } } });
            (serde_json::from_value(config).unwrap(), ".".into())
        };
        let configs =
            [config("tcp://127.0.0.1:1502", 1), config("tcp://127.0.0.1:1503", 1), config("tcp://127.0.0.1:1502", 2)];
        let devices = Modbus::simulate(&configs, &[]).unwrap();
        let addresses: Vec<String> = devices.iter().map(|device| device.address()).collect();
        assert_eq!(addresses, ["tcp://127.0.0.1:1502", "tcp://127.0.0.1:1503"]);
    }
}
