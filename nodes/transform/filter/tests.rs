//! Tests of `filter` beside its cases.

use fieldflow_contract::{Tag, Timestamp, Value};
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::*;

fn gate(config: Json) -> Gate {
    let config: Config = serde_json::from_value(config).unwrap();
    let mut expressions = Expressions::default();
    let mut asked = |condition: Option<Condition>| condition.map(|one| Asked::new(one, &mut expressions).unwrap());
    let (keep, drop) = (asked(config.keep), asked(config.drop));
    let (known, tally) = (TagMap::default(), Tally::default());
    Gate { tags: config.tags, keep, drop, expressions, known, tally }
}

fn passed(gate: &mut Gate, batch: Batch) -> Vec<Record> {
    let mut out = Outputs::default();
    gate.apply(batch, &mut out).unwrap();
    out.take_emissions().flat_map(|emission| emission.batch.into_records()).collect()
}

#[test]
fn a_batch_that_passes_is_not_copied_even_if_it_is_shared() {
    let record = Record::good(Tag::new("filter.shared").unwrap(), Timestamp(0), Value::I64(1));
    let batch = Batch::new(vec![record.clone(), record], Timestamp(0)).unwrap();
    let (shared, mut out) = (batch.clone(), Outputs::default());
    gate(json!({ "keep": { "range": [0, 1] } })).apply(batch, &mut out).unwrap();
    assert_eq!(out.take_emissions().next().unwrap().batch.records().as_ptr(), shared.records().as_ptr());
}

#[test]
fn a_range_reads_a_single_as_people_do() {
    let record = Record::good(Tag::new("filter.single").unwrap(), Timestamp(0), Value::F32(78.4));
    assert_eq!(passed(&mut gate(json!({ "keep": { "range": [0, 78.4] } })), Batch::one(record, Timestamp(0))).len(), 1);
}

proptest! {
    /// Whatever is filtered by value, the quality that a reader last saw of a tag is the one that it has.
    #[test]
    fn no_filter_by_value_hides_the_quality_of_a_tag(
        records in prop::collection::vec((0..2_usize, 0..5_usize, 0..10_i64), 1..60),
        drop in any::<bool>(),
    ) {
        let condition = json!({ "range": [3, 6] });
        let mut gate = gate(if drop { json!({ "drop": condition }) } else { json!({ "keep": condition }) });
        let mut shown = [Quality::GOOD; 2];
        for (tag, quality, value) in records {
            let quality = [Quality::GOOD, Quality::GOOD_CLAMPED, Quality::UNCERTAIN, Quality::BAD_TIMEOUT, Quality::BAD_BUSY][quality];
            let name = Tag::new(&format!("filter.level.{tag}")).unwrap();
            let record = Record { quality, ..Record::good(name, Timestamp(0), Value::I64(value)) };
            if !passed(&mut gate, Batch::one(record, Timestamp(0))).is_empty() {
                shown[tag] = quality;
            }
            prop_assert_eq!(shown[tag], quality);
        }
    }
}
