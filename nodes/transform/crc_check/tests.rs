//! Tests of `crc_check`.

use fieldflow_contract::{Saved, Tag, Timestamp};
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::algorithm::CHECKED;
use super::catalogue::CATALOGUE;
use super::sums::Sum;
use super::*;
use crate::transform::kit::testing::build_with;

fn findings(options: Json) -> Vec<(String, String, String)> {
    let mut findings = Findings::default();
    CrcCheck::check(&serde_json::from_value(options).unwrap(), &mut findings);
    let told = findings.0.into_iter();
    told.map(|found| (found.at.to_string(), found.message, found.help.unwrap_or_default())).collect()
}

fn checker(options: Json) -> (Box<dyn Transform>, Tally) {
    assert_eq!(findings(options.clone()), [], "{options}");
    build_with(&CrcCheck, options, &Saved::default())
}

fn record(value: Value) -> Record {
    Record::good(Tag::new("crc_check.frame").unwrap(), Timestamp(0), value)
}

fn bytes(bytes: &[u8]) -> Value {
    Value::Bytes(bytes.into())
}

/// What passes of some values, and how many are refused.
fn run(transform: &mut dyn Transform, values: Vec<Value>) -> (Vec<Value>, usize) {
    let mut out = Outputs::default();
    let batch = Batch::new(values.into_iter().map(record).collect(), Timestamp(0)).unwrap();
    transform.apply(batch, &mut out).unwrap();
    let (mut kept, mut rejected) = (Vec::new(), 0);
    for emission in out.take_emissions() {
        match &*emission.port {
            "rejected" => rejected += emission.batch.len(),
            _ => kept.extend(emission.batch.into_records().into_iter().map(|record| record.value)),
        }
    }
    (kept, rejected)
}

/// Bit by bit, as the catalogue defines it.
fn naive(crc: &crc::Algorithm<u64>, bytes: &[u8]) -> u64 {
    let (top, mask) = (1_u128 << (crc.width - 1), (1_u128 << crc.width) - 1);
    let mirror = |value: u128, width: u8| (0..width).fold(0, |to, bit| to << 1 | (value >> bit & 1));
    let mut register = u128::from(crc.init);
    for byte in bytes {
        let byte = if crc.refin { byte.reverse_bits() } else { *byte };
        for bit in (0..8).rev() {
            let out = (register & top != 0) != (byte >> bit & 1 != 0);
            register = (register << 1 & mask) ^ if out { u128::from(crc.poly) } else { 0 };
        }
    }
    let register = if crc.refout { mirror(register, crc.width) } else { register };
    (register ^ u128::from(crc.xorout)) as u64
}

#[test]
fn every_algorithm_has_its_check_value() {
    for (name, crc) in CATALOGUE {
        let computed = Checksum::new(&Algorithm::Named(name.to_lowercase())).unwrap();
        assert_eq!(computed.of(CHECKED), crc.check, "{name}");
        assert_eq!(naive(crc, CHECKED), crc.check, "{name}, bit by bit");
        assert_eq!(computed.bytes() * 8, usize::from(crc.width), "{name}");
    }
    assert_eq!(CATALOGUE.len(), 79);
}

#[test]
fn the_parameters_of_every_algorithm_give_the_same_and_another_check_value_is_refused() {
    for (name, crc) in CATALOGUE {
        let with = |check: u64| {
            json!({ "algorithm": { "width": crc.width, "poly": crc.poly, "init": crc.init, "refin": crc.refin,
                "refout": crc.refout, "xorout": crc.xorout, "check": check } })
        };
        assert_eq!(findings(with(crc.check)), [], "{name}");
        let [(at, message, _)] = &findings(with(crc.check ^ 1))[..] else { panic!("{name}") };
        assert_eq!(at, "algorithm.check");
        for value in [crc.check, crc.check ^ 1] {
            assert!(message.contains(&catalogue::hex(value, crc.width)), "{message}");
        }
        assert!(message.contains(name), "{message}");
    }
}

