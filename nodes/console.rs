//! `console`: JSON lines on standard output.

use std::io::{self, ErrorKind, Stdout, Write};
use std::path::Path;

use fieldflow_contract::{
    Batch, BuildContext, BuildError, Carries, Cause, Facts, Keeps, Node, NodeError, NodeSpec, Ports, Position, Role,
    Sink, write_json_line,
};
use fieldflow_storage::Worker;
use schemars::JsonSchema;
use serde::Deserialize;

/// `type: console`
pub(crate) struct Console;

/// Prints every record as one line of JSON on standard output.
///
/// `{"t":"2026-01-01T00:00:00.000000Z","tag":"boiler.temperature","value":78.4}`: `t` is the time in UTC; `quality` is left
/// out when good, else it is `uncertain`, `bad` or `bad:timeout`. Bytes are `{"hex":"0103"}`; floats that are no number are
/// the texts `NaN`, `Infinity` and `-Infinity`.
///
/// A record is acknowledged when it was handed to the operating system. A pipe that nobody reads holds up what is wired to
/// this node; a pipe that was closed stops the pipeline.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {}

impl NodeSpec for Console {
    const TYPE: &'static str = "console";
    const ROLE: Role = Role::Sink;
    const EXAMPLE: &'static str = "";
    type Config = Config;

    fn ports(_: &Config) -> Ports {
        Ports::sink(Carries::Any)
    }

    fn facts(_: &Config, _: &Path) -> Facts {
        Facts { keeps: Keeps::Unconfirmed, ..Facts::default() }
    }

    fn build(_: Config, context: &BuildContext) -> Result<Node, BuildError> {
        Ok(Node::sink(Printer { thread: format!("console-{}", context.node), worker: None }))
    }
}

/// Prints by a thread of its own, because a pipe that nobody reads blocks.
struct Printer {
    thread: String,
    worker: Option<Worker<Stdout>>,
}

impl Sink for Printer {
    async fn connect(&mut self) -> Result<(), NodeError> {
        if self.worker.is_none() {
            let worker = Worker::start(&self.thread, io::stdout())
                .map_err(|error| NodeError::Disconnected(Cause::new(format!("cannot start a thread: {error}"))))?;
            self.worker = Some(worker);
        }
        Ok(())
    }

    async fn write(&mut self, batches: &[Batch], _: &[Position]) -> Result<(), NodeError> {
        let Some(worker) = &mut self.worker else {
            return Err(NodeError::Disconnected(Cause::new("standard output is not open")));
        };
        let batches = batches.to_vec();
        worker.call(move |out| print(&batches, out)).await
    }

    async fn close(&mut self) {
        if let Some(worker) = self.worker.take() {
            worker.finish(|_| ()).await;
        }
    }
}

/// One write for all lines, so that lines of several nodes do not mix.
fn print(batches: &[Batch], out: &mut impl Write) -> Result<(), NodeError> {
    let mut text = String::new();
    for record in batches.iter().flat_map(Batch::records) {
        write_json_line(record, &mut text);
        text.push('\n');
    }
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|error| match error.kind() {
        ErrorKind::BrokenPipe => NodeError::Broken(Cause::new("stdout was closed by the program that read it")),
        _ => NodeError::Disconnected(Cause::new(format!("cannot write to stdout: {error}"))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use fieldflow_contract::{NodeKind, Quality, Record, SystemClock, Tag, Timestamp, Value};
    use std::sync::Arc;

    /// Counts what reaches it, or fails.
    #[derive(Default)]
    struct Probe {
        text: Vec<u8>,
        writes: usize,
        flushes: usize,
        fails: Option<ErrorKind>,
    }

    impl Write for Probe {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.writes += 1;
            self.text.extend_from_slice(bytes);
            self.fails.map_or(Ok(bytes.len()), |kind| Err(kind.into()))
        }

        fn flush(&mut self) -> io::Result<()> {
            self.flushes += 1;
            Ok(())
        }
    }

    fn batches() -> Vec<Batch> {
        let tag = Tag::new("console.test").unwrap();
        vec![
            Batch::one(Record::good(tag, Timestamp(0), Value::F32(78.4)), Timestamp(0)),
            Batch::one(Record::bad(tag, Timestamp(1), Quality::BAD_TIMEOUT), Timestamp(1)),
        ]
    }

    #[test]
    fn every_record_is_a_line_and_all_lines_are_one_write() {
        let mut out = Probe::default();
        print(&batches(), &mut out).unwrap();
        let expected = concat!(
            r#"{"t":"1970-01-01T00:00:00.000000Z","tag":"console.test","value":78.4}"#,
            "\n",
            r#"{"t":"1970-01-01T00:00:00.000001Z","tag":"console.test","value":null,"quality":"bad:timeout"}"#,
            "\n",
        );
        assert_eq!(String::from_utf8(out.text).unwrap(), expected);
        assert_eq!((out.writes, out.flushes), (1, 1));
    }

    #[test]
    fn a_closed_pipe_stops_the_pipeline_and_a_full_disk_does_not() {
        let fails = |kind| print(&batches(), &mut Probe { fails: Some(kind), ..Probe::default() }).unwrap_err();
        assert!(
            matches!(fails(ErrorKind::BrokenPipe), NodeError::Broken(cause) if cause.message.contains("stdout was closed"))
        );
        assert!(matches!(fails(ErrorKind::StorageFull), NodeError::Disconnected(_)));
    }

    #[tokio::test]
    async fn a_console_closes_even_if_it_was_never_opened() {
        let context = BuildContext::alone("out", std::path::Path::new(""), Arc::new(SystemClock));
        let Ok(Node::Sink(mut sink)) = Console.prepare(serde_json::json!({})).unwrap().build(&context) else {
            panic!("not a sink");
        };
        assert!(matches!(sink.write(&batches(), &[]).await, Err(NodeError::Disconnected(_))));
        sink.close().await;
    }
}
