//! Which requests read a set of tags: as few as the limits of the device allow.
//!
//! Pure. What lies side by side is read together, because one request costs the device more than many registers do. A value
//! is never split, so that its registers are of one moment; a hole wider than `max_gap` is never read, because some devices
//! answer a hole with an exception for the whole request.

use std::cmp::Reverse;

use super::address::Table;

/// Registers or bits that one value needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Need {
    /// The table.
    pub(super) table: Table,
    /// The first of them.
    pub(super) start: u16,
    /// How many.
    pub(super) count: u16,
}

impl Need {
    /// The place after the last; up to 65536.
    pub(super) fn end(self) -> u32 {
        u32::from(self.start) + u32::from(self.count)
    }
}

/// How much one request may ask for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Registers in one request.
    pub(super) registers: u16,
    /// Bits in one request.
    pub(super) bits: u16,
    /// Places that may be read in vain between two values.
    pub(super) gap: u16,
}

/// One request, and which of the needs it serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Request {
    /// What to ask for.
    pub(super) read: Need,
    /// The needs that lie wholly in it, by their place in the list that was planned.
    pub(super) serves: Vec<usize>,
}

/// The requests for these needs, each of which must fit the limits by itself.
pub(super) fn plan(needs: &[Need], limits: Limits) -> Vec<Request> {
    let mut sorted: Vec<(usize, Need)> = needs.iter().copied().enumerate().collect();
    sorted.sort_by_key(|(_, need)| (need.table, need.start, Reverse(need.count)));
    let mut requests: Vec<Request> = Vec::new();
    for (index, need) in sorted {
        if let Some(last) = requests.last_mut()
            && let Some(read) = join(last.read, need, limits)
        {
            last.read = read;
            last.serves.push(index);
        } else {
            requests.push(Request { read: need, serves: vec![index] });
        }
    }
    requests
}

/// Both in one request, if the limits allow it. `next` does not begin before `read`.
fn join(read: Need, next: Need, limits: Limits) -> Option<Need> {
    let limit = if read.table.is_bits() { limits.bits } else { limits.registers };
    // A value inside of a longer one must not shorten the request.
    let end = read.end().max(next.end());
    let count = u16::try_from(end - u32::from(read.start)).ok()?;
    let near = u32::from(next.start) <= read.end() + u32::from(limits.gap);
    (read.table == next.table && near && count <= limit).then_some(Need { count, ..read })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const WIDE: Limits = Limits { registers: 125, bits: 2000, gap: 0 };

    fn need(table: Table, start: u16, count: u16) -> Need {
        Need { table, start, count }
    }

    fn reads(needs: &[Need], limits: Limits) -> Vec<(Table, u16, u16)> {
        plan(needs, limits).iter().map(|request| (request.read.table, request.read.start, request.read.count)).collect()
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

    fn any_need() -> impl Strategy<Value = Need> {
        let table = prop::sample::select(vec![Table::Coil, Table::Discrete, Table::Input, Table::Holding]);
        (table, prop_oneof![0_u16..300, 65_400_u16..=65_535], 1_u16..=8).prop_map(|(table, start, count)| {
            let count = if table.is_bits() { 1 } else { count.min(u16::MAX - start).max(1) };
            Need { table, start, count }
        })
    }

    proptest! {
        #[test]
        fn each_value_is_read_whole_and_once_within_the_limits(
            needs in prop::collection::vec(any_need(), 0..60),
            registers in 8_u16..=125, bits in 1_u16..=64, gap in 0_u16..20,
        ) {
            let requests = plan(&needs, Limits { registers, bits, gap });
            let mut served = vec![0; needs.len()];
            for Request { read, serves } in &requests {
                let limit = if read.table.is_bits() { bits } else { registers };
                prop_assert!(read.count <= limit);
                prop_assert!(read.end() <= 65_536);
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
            let requests = plan(&needs, limits);
            prop_assert!(requests.windows(2).all(|pair| join(pair[0].read, pair[1].read, limits).is_none()));
        }
    }
}
