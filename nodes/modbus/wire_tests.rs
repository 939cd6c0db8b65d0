//! Whole connections to a device that lies: thousands of damaged answers, and what is made of them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use fieldflow_contract::Tally;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::super::address::Table;
use super::super::frame::mbap;
use super::super::plan::Need;
use super::*;

const WORDS: [u16; 3] = [0x1111, 0x2222, 0x3333];

/// What is done to an answer on its way.
#[derive(Debug, Clone)]
enum Harm {
    Flip { at: usize, to: u8 },
    Cut(usize),
    Add(Vec<u8>),
    Double,
    Before(Vec<u8>),
    Split(usize),
}

fn harm() -> impl Strategy<Value = Harm> {
    prop_oneof![
        (0_usize..20, any::<u8>()).prop_map(|(at, to)| Harm::Flip { at, to }),
        (0_usize..20).prop_map(Harm::Cut),
        prop::collection::vec(any::<u8>(), 1..20).prop_map(Harm::Add),
        Just(Harm::Double),
        prop::collection::vec(any::<u8>(), 1..20).prop_map(Harm::Before),
        (0_usize..20).prop_map(Harm::Split),
    ]
}

/// One exchange in which the answer comes harmed; the verdict, and what was counted.
async fn exchange(framing: Framing, harms: &[Harm]) -> (Result<Reply, Failure>, BTreeMap<&'static str, u64>, bool) {
    let (ours, mut theirs) = tokio::io::duplex(4096);
    let mut wire = Wire::new(Box::new(ours), framing, Arc::default());
    let pdu = [&[3, 6][..], &WORDS.map(u16::to_be_bytes).concat()].concat();
    let whole = if framing == Framing::Mbap { mbap::encode(7, 1, &pdu) } else { rtu::encode(1, &pdu) };
    let mut bytes = whole.clone();
    let mut pause = None;
    for harm in harms {
        match harm.clone() {
            Harm::Flip { at, to } if !bytes.is_empty() => {
                let at = at % bytes.len();
                bytes[at] = to;
            }
            Harm::Flip { .. } => {}
            Harm::Cut(to) => bytes.truncate(to),
            Harm::Add(more) => bytes.extend(more),
            Harm::Double => bytes = bytes.repeat(2),
            Harm::Before(more) => bytes = [more, bytes].concat(),
            Harm::Split(at) => pause = Some(at),
        }
    }
    let is_whole = bytes.starts_with(&whole);
    let device = async {
        let mut request = vec![0; if framing == Framing::Mbap { 12 } else { 8 }];
        theirs.read_exact(&mut request).await.unwrap();
        let (first, rest) = bytes.split_at(pause.unwrap_or(0).min(bytes.len()));
        theirs.write_all(first).await.unwrap();
        tokio::time::sleep(Duration::from_millis(1)).await;
        theirs.write_all(rest).await.unwrap();
    };
    let tally = Tally::default();
    let request = Request::Read(Need { table: Table::Holding, start: 0, count: 3 });
    let ask = wire.exchange((7, 1), &request, Duration::from_millis(50), |_| false, &tally);
    let (result, ()) = tokio::join!(ask, device);
    (result, tally.snapshot(), is_whole)
}

#[test]
fn twenty_thousand_harmed_answers_give_no_panic_and_no_value_that_was_not_sent() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    for framing in [Framing::Mbap, Framing::Rtu(Duration::from_millis(100))] {
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
        let config = Config { cases: 10_000, failure_persistence: None, ..Config::default() };
        let mut causes: BTreeMap<&str, usize> = BTreeMap::new();
        let counted = std::cell::RefCell::new(&mut causes);
        TestRunner::new_with_rng(config, rng)
            .run(&prop::collection::vec(harm(), 1..4), |harms| {
                let (result, tally, is_whole) = runtime.block_on(exchange(framing, &harms));
                let word = match result {
                    Ok(Reply::Words(words)) => {
                        // TCP has no check sum: what was harmed inside of the values alone cannot be known.
                        let is_flipped = harms.iter().any(|harm| matches!(harm, Harm::Flip { .. } | Harm::Cut(_)));
                        prop_assert!(words == WORDS || framing == Framing::Mbap && is_flipped, "{words:?}");
                        "value"
                    }
                    // The first byte after the function of an exception is its code, whatever it is.
                    Ok(Reply::Exception(_)) => "exception",
                    Ok(other) => return Err(TestCaseError::fail(format!("{other:?}"))),
                    Err(Failure::Mismatch(fault)) => fault.word(),
                    Err(Failure::Timeout) => "timeout",
                    Err(Failure::Closed(_) | Failure::Ended) => "closed",
                };
                prop_assert!(!is_whole || word == "value", "a good answer was not taken: {word}");
                prop_assert!(tally.keys().all(|word| *word == "late"));
                *counted.borrow_mut().entry(word).or_default() += 1;
                Ok(())
            })
            .unwrap();
        let wanted: &[&str] = match framing {
            Framing::Mbap => {
                &["value", "timeout", "transaction", "unit", "function", "byte_count", "protocol", "length"]
            }
            Framing::Rtu(_) => &["value", "timeout", "crc", "unit", "function"],
        };
        assert!(wanted.iter().all(|word| causes.contains_key(word)), "{causes:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_takes_only_half_a_request_is_given_up() {
    let (ours, theirs) = tokio::io::duplex(5);
    let mut wire = Wire::new(Box::new(ours), Framing::Mbap, Arc::default());
    let request = Request::Read(Need { table: Table::Holding, start: 0, count: 3 });
    let asked = wire.exchange((7, 1), &request, Duration::from_millis(50), |_| false, &Tally::default()).await;
    assert!(matches!(asked, Err(Failure::Closed(Some(error))) if error.kind() == io::ErrorKind::TimedOut));
    drop(theirs);
}

#[tokio::test]
async fn no_transaction_can_be_taken_for_a_heartbeat() {
    let (ours, _theirs) = tokio::io::duplex(5);
    let wire = Wire::new(Box::new(ours), Framing::Mbap, Arc::from([0xFE].as_slice()));
    assert_eq!(wire.transaction(0xFDFF), 0xFF00);
    assert_eq!(wire.transaction(0xFFFF), 0);
}
