//! Records under new names: each tag's fate is found once and remembered, and no two tags ever become one.

use fieldflow_contract::{Batch, Cause, Outputs, Record, Tag, TagMap, Tally, Transform};

use super::batches::{self, edit};

/// What a rule makes of the name of a tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Named {
    /// It stays as it is.
    Same,
    /// It becomes this.
    New(String),
    /// There is no name for it; the word is counted.
    Refused(&'static str),
    /// Its records are let go, for this reason.
    Dropped(&'static str),
}

#[derive(Debug, Clone, Copy)]
enum Fate {
    Becomes(Tag),
    Refused(&'static str),
    Dropped(&'static str),
}

/// A transform that gives records new names. The first tag that takes a name keeps it, unless a tag comes by that has it from
/// the start; another that would become the same is rejected, for two series under one name cannot be told apart again. Both memories are bounded by the table of tags.
pub(crate) struct Renamer<F> {
    name: F,
    fates: TagMap<Fate>,
    owners: TagMap<Tag>,
    tally: Tally,
}

impl<F: FnMut(Tag) -> Named + Send> Renamer<F> {
    pub(crate) fn new(name: F, tally: Tally) -> Self {
        Self { name, fates: TagMap::default(), owners: TagMap::default(), tally }
    }

    fn fate(&mut self, tag: Tag) -> Fate {
        if let Some(fate) = self.fates.get(tag) {
            return *fate;
        }
        let new = match (self.name)(tag) {
            Named::Same => {
                // It has its name from the start; whoever took it meanwhile has to give it back.
                if let Some(other) = self.owners.slot(tag).replace(tag).filter(|other| *other != tag) {
                    *self.fates.slot(other) = Some(Fate::Refused("collision"));
                }
                Ok(tag)
            }
            Named::New(name) => Tag::new(&name).map_err(|_| Fate::Refused("no_name")),
            Named::Refused(word) => Err(Fate::Refused(word)),
            Named::Dropped(reason) => Err(Fate::Dropped(reason)),
        };
        let fate = match new {
            Err(fate) => fate,
            Ok(new) if *self.owners.slot(new).get_or_insert(tag) == tag => Fate::Becomes(new),
            Ok(_) => Fate::Refused("collision"),
        };
        *self.fates.slot(tag).insert(fate)
    }
}

impl<F: FnMut(Tag) -> Named + Send> Transform for Renamer<F> {
    fn apply(&mut self, batch: Batch, out: &mut Outputs) -> Result<(), Cause> {
        edit(batch, out, |record| match self.fate(record.tag) {
            Fate::Becomes(tag) if tag == record.tag => batches::Fate::Passes,
            Fate::Becomes(tag) => batches::Fate::Becomes(Record { tag, ..record.clone() }),
            Fate::Dropped(reason) => batches::Fate::Goes(reason),
            Fate::Refused(word) => {
                self.tally.add(word, 1);
                batches::Fate::Rejected
            }
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fieldflow_contract::{Port, Timestamp, Value};
    use proptest::prelude::*;
    use std::collections::HashMap;

    #[test]
    fn what_keeps_its_name_is_not_copied_even_if_it_is_shared() {
        let batch = Batch::one(Record::good(Tag::new("renamed").unwrap(), Timestamp(0), Value::Null), Timestamp(0));
        let (shared, mut out) = (batch.clone(), Outputs::default());
        Renamer::new(|_| Named::Same, Tally::default()).apply(batch, &mut out).unwrap();
        assert_eq!(out.take_emissions().next().unwrap().batch.records().as_ptr(), shared.records().as_ptr());
    }

    proptest! {
        #[test]
        fn no_two_tags_become_one_and_no_record_is_lost(tags in prop::collection::vec(0..12_u32, 1..60)) {
            let name = |tag: Tag| match tag.name().rsplit('.').next().and_then(|n| n.parse::<u32>().ok()) {
                Some(0) | None => Named::Same,
                Some(n) => Named::New(format!("renamed.prop.{}", n / 3)),
            };
            let mut renamer = Renamer::new(name, Tally::default());
            let (mut owners, mut out) = (HashMap::new(), Outputs::default());
            for n in &tags {
                let from = Tag::new(&format!("renamed.prop.{n}")).unwrap();
                let batch = Batch::one(Record::good(from, Timestamp(0), Value::Null), Timestamp(0));
                renamer.apply(batch, &mut out).unwrap();
                let emission = out.take_emissions().next();
                let emission = emission.expect("a record leaves, by one port or the other");
                if emission.port == Port::DEFAULT {
                    let to = emission.batch.records()[0].tag;
                    // A tag that keeps its own name may take it back from another, and then has it for good.
                    let owner = owners.entry(to).or_insert(from);
                    *owner = if from == to { from } else { *owner };
                    prop_assert_eq!(*owner, from);
                } else {
                    prop_assert!(*n != 0, "what keeps its name is not refused");
                }
            }
        }
    }
}
