//! Everything that is written is read back; what is hostile is refused and costs little.

use fieldflow_contract::Value;
use proptest::prelude::*;

use super::*;

fn scalar(kind: DataType) -> BoxedStrategy<Value> {
    use DataType as T;
    match kind {
        T::Int8 => any::<i8>().prop_map(|v| Value::I64(v.into())).boxed(),
        T::Int16 => any::<i16>().prop_map(|v| Value::I64(v.into())).boxed(),
        T::Int32 => any::<i32>().prop_map(|v| Value::I64(v.into())).boxed(),
        T::Int64 | T::DateTime => any::<i64>().prop_map(Value::I64).boxed(),
        T::UInt8 => any::<u8>().prop_map(|v| Value::U64(v.into())).boxed(),
        T::UInt16 => any::<u16>().prop_map(|v| Value::U64(v.into())).boxed(),
        T::UInt32 => any::<u32>().prop_map(|v| Value::U64(v.into())).boxed(),
        T::UInt64 => any::<u64>().prop_map(Value::U64).boxed(),
        T::Float => any::<f32>().prop_map(Value::F32).boxed(),
        T::Double => any::<f64>().prop_map(Value::F64).boxed(),
        T::Boolean => any::<bool>().prop_map(Value::Bool).boxed(),
        T::Bytes | T::File => prop::collection::vec(any::<u8>(), 0..9).prop_map(|v| Value::Bytes(v.into())).boxed(),
        _ => "[a-z☃]{0,9}".prop_map(|v| Value::Text(v.into())).boxed(),
    }
}

fn datum() -> impl Strategy<Value = (DataType, Option<Datum>)> {
    let kinds = DataType::ALL.iter().copied().filter(|kind| !matches!(kind, DataType::DataSet | DataType::Template));
    prop::sample::select(kinds.collect::<Vec<_>>()).prop_flat_map(|kind| {
        let element = match kind.code() {
            code @ 22..=29 => Some(DataType::of_code(code - 21)),
            30 => Some(DataType::Float),
            31 => Some(DataType::Double),
            32 => Some(DataType::Boolean),
            33 => Some(DataType::String),
            34 => Some(DataType::DateTime),
            _ => None,
        };
        let datum = match element {
            Some(element) => prop::collection::vec(scalar(element), 0..20).prop_map(Datum::Many).boxed(),
            None => scalar(kind).prop_map(Datum::One).boxed(),
        };
        (Just(kind), prop::option::of(datum))
    })
}

fn metric() -> impl Strategy<Value = Metric> {
    let names = (prop::option::of("[a-z/]{0,9}"), prop::option::of(any::<u64>()), prop::option::of(any::<u64>()));
    (datum(), names, any::<bool>(), prop::option::of(any::<i32>())).prop_map(
        |((kind, datum), (name, alias, timestamp), is_historical, quality)| Metric {
            name,
            alias,
            timestamp,
            is_historical,
            quality,
            ..Metric::new(kind, datum.as_ref())
        },
    )
}

proptest! {
    #[test]
    fn what_is_written_reads_back(
        (timestamp, seq) in (prop::option::of(any::<u64>()), prop::option::of(any::<u8>())),
        metrics in prop::collection::vec(metric(), 0..9),
    ) {
        let payload = Payload { timestamp, seq, metrics };
        let bytes = payload.encode();
        prop_assert!(bytes.len() <= 32 + payload.metrics.iter().map(Metric::most_bytes).sum::<usize>());
        prop_assert_eq!(Payload::decode(bytes), Ok(payload));
    }

    #[test]
    fn a_value_is_the_same_behind_the_wire((kind, datum) in datum()) {
        prop_assert_eq!(Metric::new(kind, datum.as_ref()).datum(kind), Ok(datum));
    }

    #[test]
    fn any_bytes_are_refused_or_read(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(payload) = Payload::decode(bytes) {
            for metric in &payload.metrics {
                for kind in DataType::ALL {
                    let _ = metric.datum(*kind);
                }
            }
        }
    }

    #[test]
    fn a_payload_with_a_flaw_is_refused_or_read(
        metrics in prop::collection::vec(metric(), 1..5), at in any::<prop::sample::Index>(), with in any::<u8>(), cut in any::<bool>(),
    ) {
        let mut bytes = Payload { timestamp: Some(1), seq: Some(2), metrics }.encode();
        let at = at.index(bytes.len());
        if cut { bytes.truncate(at) } else { bytes[at] = with }
        let _ = Payload::decode(bytes).map(|payload| {
            payload.metrics.iter().for_each(|metric| { let _ = metric.kind.map(|kind| metric.datum(kind)); });
        });
    }

    #[test]
    fn a_topic_is_read_as_it_was_written(group in "[a-z ]{1,9}", node in "[a-z.]{1,9}", device in prop::option::of("[a-z:]{1,9}")) {
        let kind = if device.is_some() { Kind::DeviceData } else { Kind::NodeData };
        let topic = Topic::Edge { group: &group, kind, node: &node, device: device.as_deref() };
        let written = topic.to_string();
        prop_assert_eq!(Topic::parse(&written), Some(topic));
    }

    #[test]
    fn any_topic_is_refused_or_the_same_when_written(text in "(spBv1.0|a|)(/(STATE|NDATA|DDATA|a|)){0,5}") {
        if let Some(topic) = Topic::parse(&text) {
            prop_assert_eq!(topic.to_string(), text);
        }
    }
}