#[test]
fn parameters_that_make_no_crc_are_told() {
    let with = |changes: Json| {
        let mut all = json!({ "width": 16, "poly": 0x1021, "init": 0, "refin": true, "refout": true, "xorout": 0 });
        all.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        findings(json!({ "algorithm": all }))
    };
    for (changes, at, said) in [
        (json!({ "width": 15 }), "algorithm.width", "whole bytes"),
        (json!({ "width": 0 }), "algorithm.width", "whole bytes"),
        (json!({ "width": 72 }), "algorithm.width", "whole bytes"),
        (json!({ "poly": 0 }), "algorithm.poly", "the same of every frame"),
        (json!({ "poly": 0x11021 }), "algorithm.poly", "its leading 1 is left out: 0x1021"),
        (json!({ "poly": 0x8408 }), "algorithm.poly", "0x8408 is the mirror image of 0x1021"),
        (json!({ "poly": 0xA001 }), "algorithm.poly", "write `poly: 0x8005`"),
        (json!({ "init": 0x10000 }), "algorithm.init", "more than 16 bits"),
        (json!({ "init": 0xFFFF, "check": 0x29B1 }), "algorithm.check", "CRC-16/IBM-3740 has that check value"),
    ] {
        let told = with(changes.clone());
        assert!(
            told.iter().any(|(place, message, help)| place == at && format!("{message} {help}").contains(said)),
            "{told:?}"
        );
    }
}

#[test]
fn a_place_that_no_frame_has_is_told() {
    let with = |more: Json| {
        let mut options = json!({ "algorithm": "CRC-16/MODBUS" });
        options.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        findings(options)
    };
    for (more, at, said) in [
        (json!({ "at": -1 }), "at", "`at: -2`"),
        (json!({ "over": [4, 4] }), "over", "covers no byte"),
        (json!({ "over": [-2, -4] }), "over", "covers no byte"),
        (json!({ "over": [0, -1] }), "over", "such as [0, -2]"),
        (json!({ "over": [0, 0] }), "over", "hold the check sum itself"),
        (json!({ "at": 4, "over": [0, 5] }), "over", "such as [0, 4]"),
        (json!({ "at": 4, "over": [5, 0] }), "over", "hold the check sum itself"),
        (json!({ "at": -3, "over": [-4, -1] }), "over", "hold the check sum itself"),
    ] {
        let told = with(more.clone());
        assert!(
            matches!(&told[..], [(place, message, help)] if place == at && format!("{message} {help}").contains(said)),
            "{more}: {told:?}"
        );
    }
    for fine in [
        json!({ "over": [6, -2] }),
        json!({ "at": 4, "over": [6, 0] }),
        json!({ "at": 4, "over": [0, 4] }),
        json!({ "at": -3, "over": [0, 40] }),
    ] {
        assert_eq!(with(fine.clone()), [], "{fine}");
    }
}

#[test]
fn a_check_sum_anywhere_is_found_and_cut_out() {
    for (options, frame, left) in [
        // The Modbus request of the specification.
        (json!({ "algorithm": "CRC-16/MODBUS" }), "010300000002c40b", "010300000002"),
        (json!({ "algorithm": "CRC-16/MODBUS", "endian": "big" }), "0103000000020bc4", "010300000002"),
        (json!({ "algorithm": "crc-16/modbus", "strip": false }), "010300000002c40b", "010300000002c40b"),
        (json!({ "algorithm": "CRC-16/MODBUS", "at": 0 }), "c40b010300000002", "010300000002"),
        (json!({ "algorithm": "CRC-16/MODBUS", "at": 6 }), "010300000002c40baa", "010300000002aa"),
        (json!({ "algorithm": "CRC-16/MODBUS", "over": [2, -2] }), "aabb010300000002c40b", "aabb010300000002"),
        (json!({ "algorithm": "CRC-16/MODBUS", "over": [-8, -2] }), "aabb010300000002c40b", "aabb010300000002"),
        // A meter's frame: sum, then its end byte.
        (json!({ "algorithm": "sum8", "at": -2 }), "6801026b16", "68010216"),
    ] {
        let value = |hex: &str| bytes(&Encoding::Hex.bytes(hex.as_bytes()).unwrap());
        let (mut checker, tally) = checker(options.clone());
        assert_eq!(run(checker.as_mut(), vec![value(frame)]), (vec![value(left)], 0), "{options}");
        assert_eq!(tally.snapshot(), [].into());
    }
}

