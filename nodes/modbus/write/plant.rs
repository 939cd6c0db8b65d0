//! For tests: a device with a memory, and a sink that writes to it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fieldflow_contract::{
    Audit, Batch, BuildContext, Entry, NodeError, Record, Sink as _, Tag, Tally, Timestamp, Value,
};
use serde_json::{Value as Json, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::sync::mpsc::Receiver;
use tokio::time::{Instant, sleep};

use super::writer::Writer;
use super::{Config, settings};
use crate::follower::Follower;
use crate::modbus::address::Table;
use crate::modbus::peer::{Asked, Do};

/// What a device holds.
pub(super) type Memory = Mutex<BTreeMap<(Table, u16), u16>>;

/// Serves the memory to each connection in turn, or does what the script has for a request.
pub(super) async fn plant(
    mut connections: Receiver<DuplexStream>,
    memory: &Memory,
    mut script: impl FnMut(Asked) -> Do,
) {
    while let Some(mut line) = connections.recv().await {
        while let Some((asked, pdu)) = request(&mut line).await {
            let bytes = match script(asked) {
                Do::Nothing => continue,
                Do::HangUp => break,
                Do::Refuse(code) => asked.exception(code),
                Do::Send(bytes) => bytes,
                Do::Answer => answer(asked, &pdu, memory),
                Do::Late(ms) => {
                    sleep(Duration::from_millis(ms)).await;
                    answer(asked, &pdu, memory)
                }
            };
            if line.write_all(&bytes).await.is_err() {
                break;
            }
        }
    }
}

/// The next request, and what follows its function.
pub(super) async fn request(line: &mut DuplexStream) -> Option<(Asked, Vec<u8>)> {
    let mut head = [0; 8];
    line.read_exact(&mut head).await.ok()?;
    let mut pdu = vec![0; usize::from(head[5]) - 2];
    line.read_exact(&mut pdu).await.ok()?;
    let word = |bytes: &[u8]| u16::from_be_bytes([bytes[0], bytes[1]]);
    let asked =
        Asked { transaction: word(&head), unit: head[6], function: head[7], start: word(&pdu), count: word(&pdu[2..]) };
    Some((asked, pdu))
}

pub(super) fn answer(asked: Asked, pdu: &[u8], memory: &Memory) -> Vec<u8> {
    let mut memory = memory.lock().unwrap();
    let words: Vec<u16> = pdu.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect();
    let table = if matches!(asked.function, 1 | 5 | 15) { Table::Coil } else { Table::Holding };
    let mut put = |at: u16, word: u16| memory.insert((table, at), word);
    match asked.function {
        1 | 3 => {
            let held: Vec<u16> =
                (0..asked.count).map(|n| memory.get(&(table, asked.start + n)).copied().unwrap_or(0)).collect();
            return if asked.function == 3 { asked.registers(&held) } else { asked.frame(1, &[1, held[0] as u8]) };
        }
        5 => _ = put(asked.start, u16::from(asked.count == 0xFF00)),
        6 => _ = put(asked.start, asked.count),
        15 => (0..asked.count)
            .for_each(|n| _ = put(asked.start + n, u16::from(pdu[5 + usize::from(n) / 8] >> (n % 8) & 1))),
        16 => pdu[5..].chunks_exact(2).zip(asked.start..).for_each(|(pair, at)| {
            put(at, u16::from_be_bytes([pair[0], pair[1]]));
        }),
        22 => {
            let held = memory.get(&(table, asked.start)).copied().unwrap_or(0);
            memory.insert((table, asked.start), held & words[1] | words[2] & !words[1]);
        }
        other => panic!("function {other}"),
    }
    asked.frame(asked.function, if asked.function == 22 { pdu } else { &pdu[..4] })
}

pub(super) struct Rig {
    pub(super) writer: Writer,
    pub(super) audit: Audit,
    pub(super) tally: Tally,
    began: Instant,
}

/// A writer to these tags, with other options beside them.
pub(super) fn rig(url: &str, tags: &Json, options: &Json) -> Rig {
    let mut all = json!({ "url": url, "timeout": "200ms", "rate": 1000, "tags": tags });
    all.as_object_mut().unwrap().extend(options.as_object().unwrap().clone());
    let config: Config = serde_json::from_value(all).unwrap();
    let context = BuildContext::alone("commands", Path::new("."), Arc::new(Follower::from(Timestamp(0))));
    let writer = Writer::new(&config, settings(&config).unwrap(), &context).unwrap();
    Rig { writer, audit: context.audit, tally: context.tally, began: Instant::now() }
}

impl Rig {
    /// Gives these commands as one batch, all of this moment; the reasons of what was refused.
    pub(super) async fn give(&mut self, commands: &[(&str, Value)]) -> Vec<String> {
        let batch = self.batch(commands);
        self.write(&batch).await
    }

    pub(super) async fn write(&mut self, batch: &Batch) -> Vec<String> {
        match self.writer.write(std::slice::from_ref(batch), &[]).await {
            Ok(()) => Vec::new(),
            Err(NodeError::RejectedPart(part, cause)) => {
                let reasons: Vec<String> = cause.message.split("; ").map(str::to_owned).collect();
                assert!(part.len() <= batch.len() && !reasons.is_empty());
                [
                    part.records().iter().map(|record| record.tag.to_string()).collect::<Vec<_>>().join(","),
                    cause.message,
                ]
                .to_vec()
            }
            Err(other) => vec![format!("{other:?}")],
        }
    }

    fn now(&self) -> Timestamp {
        Timestamp(0) + self.began.elapsed()
    }

    pub(super) fn batch(&self, commands: &[(&str, Value)]) -> Batch {
        let record = |(tag, value): &(&str, Value)| Record::good(Tag::new(tag).unwrap(), self.now(), value.clone());
        Batch::new(commands.iter().map(record).collect(), self.now()).unwrap()
    }

    /// What was noted since the last look: `tag address value raw outcome`.
    pub(super) fn noted(&self) -> Vec<String> {
        self.entries()
            .iter()
            .map(|Entry { tag, address, value, raw, outcome, .. }| format!("{tag} {address} {value} {raw} {outcome}"))
            .collect()
    }

    pub(super) fn entries(&self) -> Vec<Entry> {
        self.audit.take_new()
    }
}
