//! State per tag that can be walked through.

use fieldflow_contract::{Tag, TagMap};

/// State per tag, in the order in which the tags came by. Bounded by the table of tags.
#[derive(Debug)]
pub(crate) struct PerTag<T> {
    place: TagMap<u32>,
    states: Vec<(Tag, T)>,
}

impl<T> Default for PerTag<T> {
    fn default() -> Self {
        Self { place: TagMap::default(), states: Vec::new() }
    }
}

impl<T> PerTag<T> {
    /// The state of a tag, which is made if the tag comes by for the first time.
    pub(crate) fn of(&mut self, tag: Tag, make: impl FnOnce() -> T) -> &mut T {
        let place = self.place(tag, make);
        &mut self.states[place as usize].1
    }

    /// The place of a tag in the order, counted from 0; its state is made if the tag comes by for the first time.
    pub(crate) fn place(&mut self, tag: Tag, make: impl FnOnce() -> T) -> u32 {
        *self.place.slot(tag).get_or_insert_with(|| {
            self.states.push((tag, make()));
            (self.states.len() - 1) as u32
        })
    }

    /// The place of a tag, if it came by.
    pub(crate) fn place_of(&self, tag: Tag) -> Option<u32> {
        self.place.get(tag).copied()
    }

    /// The tag at a place, and its state.
    pub(crate) fn at(&mut self, place: u32) -> Option<(Tag, &mut T)> {
        self.states.get_mut(place as usize).map(|(tag, state)| (*tag, state))
    }

    /// The state of a tag, if it came by.
    pub(crate) fn get(&mut self, tag: Tag) -> Option<&mut T> {
        let place = self.place_of(tag)?;
        self.at(place).map(|(_, state)| state)
    }

    /// All states and whose they are, in order, to change them.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (Tag, &mut T)> {
        self.states.iter_mut().map(|(tag, state)| (*tag, state))
    }

    /// All states and whose they are, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Tag, &T)> {
        self.states.iter().map(|(tag, state)| (*tag, state))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_stand_in_the_order_in_which_their_tags_came() {
        let [one, two] = ["per_tag.1", "per_tag.2"].map(|name| Tag::new(name).unwrap());
        let mut states = PerTag::default();
        *states.of(two, || 2) += 20;
        *states.of(one, || 1) += 10;
        assert_eq!(states.iter().map(|(tag, state)| (tag, *state)).collect::<Vec<_>>(), [(two, 22), (one, 11)]);
        assert_eq!(states.get(one), Some(&mut 11));
        assert_eq!(states.get(Tag::new("per_tag.3").unwrap()), None);
    }
}
