//! The brokers of a node: which one is used, when another one, and when the better one again.

use std::time::Duration;

use fieldflow_contract::{BuildContext, BuildError, Link, LinkState, Notices, Tally};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::Address;
use super::connection::{Connection, Session};
use super::dial::{self, Failure};
use super::options::Options;
use super::reason::{Reaction, Refusal};
use super::tls::{self, Identity};

/// How long a broker is left alone that wants a person to act.
const PERSON: Duration = Duration::from_secs(30);
/// How long one is left alone that was not there, at first and at most, as long as there is another one.
const AWAY: Duration = Duration::from_secs(1);
const AWAY_AT_MOST: Duration = Duration::from_secs(60);
/// How often a better broker is looked for.
const LOOK: Duration = Duration::from_secs(10);
const LOOK_AT_MOST_OFTEN: Duration = Duration::from_millis(100);

/// Connects to the best broker that can be had.
pub(crate) struct Client {
    pub(crate) options: Options,
    tls: Option<Trust>,
    brokers: Vec<Broker>,
    /// Which one is in use.
    active: Option<usize>,
    session: Session,
    /// Looks for a better broker than the one in use.
    looking: JoinSet<usize>,
    tally: Tally,
    notices: Notices,
}

/// What is known of a broker.
struct Broker {
    address: Address,
    name: String,
    link: Link,
    was_open: bool,
    /// How often it failed since it last worked, and until when it is left alone.
    failures: u32,
    wait: Option<Instant>,
    /// What a person was told.
    told: Option<String>,
}

/// Who is trusted, who this is, and the name that the broker shall prove to have, if that is not its address.
pub(super) type Trust = (Identity, Option<String>);

/// Reads the certificates, if any broker is to be had by TLS only.
pub(super) fn trust(options: &Options, context: &BuildContext) -> Result<Option<Trust>, BuildError> {
    if !options.addresses.iter().any(|address| address.is_secret) {
        return Ok(None);
    }
    let wanted = options.tls.clone().unwrap_or_default();
    let identity = tls::identity(&wanted, &context.base_dir)
        .map_err(|(option, why)| BuildError(format!("tls.{option}: {why}")))?;
    Ok(Some((identity, wanted.server_name)))
}

impl Client {
    /// Opens nothing; reads the certificates.
    pub(crate) fn new(options: Options, context: &BuildContext) -> Result<Self, BuildError> {
        let options = options.named(context);
        let tls = trust(&options, context)?;
        let brokers = options.addresses.iter().map(|address| {
            let name = address.to_string();
            let link = context.links.link(name.clone());
            let address = address.clone();
            Broker { address, name, link, was_open: false, failures: 0, wait: None, told: None }
        });
        Ok(Self {
            brokers: brokers.collect(),
            options,
            tls,
            active: None,
            session: Session::default(),
            looking: JoinSet::new(),
            tally: context.tally.clone(),
            notices: context.notices.clone(),
        })
    }

    /// Opens a connection to the best broker that takes one. Each is tried once; where all of them want a person to act, this
    /// waits before it tries.
    pub(crate) async fn connect(&mut self) -> Result<Connection, Refusal> {
        let waits = self.brokers.iter().map(|broker| broker.wait.filter(|_| broker.told.is_some()));
        if let Some(first) = waits.collect::<Option<Vec<_>>>().and_then(|waits| waits.into_iter().min()) {
            sleep_until(first).await;
        }
        let now = Instant::now();
        let is_away = |place: &usize| self.brokers.get(*place).is_some_and(|broker| broker.wait > Some(now));
        let (away, mut order): (Vec<usize>, Vec<usize>) = (0..self.brokers.len()).partition(is_away);
        order.extend(away);
        let mut last = Refusal::link("no broker is named");
        for place in order {
            match self.open(place).await {
                Ok(connection) => return Ok(connection),
                Err(refusal) => last = refusal,
            }
        }
        Err(last)
    }

    async fn open(&mut self, place: usize) -> Result<Connection, Refusal> {
        let Some(broker) = self.brokers.get_mut(place) else { return Err(Refusal::link("no such broker")) };
        broker.link.set(if broker.was_open { LinkState::Reconnecting } else { LinkState::Connecting });
        let patience = self.options.fail_after(place);
        let longest = patience.unwrap_or(self.options.timeout);
        let authenticating = || broker.link.set(LinkState::Authenticating);
        let open = Connection::open(
            &broker.name,
            &broker.address,
            &self.options,
            self.tls.as_ref(),
            &self.session,
            patience,
            authenticating,
        );
        let failure = match timeout(longest, open).await {
            Ok(Ok(connection)) => {
                self.is_open(place);
                return Ok(connection);
            }
            Ok(Err(failure)) => failure,
            Err(_) => {
                self.tally.add("timeout", 1);
                let message = format!("{} did not take the connection within {longest:?}", broker.name);
                Failure::Link(Refusal::link(message))
            }
        };
        self.tally.add("connect_failed", 1);
        let refusal = match failure {
            Failure::Link(refusal) => refusal,
            Failure::Distrust(refusal) => {
                self.tally.add("tls_refused", 1);
                refusal
            }
        };
        self.failed(place, &refusal);
        Err(refusal)
    }

