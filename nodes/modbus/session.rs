//! One connection to one device: a request, its answer, and nothing that could be another one's answer.
//!
//! Invariant: the connection is here only between requests. It is taken out for each and put back after a whole and fitting
//! answer, so whatever goes wrong, a time-out or a caller who walks away among it, leaves no connection behind on which a late
//! answer could arrive.

use std::io;
use std::time::Duration;

use fieldflow_contract::{Cause, NodeError, Quality, Tally};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_modbus::client::{Client as _, Context, tcp};
use tokio_modbus::{Error, ExceptionCode, ProtocolError, Request, Response, Slave};

use super::address::Table;
use super::endpoint::Endpoint;
use super::plan::Need;

/// What a device gave for one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// Coils or discrete inputs, as many as were asked for.
    Bits(Vec<bool>),
    /// Registers, as many as were asked for.
    Words(Vec<u16>),
    /// The device refused the request, with this code.
    Exception(u8),
}

/// One connection to one unit.
pub(super) struct Session {
    endpoint: Endpoint,
    unit: u8,
    timeout: Duration,
    tally: Tally,
    open: Option<Context>,
}

impl Session {
    /// A session that is not connected yet.
    pub(super) fn new(endpoint: Endpoint, unit: u8, timeout: Duration, tally: Tally) -> Self {
        Self { endpoint, unit, timeout, tally, open: None }
    }

    /// Opens a new connection in the place of whatever there was.
    pub(super) async fn connect(&mut self) -> Result<(), NodeError> {
        self.open = None;
        let Endpoint { host, port } = &self.endpoint;
        let stream = timeout(self.timeout, TcpStream::connect((host.as_str(), *port)))
            .await
            .map_err(|_| self.too_late("took no connection"))?
            .map_err(|error| self.no_connection(&error))?;
        // A request is one small packet; waiting for more to send with it would only add to the latency.
        stream.set_nodelay(true).map_err(|error| self.no_connection(&error))?;
        self.open = Some(tcp::attach_slave(stream, Slave(self.unit)));
        Ok(())
    }

    /// Closes the connection.
    pub(super) fn close(&mut self) {
        self.open = None;
    }

    /// Asks for registers or bits and waits for the answer to just this.
    pub(super) async fn read(&mut self, need: Need) -> Result<Answer, NodeError> {
        let Some(mut connection) = self.open.take() else {
            let message = format!("the connection to {} was given up in the middle of a request", self.endpoint);
            return Err(NodeError::Disconnected(Cause::new(message).with_quality(Quality::BAD_NOT_CONNECTED)));
        };
        let Need { table, start, count } = need;
        let request = match table {
            Table::Coil => Request::ReadCoils(start, count),
            Table::Discrete => Request::ReadDiscreteInputs(start, count),
            Table::Input => Request::ReadInputRegisters(start, count),
            Table::Holding => Request::ReadHoldingRegisters(start, count),
        };
        // Not the crate's `Reader`: its methods assert on the length of the answer, which is the device's to say.
        let answer = match timeout(self.timeout, connection.call(request)).await {
            Err(_) => return Err(self.too_late(&format!("gave no answer for {table}:{start}"))),
            Ok(Err(error)) => return Err(self.broken(&error)),
            Ok(Ok(Err(exception))) => Answer::Exception(code(exception)),
            Ok(Ok(Ok(response))) => fitting(response, need).ok_or_else(|| {
                self.mismatch(&format!("the answer for {table}:{start} has not the {count} values asked for"))
            })?,
        };
        self.open = Some(connection);
        Ok(answer)
    }

    fn too_late(&self, what: &str) -> NodeError {
        self.tally.add("timeout", 1);
        let message = format!("{} {what} within {:?}", self.endpoint, self.timeout);
        NodeError::Disconnected(Cause::new(message).with_quality(Quality::BAD_TIMEOUT))
    }

    fn no_connection(&self, error: &io::Error) -> NodeError {
        let message = match error.kind() {
            io::ErrorKind::ConnectionRefused => {
                format!("{} refused the connection: nothing listens there, or it takes no more clients", self.endpoint)
            }
            _ => format!("{} cannot be reached: {error}", self.endpoint),
        };
        NodeError::Disconnected(Cause::new(message).with_quality(Quality::BAD_NOT_CONNECTED))
    }

    /// The connection is not to be trusted any more, whatever the error is.
    fn broken(&self, error: &Error) -> NodeError {
        match error {
            Error::Protocol(ProtocolError::HeaderMismatch { message, .. }) => {
                self.mismatch(&format!("an answer of another transaction or unit came ({message})"))
            }
            Error::Protocol(ProtocolError::FunctionCodeMismatch { request, .. }) => {
                self.mismatch(&format!("an answer of another function than {request} came"))
            }
            // What cannot be decoded has these kinds. At the end of the stream the crate reports whatever error the
            // system had last, so no other kind means anything.
            Error::Transport(error)
                if error.raw_os_error().is_none()
                    && matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof) =>
            {
                self.mismatch(&format!("what came is no Modbus answer ({error})"))
            }
            Error::Transport(_) => {
                let message = format!("{} closed the connection", self.endpoint);
                NodeError::Disconnected(Cause::new(message).with_quality(Quality::BAD_NOT_CONNECTED))
            }
        }
    }

    fn mismatch(&self, what: &str) -> NodeError {
        self.tally.add("mismatch", 1);
        let message =
            format!("{}: {what}; the connection was closed, so that it is not taken for another one", self.endpoint);
        NodeError::Disconnected(Cause::new(message).with_quality(Quality::BAD_COMMUNICATION))
    }
}

/// The values of a response, if they are of the table and as many as were asked for.
fn fitting(response: Response, need: Need) -> Option<Answer> {
    let count = usize::from(need.count);
    match (need.table, response) {
        (Table::Coil, Response::ReadCoils(mut bits)) | (Table::Discrete, Response::ReadDiscreteInputs(mut bits))
            if bits.len() == count.next_multiple_of(8) =>
        {
            // The last byte is filled up with bits that mean nothing.
            bits.truncate(count);
            Some(Answer::Bits(bits))
        }
        (Table::Input, Response::ReadInputRegisters(words))
        | (Table::Holding, Response::ReadHoldingRegisters(words))
            if words.len() == count =>
        {
            Some(Answer::Words(words))
        }
        _ => None,
    }
}

fn code(exception: ExceptionCode) -> u8 {
    exception.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_as_many_values_of_the_same_table_are_an_answer() {
        let bits = |count| vec![true; count];
        let coils = |count| Need { table: Table::Coil, start: 0, count };
        assert_eq!(fitting(Response::ReadCoils(bits(8)), coils(3)), Some(Answer::Bits(bits(3))));
        assert_eq!(fitting(Response::ReadCoils(bits(16)), coils(9)), Some(Answer::Bits(bits(9))));
        assert_eq!(fitting(Response::ReadCoils(bits(16)), coils(8)), None);
        assert_eq!(fitting(Response::ReadCoils(bits(8)), coils(9)), None);
        assert_eq!(fitting(Response::ReadDiscreteInputs(bits(8)), coils(3)), None);
        let inputs = Need { table: Table::Input, start: 0, count: 2 };
        assert_eq!(fitting(Response::ReadInputRegisters(vec![1, 2]), inputs), Some(Answer::Words(vec![1, 2])));
        assert_eq!(fitting(Response::ReadInputRegisters(vec![1]), inputs), None);
        assert_eq!(fitting(Response::ReadHoldingRegisters(vec![1, 2]), inputs), None);
    }
}
