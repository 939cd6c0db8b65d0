//! What the unit refuses: found, told once, left out of every request, and asked for again now and then.

use std::sync::Arc;
use std::time::Duration;

use fieldflow_contract::{Clock, Record, Saved, Timestamp, Value};
use tokio::time::Instant;

use super::health::Admission;
use super::isolate::Search;
use super::learnt::Learnt;
use super::line::Trouble;
use super::plan::Need;
use super::session::{Answer, meaning};
use super::source::Poller;
use super::values::reason;

/// Whose registers were learnt, and where that is kept.
pub(super) struct Unit {
    /// The line.
    pub(super) url: String,
    /// The unit on it.
    pub(super) id: u8,
    /// Where it is kept.
    pub(super) saved: Saved,
    /// For the time of what is told.
    pub(super) clock: Arc<dyn Clock>,
}

/// Tags that the unit refuses.
#[derive(Default)]
pub(super) struct Aside {
    /// Changes with each change of what was learnt.
    pub(super) revision: u64,
    /// Whether they were told to be Bad since the line was opened.
    pub(super) is_told: bool,
    /// When they are asked for again, and how long after that.
    pub(super) again: Option<(Instant, Duration)>,
    /// The last that was asked for again.
    pub(super) last: Option<Need>,
}

/// How soon, and at last how seldom, what was refused is asked for again, and how much of it at a time.
pub(super) const AGAIN: (Duration, Duration, usize) = (Duration::from_secs(30), Duration::from_secs(600), 16);

impl Poller {
    /// Takes up what was learnt before a restart.
    pub(super) fn recall(&mut self) {
        if self.aside.revision == 0 {
            self.aside.revision = 1;
            self.learnt = Learnt::load(&self.unit.saved, &self.unit.url, self.unit.id);
            let needs: Vec<Need> =
                self.groups.iter().flat_map(|group| &group.members).map(|member| member.need).collect();
            // A tag that is gone from the file is not asked for again.
            self.learnt.illegal.retain(|need, _| needs.contains(need));
        }
    }

    /// Says once what is not asked for, because it was refused.
    pub(super) fn tell_aside(&mut self) {
        if std::mem::replace(&mut self.aside.is_told, true) || self.learnt.illegal.is_empty() {
            return;
        }
        let now = self.unit.clock.now();
        for member in self.groups.iter().flat_map(|group| &group.members) {
            if let (Some(tag), Some(code)) = (member.tag, self.learnt.illegal.get(&member.need)) {
                self.ready.push(Record::bad(tag, now, reason(*code)));
            }
        }
        self.aside.again.get_or_insert((Instant::now() + AGAIN.0, AGAIN.0));
    }

    /// Finds out what in a refused request is to blame, sets it aside, and takes the rest.
    pub(super) async fn isolate(&mut self, index: usize, at: usize, code: u8, time: Timestamp) -> Result<(), Trouble> {
        let Some(group) = self.groups.get(index) else { return Ok(()) };
        let Some(asking) = group.requests.get(at) else { return Ok(()) };
        let need_of = |index: &usize| group.members.get(*index).map(|member| member.need);
        let mut needs: Vec<Need> = asking.serves.iter().filter_map(need_of).collect();
        needs.sort_unstable();
        needs.dedup();
        let mut search = Search::new(&self.session);
        let end = search.search(&needs, code).await;
        let mut records = Vec::new();
        for part in &search.answers {
            let is_in = |index: &&usize| need_of(index).is_some_and(|need| part.needs.contains(&need));
            let serves = asking.serves.iter().filter(is_in).copied().collect();
            group.asking(part.read, serves).read.records(&part.answer, part.time, &mut records);
        }
        let mut names = Vec::new();
        for member in asking.serves.iter().filter_map(|index| group.members.get(*index)) {
            let bad = |code| member.tag.map(|tag| Record { tag, quality: reason(code), time, value: Value::Null });
            if let Some(code) = search.refused.get(&member.need) {
                records.extend(bad(*code));
                names.push((member.name(), member.need, *code));
            } else if search.left.contains(&member.need) {
                records.extend(bad(code));
            }
        }
        if let Some(sentence) = refusal(&names) {
            self.notices.say(sentence);
        }
        let (refused, cuts, most) = (search.refused, search.cuts, search.most);
        if !refused.is_empty() {
            self.aside.again = Some((Instant::now() + AGAIN.0, AGAIN.0));
            self.tally.add("set_aside", names.len() as u64);
        }
        self.learnt.illegal.extend(refused);
        self.learnt.cuts.extend(cuts);
        let cap = if asking.read.need.table.is_bits() { &mut self.learnt.bits } else { &mut self.learnt.registers };
        // A lower limit that was known before still holds, unless this request kept to it.
        let known = cap.filter(|known| *known < asking.read.need.count);
        *cap = if most.is_some() { most.max(known) } else { *cap };
        if let Some(cycle) = self.groups.get_mut(index).and_then(|group| group.cycle.as_mut()) {
            cycle.records.extend(records);
        }
        self.was_taught();
        end.map(|_| ())
    }

    /// Asks for some of what was refused: devices change, and some refuse everything while they start.
    pub(super) async fn ask_again(&mut self) -> Result<(), Trouble> {
        let Some((_, delay)) = self.aside.again else { return Ok(()) };
        let next = (delay * 4).min(AGAIN.1);
        self.aside.again = (!self.learnt.illegal.is_empty()).then(|| (Instant::now() + next, next));
        if matches!(self.session.admit(), Admission::Leave(_)) {
            return Ok(());
        }
        let after = self.aside.last.take();
        let (before, rest): (Vec<Need>, Vec<Need>) =
            self.learnt.illegal.keys().copied().partition(|need| Some(*need) <= after);
        for need in rest.into_iter().chain(before).take(AGAIN.2) {
            self.aside.last = Some(need);
            let (answer, time) = self.session.read(need).await?;
            if matches!(answer, Answer::Exception(_)) {
                continue;
            }
            self.learnt.illegal.remove(&need);
            for group in &self.groups {
                let serves = group.members.iter().enumerate().filter(|(_, member)| member.need == need);
                let serves: Vec<usize> = serves.map(|(index, _)| index).collect();
                for member in serves.iter().filter_map(|index| group.members.get(*index)) {
                    self.notices.say(format!("`{}` at {}:{} is read again", member.name(), need.table, need.start));
                }
                group.asking(need, serves).read.records(&answer, time, &mut self.ready);
            }
            self.was_taught();
        }
        Ok(())
    }

    fn was_taught(&mut self) {
        self.aside.revision += 1;
        self.learnt.store(&self.unit.saved, &self.unit.url, self.unit.id);
    }
}

/// What to tell of tags that were refused.
fn refusal(names: &[(&str, Need, u8)]) -> Option<String> {
    let (name, need, code) = *names.first()?;
    let Need { table, start, .. } = need;
    let others = match names.len() {
        1 => String::new(),
        count => format!(", and {} other tags", count - 1),
    };
    let hint = match start.checked_sub(1) {
        Some(before) if code == 2 => format!("; if the manual counts from 1, try {table}:{before}"),
        _ => String::new(),
    };
    let what = meaning(code);
    Some(format!(
        "`{name}` at {table}:{start}{others}: refused by the device ({what}), asked for seldom from now on{hint}"
    ))
}
