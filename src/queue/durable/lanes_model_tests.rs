//! The lanes of an edge on a real file, with a crash in every state.

use fieldflow_contract::Outcome;
use proptest::prelude::*;

use super::tests::{Plant, limits};

#[derive(Debug, Clone)]
enum Deed {
    Put(u64),
    Take(usize),
    Done(usize),
    Fail(usize),
    Postpone(usize),
    TakeUp,
    Commit,
    Crash,
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        3 => (1..12_u64).prop_map(Deed::Put),
        5 => (1..12_usize).prop_map(Deed::Take),
        6 => (0..30_usize).prop_map(Deed::Done),
        1 => (0..30_usize).prop_map(Deed::Fail),
        1 => (0..30_usize).prop_map(Deed::Postpone),
        1 => Just(Deed::TakeUp),
        3 => Just(Deed::Commit),
        1 => Just(Deed::Crash),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Whatever happens in whatever order: nothing is lost, nothing that the file knows to be done comes again, nothing is handed
    /// over while it is on its way, and the figures add up.
    #[test]
    fn a_crash_in_any_state_loses_nothing_and_repeats_only_what_was_under_way(
        share in prop_oneof![Just(None), Just(Some(25)), Just(Some(90))],
        deeds in prop::collection::vec(deed(), 1..120),
    ) {
        let mut plant = Plant::new(limits(share));
        let (mut on_their_way, mut done, mut stored) = (Vec::new(), Vec::new(), Vec::new());
        for deed in deeds {
            match deed {
                Deed::Put(count) => {
                    plant.put(count);
                    stored.clone_from(&done);
                }
                Deed::Take(count) => for _ in 0..count {
                    // In memory there is room for no more.
                    if 30 <= on_their_way.len() {
                        break;
                    }
                    let Some((number, _)) = plant.take() else { break };
                    if plant.edge.is_recalled(plant.file.epoch(), number) {
                        plant.edge.postpone(plant.file.epoch(), number);
                        continue;
                    }
                    // One that failed is handed over again, and is on its way all the time.
                    prop_assert!(!on_their_way.contains(&number) && !stored.contains(&number), "{number} again");
                    on_their_way.push(number);
                },
                Deed::Done(which) | Deed::Fail(which) | Deed::Postpone(which) => {
                    if on_their_way.is_empty() {
                        continue;
                    }
                    let number = on_their_way.remove(which % on_their_way.len());
                    match deed {
                        Deed::Fail(_) => plant.done(number, Outcome::Failed),
                        Deed::Postpone(_) => plant.edge.postpone(plant.file.epoch(), number),
                        _ => {
                            plant.done(number, Outcome::Delivered);
                            done.push(number);
                        }
                    }
                }
                Deed::TakeUp => {
                    plant.edge.take_up();
                    plant.give_back(&mut on_their_way);
                }
                Deed::Commit => {
                    plant.commit();
                    stored.clone_from(&done);
                }
                Deed::Crash => {
                    plant.crash();
                    on_their_way.clear();
                    done.clone_from(&stored);
                }
            }
            let figures = plant.figures();
            let dropped: u64 = figures.dropped.values().sum();
            prop_assert_eq!(figures.entered, figures.left + dropped + figures.depth);
        }
        for number in on_their_way {
            plant.done(number, Outcome::Delivered);
            done.push(number);
        }
        plant.edge.take_up();
        let rest = plant.drain();
        prop_assert!(rest.iter().all(|number| !done.contains(number)), "{rest:?}");
        done.extend(rest);
        done.sort_unstable();
        prop_assert_eq!(done, (1..=plant.put).collect::<Vec<_>>());
        let figures = plant.figures();
        prop_assert_eq!((figures.depth, figures.disk_records, figures.dropped.len()), (0, Some(0), 0));
    }
}