#[test]
fn short_frames_fail_whatever_they_hold() {
    let (mut checker, tally) = checker(json!({ "algorithm": "CRC-16/MODBUS", "over": [1, -2] }));
    // CRC-16/MODBUS of nothing is 0xFFFF.
    let short = [&[][..], &[1], &[0xFF, 0xFF], &[1, 0xFF, 0xFF]].map(bytes).to_vec();
    assert_eq!(run(checker.as_mut(), short), (Vec::new(), 4));
    assert_eq!(tally.snapshot(), [("crc_failed", 4)].into());
}

#[test]
fn the_wrong_byte_order_shows_in_the_figures() {
    let (mut checker, tally) = checker(json!({ "algorithm": "CRC-16/MODBUS", "endian": "big" }));
    run(checker.as_mut(), vec![bytes(&[1, 3, 0, 0, 0, 2, 0xC4, 0x0B])]);
    assert_eq!(tally.snapshot(), [("crc_failed", 1), ("crc_other_endian", 1)].into());
}

#[test]
fn a_batch_that_passes_whole_is_not_copied_even_if_it_is_shared() {
    let (mut checker, _) = checker(json!({ "algorithm": "CRC-16/MODBUS", "strip": false }));
    let batch = Batch::one(record(bytes(&[1, 3, 0, 0, 0, 2, 0xC4, 0x0B])), Timestamp(0));
    let (shared, mut out) = (batch.clone(), Outputs::default());
    checker.apply(batch, &mut out).unwrap();
    let emission = out.take_emissions().next().unwrap();
    assert_eq!(emission.batch.records().as_ptr(), shared.records().as_ptr());
}

proptest! {
    #[test]
    fn what_has_its_check_sum_passes_and_one_bit_more_or_less_fails(
        payload in prop::collection::vec(any::<u8>(), 1..64),
        which in 0..84_usize,
        flip in any::<prop::sample::Index>(),
        big in any::<bool>(),
        encoding in prop::sample::select(vec!["binary", "hex", "base64"]),
    ) {
        let (name, sum, width) = if let Some((name, crc)) = CATALOGUE.get(which) {
            (*name, naive(crc, &payload), crc.width)
        } else {
            let sum = Sum::ALL[which - CATALOGUE.len()];
            (sum.name(), sum.of(&payload), sum.width())
        };
        let mut frame = payload.clone();
        let little = sum.to_le_bytes()[..usize::from(width / 8)].to_vec();
        frame.extend(if big { little.into_iter().rev().collect() } else { little });
        let mut flipped = frame.clone();
        let bit = flip.index(frame.len() * 8);
        flipped[bit / 8] ^= 1 << (bit % 8);

        let how = match encoding {
            "hex" => Some(Encoding::Hex),
            "base64" => Some(Encoding::Base64),
            _ => None,
        };
        let value = |frame: &[u8]| how.map_or(bytes(frame), |how| Value::Text(how.write(frame).into()));
        let endian = if big { "big" } else { "little" };
        let (mut checker, _) = checker(json!({ "algorithm": name, "endian": endian, "encoding": encoding }));
        prop_assert_eq!(run(checker.as_mut(), vec![value(&frame)]), (vec![value(&payload)], 0));
        // Fletcher's sums are modulo 255, to which 0x00 and 0xFF are one; no single bit makes that difference.
        prop_assert_eq!(run(checker.as_mut(), vec![value(&flipped)]), (vec![], 1));
    }

    #[test]
    fn nothing_from_the_wire_makes_it_panic(
        values in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..12), 1..20),
        at in -12..12_i32, start in -12..12_i32, end in -12..12_i32,
        encoding in prop::sample::select(vec!["binary", "hex", "base64"]),
    ) {
        let options = json!({ "algorithm": "CRC-32/ISCSI", "at": at, "over": [start, end], "encoding": encoding });
        prop_assume!(findings(options.clone()).is_empty());
        let (mut checker, _) = checker(options);
        let count = values.len();
        let (kept, rejected) = run(checker.as_mut(), values.iter().map(|frame| bytes(frame)).collect());
        prop_assert_eq!(kept.len() + rejected, count);
    }
}