#[test]
fn signed_numbers_are_twos_complement_however_many_bits_of_them_were_sent() {
    for (kind, raw, value) in [
        (DataType::Int8, Raw::Int(0xFF), -1),
        (DataType::Int8, Raw::Int(0xFFFF_FFFF), -1),
        (DataType::Int16, Raw::Int(0xFFFE), -2),
        (DataType::Int32, Raw::Int(0x8000_0000), -0x8000_0000),
        (DataType::Int32, Raw::Long(u64::MAX), -1),
        (DataType::Int64, Raw::Long(u64::MAX), -1),
    ] {
        assert_eq!(Datum::of(&raw, kind), Ok(Datum::One(Value::I64(value))), "{kind:?} {raw:?}");
    }
}

#[test]
fn a_value_of_another_type_is_no_value() {
    for (kind, raw) in [
        (DataType::UInt8, Raw::Int(256)),
        (DataType::Double, Raw::Int(1)),
        (DataType::Int32, Raw::Text("1".to_owned())),
        (DataType::DataSet, Raw::DataSet(Bytes::new())),
        (DataType::Other(99), Raw::Int(1)),
        (DataType::Int16Array, Raw::Bytes(Bytes::from_static(b"odd"))),
        (DataType::BooleanArray, Raw::Bytes(Bytes::from_static(&[0xFF, 0xFF, 0xFF, 0xFF]))),
        (DataType::BooleanArray, Raw::Bytes(Bytes::from_static(&[9, 0, 0, 0, 0]))),
        (DataType::StringArray, Raw::Bytes(Bytes::from_static(b"no end"))),
        (DataType::Int8Array, Raw::Bytes(vec![0; 20_000].into())),
    ] {
        assert!(Datum::of(&raw, kind).is_err(), "{kind:?} {raw:?}");
    }
}

#[test]
fn what_is_too_much_is_refused() {
    // Two bytes each: an empty metric.
    let many = [0x12, 0].repeat(MOST_METRICS + 1);
    assert!(matches!(Payload::decode(many), Err(Refused::TooMuch(_))));
    assert!(matches!(Payload::decode(vec![0; MOST_BYTES + 1]), Err(Refused::TooMuch(_))));
    let claims_much = [0x12, 0xFF, 0xFF, 0xFF, 0xFF, 0x0F];
    assert!(matches!(Payload::decode(claims_much.to_vec()), Err(Refused::Malformed(_))));
    assert!(matches!(Payload::decode([0x18, 0x80, 0x02].to_vec()), Err(Refused::Malformed(_))), "seq 256");
}

/// Datasets in templates in datasets: nothing is looked into, so nothing recurses.
#[test]
fn nesting_costs_nothing() {
    let mut nested = Vec::new();
    for _ in 0..100_000 {
        // A template within a metric within a template: keys with lengths that lie.
        nested.extend([0x92, 0x01, 0x7F]);
    }
    let metric = wire::Metric { value: Some(Raw::Template(nested.into())), ..Default::default() };
    let payload = wire::Payload { metrics: vec![metric.encode_to_vec().into()], ..Default::default() };
    let payload = Payload::decode(payload.encode_to_vec()).unwrap();
    assert_eq!(payload.metrics[0].datum(DataType::Template), Err(Misfit::Unread(DataType::Template)));
}

#[test]
fn qualities_are_those_of_the_specification() {
    use fieldflow_contract::Quality as Q;
    for (ours, theirs, back) in [
        (Q::GOOD, None, Q::GOOD),
        (Q::GOOD_CLAMPED, None, Q::GOOD),
        (Q::UNCERTAIN, Some(500), Q::UNCERTAIN_LAST_USABLE),
        (Q::BAD_TIMEOUT, Some(0), Q::BAD),
    ] {
        let quality = Metric::quality_of(ours);
        assert_eq!((quality, Metric { quality, ..Metric::default() }.quality()), (theirs, back));
    }
}

#[test]
fn what_cannot_be_the_name_of_a_node_is_told() {
    assert!(check_id("Plant 1.line-2").is_ok());
    assert!(["", "a/b", "a+", "#", "a\0"].iter().all(|id| check_id(id).is_err()));
}
