//! The polling source: what is due, what the unit says about it, and what to say when it says nothing.
//!
//! Groups of tags are polled each at its interval, request by request: a request whose group's next poll is due earliest goes
//! first, so a long slow group does not hold up a short fast one. A line that is lost ends the read; a unit that does not
//! answer gives Bad records, once, and is left alone for a while.

use std::time::Duration;

use fieldflow_contract::{Batch, Cause, Delivery, NodeError, Notices, Quality, Record, Source, Tally, Timestamp};
use tokio::time::{Instant, sleep_until};

use super::aside::{AGAIN, Aside, Unit};
use super::group::{Cycle, Group};
use super::health::Admission;
use super::isolate::is_refusal;
use super::learnt::Learnt;
use super::line::Trouble;
use super::plan::{Limits, Need};
use super::session::{Answer, Session};

/// Polls one unit.
pub(super) struct Poller {
    pub(super) session: Session,
    /// Never empty; one for each interval.
    pub(super) groups: Vec<Group>,
    pub(super) limits: Limits,
    /// What no request may read.
    pub(super) holes: Vec<Need>,
    /// How long the line may be idle.
    pub(super) keep_alive: Option<Duration>,
    pub(super) unit: Unit,
    pub(super) tally: Tally,
    pub(super) notices: Notices,
    /// What was set aside because the unit refuses it, and how it must be asked.
    pub(super) learnt: Learnt,
    pub(super) aside: Aside,
    /// Whether the tags were told to be Bad because the unit does not answer.
    pub(super) is_silent: bool,
    /// When the line was last kept alive.
    pub(super) beat: Option<Instant>,
    /// Records that are to leave.
    pub(super) ready: Vec<Record>,
    /// An error that came after some records: they leave first.
    pub(super) pending: Option<NodeError>,
}

enum Step {
    Poll(usize),
    AskAgain,
    KeepAlive,
    Wait(Instant),
}

impl Source for Poller {
    async fn connect(&mut self) -> Result<(), NodeError> {
        self.recall();
        self.session.connect().await?;
        let now = Instant::now();
        for group in &mut self.groups {
            (group.due, group.cycle) = (now, None);
        }
        (self.aside.is_told, self.is_silent, self.beat) = (false, false, Some(now));
        Ok(())
    }

    async fn read(&mut self) -> Result<Delivery, NodeError> {
        loop {
            if let Some(batch) = Batch::new(std::mem::take(&mut self.ready), self.unit.clock.now()) {
                return Ok(Delivery::unacked(batch));
            }
            if let Some(error) = self.pending.take() {
                return Err(error);
            }
            let done = match self.next(Instant::now()) {
                Step::Poll(index) => self.poll(index).await,
                Step::AskAgain => self.ask_again().await,
                Step::KeepAlive => self.keep_alive().await,
                Step::Wait(until) => {
                    sleep_until(until).await;
                    Ok(())
                }
            };
            match done {
                Ok(()) => {}
                Err(Trouble::Unit(cause) | Trouble::Unsent(cause)) => {
                    if self.session.is_back() {
                        self.fall_silent(cause.quality);
                        self.groups.iter_mut().for_each(|group| group.cycle = None);
                    }
                }
                Err(Trouble::Line(cause) | Trouble::Broken(cause)) => {
                    self.flush();
                    self.pending = Some(NodeError::Disconnected(cause));
                }
            }
        }
    }

    fn outage(&mut self, cause: &Cause, now: Timestamp) -> Option<Batch> {
        Batch::new(self.all_bad(cause.quality, now), now)
    }

    async fn close(&mut self) {
        self.session.close();
    }
}

impl Poller {
    /// What to do next.
    fn next(&self, now: Instant) -> Step {
        let ready = self.groups.iter().enumerate().filter(|(_, group)| group.cycle.is_some() || group.due <= now);
        if let Some((index, _)) = ready.min_by_key(|(_, group)| group.deadline()) {
            return Step::Poll(index);
        }
        let again = self.aside.again.map(|(due, _)| due);
        let beat = self.keep_alive.zip(self.session.last_used().max(self.beat)).map(|(every, last)| last + every);
        let due = self.groups.iter().map(|group| group.due).min();
        let first = [again, beat, due].into_iter().flatten().min().unwrap_or(now + AGAIN.0);
        if now < first {
            Step::Wait(first)
        } else if again == Some(first) {
            Step::AskAgain
        } else {
            Step::KeepAlive
        }
    }

