//! The device that `simulate` serves: every tag of the file moves, nothing else is there.
//!
//! Values are a function of the time since it was bound, so that what two readers see at one moment agrees. Floats are slow
//! sines, integers count up, booleans toggle, texts carry a counter, enumerations go through their words, and a factor stands
//! still. A register that no tag names is a hole, and answered with an exception, as devices do.
//!
//! Whatever is written to a coil or a holding register is taken, stays, and can be read.

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
            let memory = Arc::new(Memory { units, quirks, written: Mutex::default(), born: Instant::now() });
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
    /// What was written, by unit and place.
    written: Mutex<Written>,
    born: Instant,
}

type Written = BTreeMap<(u8, Table, u16), u16>;

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
        let unit = request.slave;
        let read = |table, start, count| self.read(unit, cells, Need { table, start, count }, age);
        let bits = |words: Vec<u16>| words.into_iter().map(|word| word != 0).collect();
        let write = |table, start, words: &[u16]| self.write((unit, table, start), words);
        let words_of = |bits: &[bool]| bits.iter().map(|bit| u16::from(*bit)).collect::<Vec<_>>();
        match &request.request {
            Request::WriteSingleCoil(at, on) => {
                write(Table::Coil, *at, &[u16::from(*on)]).map(|_| Response::WriteSingleCoil(*at, *on))
            }
            Request::WriteMultipleCoils(at, bits) => {
                write(Table::Coil, *at, &words_of(bits)).map(|count| Response::WriteMultipleCoils(*at, count))
            }
            Request::WriteSingleRegister(at, word) => {
                write(Table::Holding, *at, &[*word]).map(|_| Response::WriteSingleRegister(*at, *word))
            }
            Request::WriteMultipleRegisters(at, words) => {
                write(Table::Holding, *at, words).map(|count| Response::WriteMultipleRegisters(*at, count))
            }
            Request::MaskWriteRegister(at, and, or) => {
                // A register that no tag names has nothing in it before.
                let held = read(Table::Holding, *at, 1).ok().and_then(|words| words.first().copied()).unwrap_or(0);
                write(Table::Holding, *at, &[held & and | or & !and])
                    .map(|_| Response::MaskWriteRegister(*at, *and, *or))
            }
            &Request::ReadCoils(start, count) => {
                read(Table::Coil, start, count).map(|words| Response::ReadCoils(bits(words)))
            }
            &Request::ReadDiscreteInputs(start, count) => {
                read(Table::Discrete, start, count).map(|words| Response::ReadDiscreteInputs(bits(words)))
            }
            &Request::ReadInputRegisters(start, count) => {
                read(Table::Input, start, count).map(Response::ReadInputRegisters)
            }
            &Request::ReadHoldingRegisters(start, count) => {
                read(Table::Holding, start, count).map(Response::ReadHoldingRegisters)
            }
            _ => Err(ExceptionCode::IllegalFunction),
        }
    }

    /// What the tags have there, or what was written there.
    fn read(&self, unit: u8, cells: &[Cell], read: Need, age: Duration) -> Result<Vec<u16>, ExceptionCode> {
        let mut places = words(cells, read, age)?;
        let written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        for (at, place) in (read.start..=u16::MAX).zip(&mut places) {
            *place = written.get(&(unit, read.table, at)).copied().or(*place);
        }
        places.into_iter().collect::<Option<_>>().ok_or(ExceptionCode::IllegalDataAddress)
    }

    /// Keeps what is written; tells how much that is.
    fn write(&self, (unit, table, start): (u8, Table, u16), words: &[u16]) -> Result<u16, ExceptionCode> {
        let count = u16::try_from(words.len()).map_err(|_| ExceptionCode::IllegalDataValue)?;
        if 65_536 < (Need { table, start, count }).end() {
            return Err(ExceptionCode::IllegalDataAddress);
        }
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        written.extend((start..=u16::MAX).zip(words).map(|(at, word)| ((unit, table, at), *word)));
        Ok(count)
    }
}

/// What lies in this stretch of a table, nothing in a hole; a bit is a word that is 0 or 1. `cells` are sorted by table and
/// address.
fn words(cells: &[Cell], read: Need, age: Duration) -> Result<Vec<Option<u16>>, ExceptionCode> {
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
    Ok(memory)
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
#[path = "simulator_tests.rs"]
mod tests;
