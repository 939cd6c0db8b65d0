//! The requests of a plan, by example and by law.

use super::*;
use proptest::prelude::*;

const WIDE: Limits = Limits { registers: 125, bits: 2000, gap: 0 };

fn need(table: Table, start: u16, count: u16) -> Need {
    Need { table, start, count }
}

fn reads(needs: &[Need], limits: Limits) -> Vec<(Table, u16, u16)> {
    plan(needs, limits, &Bounds::default())
        .iter()
        .map(|request| (request.read.table, request.read.start, request.read.count))
        .collect()
}

#[test]
fn neighbours_are_read_in_one_request_and_tables_apart() {
    let (coil, holding) = (Table::Coil, Table::Holding);
    let needs = [need(holding, 2, 1), need(coil, 0, 1), need(holding, 0, 2), need(coil, 1, 1), need(holding, 4, 1)];
    assert_eq!(reads(&needs, WIDE), [(coil, 0, 2), (holding, 0, 3), (holding, 4, 1)]);
    assert_eq!(reads(&needs, Limits { gap: 1, ..WIDE }), [(coil, 0, 2), (holding, 0, 5)]);
}

#[test]
fn a_value_inside_of_a_longer_one_does_not_shorten_the_request() {
    let needs = [need(Table::Input, 0, 4), need(Table::Input, 1, 1), need(Table::Input, 4, 1)];
    assert_eq!(reads(&needs, WIDE), [(Table::Input, 0, 5)]);
}

#[test]
fn a_value_across_the_limit_begins_the_next_request() {
    let needs: Vec<Need> = (0..63).map(|n| need(Table::Holding, 2 * n, 2)).collect();
    assert_eq!(reads(&needs, WIDE), [(Table::Holding, 0, 124), (Table::Holding, 124, 2)]);
    let bits: Vec<Need> = (0..2001).map(|n| need(Table::Discrete, n, 1)).collect();
    assert_eq!(reads(&bits, WIDE), [(Table::Discrete, 0, 2000), (Table::Discrete, 2000, 1)]);
}

#[test]
fn the_last_register_is_read_without_going_past_it() {
    let needs = [need(Table::Holding, 65_534, 2), need(Table::Holding, 65_535, 1)];
    assert_eq!(reads(&needs, Limits { gap: u16::MAX, ..WIDE }), [(Table::Holding, 65_534, 2)]);
}

fn any_table() -> impl Strategy<Value = Table> {
    prop::sample::select(vec![Table::Coil, Table::Discrete, Table::Input, Table::Holding])
}

fn any_need() -> impl Strategy<Value = Need> {
    (any_table(), prop_oneof![0_u16..300, 65_400_u16..=65_535], 1_u16..=8).prop_map(|(table, start, count)| {
        let count = if table.is_bits() { 1 } else { count.min(u16::MAX - start).max(1) };
        Need { table, start, count }
    })
}

proptest! {
    #[test]
    fn each_value_is_read_whole_and_once_within_the_limits(
        needs in prop::collection::vec(any_need(), 0..60),
        registers in 8_u16..=125, bits in 1_u16..=64, gap in 0_u16..20,
        holes in prop::collection::vec(any_need(), 0..12), cuts in prop::collection::vec((any_table(), 0_u16..300), 0..12),
    ) {
        let bounds = Bounds { holes, cuts: cuts.into_iter().collect() };
        let needs: Vec<Need> = needs.into_iter().filter(|need| bounds.allow_gap(need.table, need.start.into(), need.end())).collect();
        let requests = plan(&needs, Limits { registers, bits, gap }, &bounds);
        let mut served = vec![0; needs.len()];
        for Request { read, serves } in &requests {
            let limit = if read.table.is_bits() { bits } else { registers };
            prop_assert!(read.count <= limit);
            prop_assert!(read.end() <= 65_536);
            prop_assert!(bounds.allow_gap(read.table, read.start.into(), read.end()), "a hole is read");
            let starts = serves.iter().map(|&index| needs[index].start);
            prop_assert!(starts.into_iter().all(|start| bounds.allow_join(read.table, read.start, start)), "cut");
            let mut asked: Vec<bool> = vec![false; read.count.into()];
            for &index in serves {
                let need = needs[index];
                served[index] += 1;
                prop_assert!(need.table == read.table && read.start <= need.start && need.end() <= read.end());
                let from = usize::from(need.start - read.start);
                asked[from..from + usize::from(need.count)].fill(true);
            }
            prop_assert!(asked.first() == Some(&true) && asked.last() == Some(&true));
            let widest = asked.split(|asked| *asked).map(<[bool]>::len).max().unwrap_or(0);
            prop_assert!(widest <= usize::from(gap));
        }
        prop_assert!(served.iter().all(|&times| times == 1));
    }

    #[test]
    fn two_requests_that_could_be_one_are_one(needs in prop::collection::vec(any_need(), 0..60), gap in 0_u16..20) {
        let limits = Limits { gap, ..WIDE };
        let requests = plan(&needs, limits, &Bounds::default());
        prop_assert!(requests.windows(2).all(|pair| join(pair[0].read, pair[1].read, limits, &Bounds::default()).is_none()));
    }
}