    /// The next request of a group.
    async fn poll(&mut self, index: usize) -> Result<(), Trouble> {
        let Some(group) = self.groups.get_mut(index) else { return Ok(()) };
        if group.cycle.is_none() {
            self.tally.add("missed_poll", group.begin(Instant::now()));
            if let Admission::Leave(cause) = self.session.admit() {
                self.fall_silent(cause.quality);
                return Ok(());
            }
            group.plan(self.limits, &self.holes, &self.learnt, self.aside.revision);
            group.cycle = Some(Cycle::default());
            self.tell_aside();
        }
        let Some(group) = self.groups.get(index) else { return Ok(()) };
        let at = group.cycle.as_ref().map_or(0, |cycle| cycle.next);
        if let Some(asking) = group.requests.get(at) {
            match self.session.read(asking.read.need).await {
                Ok((answer, time)) => {
                    self.speak_again(index);
                    match is_refusal(&answer) {
                        Some(code) => self.isolate(index, at, code, time).await?,
                        None => self.take(index, at, &answer, time),
                    }
                }
                Err(Trouble::Unit(cause)) => {
                    if !self.session.is_back() {
                        self.give_up(index, at, cause.quality);
                    }
                    return Err(Trouble::Unit(cause));
                }
                Err(lost) => return Err(lost),
            }
        }
        if let Some(group) = self.groups.get_mut(index)
            && let Some(cycle) = &mut group.cycle
        {
            cycle.next = at + 1;
            if group.requests.len() <= cycle.next {
                self.ready.append(&mut cycle.records);
                group.cycle = None;
            }
        }
        Ok(())
    }

    fn take(&mut self, index: usize, at: usize, answer: &Answer, time: Timestamp) {
        if let Some(group) = self.groups.get_mut(index)
            && let (Some(cycle), Some(asking)) = (&mut group.cycle, group.requests.get(at))
        {
            asking.read.records(answer, time, &mut cycle.records);
        }
    }

    /// The unit gave nothing usable: the rest of this poll would only cost more time-outs.
    fn give_up(&mut self, index: usize, at: usize, quality: Quality) {
        let now = self.unit.clock.now();
        if let Some(group) = self.groups.get_mut(index)
            && let Some(mut cycle) = group.cycle.take()
        {
            let rest = group.requests.iter().skip(at).flat_map(|asking| &asking.read.tags);
            cycle.records.extend(rest.map(|place| Record::bad(place.tag, now, quality)));
            self.ready.append(&mut cycle.records);
        }
    }

    /// The unit is set back: says so once for each tag.
    fn fall_silent(&mut self, quality: Quality) {
        if !std::mem::replace(&mut self.is_silent, true) {
            self.flush();
            let bad = self.all_bad(quality, self.unit.clock.now());
            self.ready.extend(bad);
        }
    }

    /// The unit answers: everything that was left alone meanwhile is due.
    fn speak_again(&mut self, answered: usize) {
        if std::mem::take(&mut self.is_silent) {
            let now = Instant::now();
            self.groups.iter_mut().enumerate().filter(|(index, _)| *index != answered).for_each(|(_, group)| {
                group.due = now;
            });
            self.aside.is_told = false;
            self.tell_aside();
        }
    }

    /// What was read so far in polls that go on leaves now.
    fn flush(&mut self) {
        for mut cycle in self.groups.iter_mut().filter_map(|group| group.cycle.take()) {
            self.ready.append(&mut cycle.records);
        }
    }

    fn all_bad(&self, quality: Quality, now: Timestamp) -> Vec<Record> {
        let tags = self.groups.iter().flat_map(|group| &group.members).filter_map(|member| member.tag);
        tags.map(|tag| Record::bad(tag, now, quality)).collect()
    }

    /// One read so that nothing on the way takes the connection for forgotten.
    async fn keep_alive(&mut self) -> Result<(), Trouble> {
        self.beat = Some(Instant::now());
        let need = self.groups.iter().flat_map(|group| &group.requests).next().map(|asking| asking.read.need);
        let Some(need) = need.filter(|_| self.session.admit() == Admission::Ask) else { return Ok(()) };
        self.tally.add("keep_alive", 1);
        self.session.read(Need { count: 1, ..need }).await.map(|_| ())
    }
}