    fn is_open(&mut self, place: usize) {
        let before = self.active.replace(place);
        self.look_for_better(place);
        let Some(broker) = self.brokers.get_mut(place) else { return };
        broker.link.set(LinkState::Connected);
        (broker.was_open, broker.failures, broker.wait, broker.told) = (true, 0, None, None);
        let name = broker.name.clone();
        if before != Some(place) && (before.is_some() || place != 0) {
            self.tally.add(if before < Some(place) { "fail_over" } else { "fail_back" }, 1);
            self.notices.say(format!("{name} is used now"));
        }
    }

    /// Notes that a broker is not to be had, and how long it is left alone.
    fn failed(&mut self, place: usize, refusal: &Refusal) {
        let Some(broker) = self.brokers.get_mut(place) else { return };
        broker.link.trouble(LinkState::Reconnecting, refusal.message.clone());
        let wait = match refusal.reaction {
            Reaction::Person => PERSON,
            Reaction::Retry | Reaction::OtherServer => {
                (AWAY * (1 << broker.failures.min(6))).min(AWAY_AT_MOST).mul_f64(0.5 + fastrand::f64() / 2.0)
            }
        };
        broker.failures += 1;
        broker.wait = Some(Instant::now() + wait);
        // Once, however often it is tried again.
        if refusal.reaction != Reaction::Person {
            broker.told = None;
        } else if broker.told.as_ref() != Some(&refusal.message) {
            broker.told = Some(refusal.message.clone());
            self.tally.add("person_must_act", 1);
            self.notices.say(format!("{refusal}. It is tried again every {} s", PERSON.as_secs()));
        }
    }

    /// The connection has ended, for this reason.
    pub(crate) fn lost(&mut self, refusal: &Refusal) {
        if let Some(place) = self.active {
            self.looking.abort_all();
            self.tally.add("connection_lost", 1);
            self.failed(place, refusal);
            // A connection that worked may be opened again at once, but for who was told to go elsewhere.
            if refusal.reaction == Reaction::Retry
                && let Some(broker) = self.brokers.get_mut(place)
            {
                (broker.failures, broker.wait) = (0, None);
            }
        }
    }

    /// Leaves this broker alone no longer.
    pub(crate) fn prefer(&mut self, place: usize) {
        if let Some(broker) = self.brokers.get_mut(place) {
            (broker.failures, broker.wait) = (0, None);
        }
    }

    /// The connection was closed because its node ends.
    pub(crate) fn closed(&mut self) {
        self.brokers.iter().for_each(|broker| broker.link.set(LinkState::Disconnected));
        self.active = None;
        self.looking.abort_all();
    }

    /// Which broker is in use, counted from 0.
    pub(crate) fn active(&self) -> Option<usize> {
        self.active
    }

    /// Waits until a better broker than the one in use has been there for `fail_back`; never, if there is none better. The
    /// node then closes its connection, calls [`Client::prefer`] with what this gave, and connects again.
    ///
    /// Dropping it loses nothing: the looking goes on meanwhile.
    pub(crate) async fn better(&mut self) -> usize {
        match self.looking.join_next().await {
            Some(Ok(place)) => place,
            _ => std::future::pending().await,
        }
    }

    /// The same without waiting: what [`Client::better`] would give now.
    pub(crate) fn better_now(&mut self) -> Option<usize> {
        self.looking.try_join_next().and_then(Result::ok)
    }

    /// Looks for a better broker than this one.
    fn look_for_better(&mut self, place: usize) {
        self.looking = JoinSet::new();
        if place == 0 {
            return;
        }
        let better: Vec<Address> = self.options.addresses.iter().take(place).cloned().collect();
        let (tls, longest, fail_back) = (self.tls.clone(), self.options.timeout, self.options.fail_back);
        let packet = self.options.maximum_packet_size;
        self.looking.spawn(async move {
            let mut since: Vec<Option<Instant>> = vec![None; better.len()];
            loop {
                for (place, (address, since)) in better.iter().zip(&mut since).enumerate() {
                    let look = timeout(longest, dial::dial(address, tls.as_ref(), packet)).await;
                    *since = if matches!(look, Ok(Ok(_))) { since.or(Some(Instant::now())) } else { None };
                    if since.is_some_and(|since| fail_back <= since.elapsed()) {
                        return place;
                    }
                }
                // Several times meanwhile, so that one that comes and goes is seen to do so.
                sleep((fail_back / 4).clamp(LOOK_AT_MOST_OFTEN, LOOK)).await;
            }
        });
    }
}
