//! That encoding is the inverse of decoding, for every type, size and order.

use proptest::prelude::*;

use super::tests::{layout, sized};
use super::*;

/// Every kind of number at every size that it can have, in any order of its bytes.
fn any_number() -> impl Strategy<Value = Layout> {
    let numbers: Vec<Kind> = Kind::ALL.iter().map(|(kind, _)| *kind).filter(|kind| !kind.is_text()).collect();
    (prop::sample::select(numbers), 2_u16..=4, any::<bool>()).prop_flat_map(|(kind, registers, high)| {
        let mut letters: Vec<char> = "ABCDEFGH".chars().take(kind.bytes(registers).into()).collect();
        letters.extend((letters.len() == 3).then_some('_'));
        Just(letters).prop_shuffle().prop_map(move |letters| match kind {
            Kind::U8 | Kind::I8 => {
                Layout { order: Order::of_half(if high { Half::High } else { Half::Low }), ..layout(kind, "") }
            }
            _ => sized(kind, registers, &letters.into_iter().collect::<String>()),
        })
    })
}

/// The words that belong to the value.
fn masked(layout: &Layout, words: &[u16]) -> Vec<u16> {
    words.iter().zip(layout.mask()).map(|(word, mask)| word & mask).collect()
}

proptest! {
    #[test]
    fn what_any_registers_say_is_said_by_their_encoding_too(layout in any_number(), words in prop::collection::vec(any::<u16>(), 4)) {
        let words = &words[..usize::from(layout.registers)];
        let (value, quality) = layout.decode(words);
        if quality == Quality::BAD_DECODING {
            prop_assert!(matches!(layout.kind, Kind::Bcd16 | Kind::Bcd32 | Kind::Mod10k));
            return Ok(());
        }
        let encoded = layout.encode(&value).unwrap();
        prop_assert_eq!(masked(&layout, &encoded), encoded.clone(), "nothing outside of the mask");
        // These have several ways to write one value: 0 and -0, signs in each register, all that is not zero.
        if matches!(layout.kind, Kind::Sm16 | Kind::Sm32 | Kind::Mod10k | Kind::Bool | Kind::Bit) {
            prop_assert_eq!(layout.decode(&encoded).0, value);
        } else {
            prop_assert_eq!(encoded, masked(&layout, words));
        }
    }

    #[test]
    fn any_number_that_fits_survives(layout in any_number(), number in any::<i64>(), cut in 0_u32..64) {
        let value = Value::I64(number >> cut);
        if let Ok(words) = layout.encode(&value) {
            let read = layout.decode(&words).0;
            match (layout.kind.is_float(), &read) {
                (true, float) => prop_assert_eq!(layout.encode(float), Ok(words)),
                (false, Value::Bool(on)) => prop_assert_eq!(i64::from(*on), number >> cut),
                (false, Value::I64(read)) => prop_assert_eq!(*read, number >> cut),
                (false, Value::U64(read)) => prop_assert_eq!(i128::from(*read), i128::from(number >> cut)),
                other => prop_assert!(false, "{:?}", other),
            }
        }
    }

    #[test]
    fn any_digits_survive(number in 0_u64..100_000_000, negative: bool, order in prop::sample::select(vec!["ABCD", "CDAB", "DBCA"])) {
        let bcd = layout(Kind::Bcd32, order);
        prop_assert_eq!(bcd.decode(&bcd.encode(&Value::U64(number)).unwrap()).0, Value::U64(number));
        let signed = if negative { -(number as i64) } else { number as i64 };
        let mod10k = sized(Kind::Mod10k, 2, order);
        prop_assert_eq!(mod10k.decode(&mod10k.encode(&Value::I64(signed)).unwrap()).0, Value::I64(signed));
    }

    #[test]
    fn any_half_is_the_nearest_of_all(value in prop_oneof![-70_000_f64..70_000.0, -1e-4..1e-4]) {
        let near = |bits: u16| f64::from(half::to_f32(bits));
        match half::of_f64(value) {
            None => prop_assert!(65_520.0 <= value.abs()),
            Some(bits) => {
                let distance = (near(bits) - value).abs();
                for other in [bits.wrapping_sub(1), bits.wrapping_add(1)].map(near) {
                    prop_assert!(!other.is_finite() || distance <= (other - value).abs());
                }
            }
        }
    }

    #[test]
    fn any_text_survives_encoding_and_decoding(
        text in "[!-~äß€]{0,4}", order in prop::sample::select(vec!["AB", "BA"]),
        half in prop::option::of(prop::sample::select(vec![Half::High, Half::Low])),
        pad in prop::option::of(prop::sample::select(vec![Pad::Nul, Pad::Space])),
    ) {
        let order = if half.is_some() { "" } else { order };
        let layout = Layout { text: TextForm { half, pad }, ..sized(Kind::String, 12, order) };
        let value = Value::Text(text.into());
        let words = layout.encode(&value).unwrap();
        prop_assert_eq!(masked(&layout, &words), words.clone());
        prop_assert_eq!(layout.decode(&words).0, value);
    }

    #[test]
    fn any_bytes_survive(bytes in prop::collection::vec(any::<u8>(), 8), order in prop::sample::select(vec!["AB", "BA"])) {
        let layout = sized(Kind::Bytes, 4, order);
        let value = Value::Bytes(bytes.into());
        prop_assert_eq!(layout.decode(&layout.encode(&value).unwrap()).0, value);
    }

    #[test]
    fn any_bits_survive_and_touch_no_others(
        first in 0_u8..64, count in prop::option::of(1_u8..=64), number: u64, order in Just("ABCDEFGH".chars().collect::<Vec<_>>()).prop_shuffle(),
    ) {
        let count = count.map(|count| count.min(64 - first));
        let part = Part { first, count };
        let layout = Layout { part: Some(part), ..layout(Kind::U64, &order.into_iter().collect::<String>()) };
        let value = match count {
            None => Value::Bool(number & 1 == 1),
            Some(count) => Value::U64(number >> (64 - u32::from(count))),
        };
        let words = layout.encode(&value).unwrap();
        prop_assert_eq!(masked(&layout, &words), words.clone());
        let others: Vec<u16> = words.iter().zip(layout.mask()).map(|(word, mask)| word | !mask).collect();
        prop_assert_eq!(layout.decode(&others).0, value);
    }
}
