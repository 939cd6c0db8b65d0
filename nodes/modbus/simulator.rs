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
use super::config::Point;
use super::endpoint::Endpoint;
use super::plan::Need;

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
                stream.set_nodelay(true)?;
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
