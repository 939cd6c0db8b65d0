//! The device that `simulate` serves: every tag of the file moves, nothing else is there.
//!
//! Values are a function of the time since it was bound, so that what two readers see at one moment agrees. Floats are slow
//! sines, integers count up, booleans toggle, strings carry a counter. A register that no tag names is a hole, and answered
//! with an exception, as devices do.

use std::collections::BTreeMap;
use std::f64::consts::TAU;
use std::future::{Ready, ready};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use fieldflow_contract::{BoxFuture, Device, Value};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;
use tokio_modbus::server::Service;
use tokio_modbus::server::tcp::Server;
use tokio_modbus::{ExceptionCode, Request, Response, SlaveRequest};

use super::address::Table;
use super::codec::Kind;
use super::endpoint::Endpoint;
use super::plan::Need;
use super::tags::Point;

/// A device at one address, with the units and the tags that the file names there.
pub(super) struct Simulator {
    endpoint: Endpoint,
    units: BTreeMap<u8, Vec<Point>>,
    bound: Option<Bound>,
}

struct Bound {
    server: Server,
    memory: Arc<Memory>,
    /// Where it really listens; differs from the endpoint for port 0.
    address: SocketAddr,
}

impl Simulator {
    /// A device without any unit yet.
    pub(super) fn new(endpoint: Endpoint) -> Self {
        Self { endpoint, units: BTreeMap::new(), bound: None }
    }

    /// Adds tags to a unit.
    pub(super) fn add(&mut self, unit: u8, points: Vec<Point>) {
        self.units.entry(unit).or_default().extend(points);
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
            None => self.endpoint.to_string(),
        }
    }

    fn bind(&mut self) -> BoxFuture<'_, io::Result<()>> {
        Box::pin(async {
            let listener = TcpListener::bind((self.endpoint.host.as_str(), self.endpoint.port)).await?;
            let address = listener.local_addr()?;
            let memory = Arc::new(Memory { units: std::mem::take(&mut self.units), born: Instant::now() });
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
            let connected = |stream: TcpStream, _| async move {
                // An error here would end the whole server, and without it an answer is only a little later.
                let _ = stream.set_nodelay(true);
                Ok(Some((Arc::clone(memory), stream)))
            };
            // The server's tasks, one a connection, end when this future is dropped. A client that breaks off is no news.
            server.serve(&connected, |_| {}).await
        })
    }
}

/// All values of the device.
struct Memory {
    units: BTreeMap<u8, Vec<Point>>,
    born: Instant,
}

impl Service for Memory {
    type Request = SlaveRequest<'static>;
    type Response = Response;
    type Exception = ExceptionCode;
    type Future = Ready<Result<Response, ExceptionCode>>;

    fn call(&self, request: Self::Request) -> Self::Future {
        ready(self.answer(&request, self.born.elapsed()))
    }
}

impl Memory {
    fn answer(&self, request: &SlaveRequest<'_>, age: Duration) -> Result<Response, ExceptionCode> {
        let points = self.units.get(&request.slave).ok_or(ExceptionCode::GatewayTargetDevice)?;
        let read = |table, start, count| words(points, Need { table, start, count }, age);
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

/// What lies in this stretch of a table; a bit is a word that is 0 or 1.
fn words(points: &[Point], read: Need, age: Duration) -> Result<Vec<u16>, ExceptionCode> {
    let most = if read.table.is_bits() { 2000 } else { 125 };
    if !(1..=most).contains(&read.count) {
        return Err(ExceptionCode::IllegalDataValue);
    }
    let mut memory: Vec<Option<u16>> = vec![None; read.count.into()];
    for point in points.iter().filter(|point| point.need.table == read.table) {
        let words = point.layout.encode(&moving(point, age));
        for (place, word) in (u32::from(point.need.start)..).zip(words) {
            let cell = place.checked_sub(read.start.into()).and_then(|offset| memory.get_mut(offset as usize));
            if let Some(cell) = cell {
                // Bits of one register are tags of their own: each adds to what the others set.
                *cell = Some(if point.layout.kind == Kind::Bit { cell.unwrap_or(0) | word } else { word });
            }
        }
    }
    memory.into_iter().collect::<Option<_>>().ok_or(ExceptionCode::IllegalDataAddress)
}

/// The value of a tag at this age of the device. Its address sets its phase, so that no two tags move alike.
fn moving(point: &Point, age: Duration) -> Value {
    let phase = u64::from(point.need.start) + u64::from(point.layout.bit);
    let seconds = age.as_secs_f64() + phase as f64;
    let wave = 60.0 + 20.0 * (TAU * seconds / 30.0).sin();
    let count = age.as_millis() as u64 / 100 + 7 * phase;
    match point.layout.kind {
        Kind::F32 => Value::F32(wave as f32),
        Kind::F64 => Value::F64(wave),
        Kind::I16 | Kind::I32 | Kind::I64 => Value::I64((count % 1000) as i64),
        Kind::U16 | Kind::U32 | Kind::U64 => Value::U64(count % 1000),
        Kind::Bool | Kind::Bit => Value::Bool((count / 50).is_multiple_of(2)),
        Kind::String => Value::Text(format!("{:04} SIMULATED", count / 10 % 10_000).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Modbus;
    use super::super::config::Config;
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
        let settings = |config: &Config| super::super::settings(config).unwrap();
        let mut device = Simulator::new(settings(&configs[0]).endpoint);
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
        let points = device.units.remove(&1).unwrap();
        let read = Need { table: Table::Holding, start: 9, count: 1 };
        assert_eq!(words(&points, read, Duration::from_secs(4)), Ok(vec![0b10_0001]), "both on");
        assert_eq!(words(&points, read, Duration::from_secs(9)), Ok(vec![0]), "both off");
    }

    #[test]
    fn one_device_is_simulated_for_each_address() {
        let config = |url: &str, unit: u8| {
            serde_json::from_value(json!({ "url": url, "unit": unit, "tags": { "a": { "at": "holding:0" } } })).unwrap()
        };
        let configs =
            [config("tcp://127.0.0.1:1502", 1), config("tcp://127.0.0.1:1503", 1), config("tcp://127.0.0.1:1502", 2)];
        let devices = Modbus::simulate(&configs).unwrap();
        let addresses: Vec<String> = devices.iter().map(|device| device.address()).collect();
        assert_eq!(addresses, ["tcp://127.0.0.1:1502", "tcp://127.0.0.1:1503"]);
    }
}
