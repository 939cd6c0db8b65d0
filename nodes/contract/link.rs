//! What a node says of itself beside its figures: the state of its links, and a sentence now and then.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Where a link to a device, server or broker stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum LinkState {
    /// Not connected, and not trying.
    #[default]
    Disconnected,
    /// Opening the connection for the first time.
    Connecting,
    /// Connected; the other side checks who this is.
    Authenticating,
    /// In use.
    Connected,
    /// Lost, or not made; trying again.
    Reconnecting,
}

impl LinkState {
    /// All states.
    pub const ALL: [Self; 5] =
        [Self::Disconnected, Self::Connecting, Self::Authenticating, Self::Connected, Self::Reconnecting];

    /// The word for it in metrics and in `/health`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Disconnected => "disconnected",
            Self::Connecting => "connecting",
            Self::Authenticating => "authenticating",
            Self::Connected => "connected",
            Self::Reconnecting => "reconnecting",
        }
    }
}

/// The links of a node. Their names come from the configuration, never from the wire: they become labels of a metric.
#[derive(Debug, Clone, Default)]
pub struct Links(Arc<Mutex<Vec<LinkStatus>>>);

/// One moment of a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkStatus {
    /// Its name, such as `tcp://10.0.0.7:502` or `tcp://10.0.0.7:502 unit 3`, without a password.
    pub name: String,
    /// Where it stands.
    pub state: LinkState,
    /// Why it is not connected, in words, while that is so.
    pub trouble: Option<String>,
}

/// A node's handle to one of its links.
#[derive(Debug, Clone)]
pub struct Link {
    links: Links,
    at: usize,
}

impl Links {
    /// A link of this name; the same name gives the same link.
    pub fn link(&self, name: impl Into<String>) -> Link {
        let name = name.into();
        let mut links = self.links();
        let at = links.iter().position(|link| link.name == name).unwrap_or_else(|| {
            links.push(LinkStatus { name, state: LinkState::Disconnected, trouble: None });
            links.len() - 1
        });
        drop(links);
        Link { links: self.clone(), at }
    }

    /// All links, in the order in which they were made.
    pub fn snapshot(&self) -> Vec<LinkStatus> {
        self.links().clone()
    }

    fn links(&self) -> MutexGuard<'_, Vec<LinkStatus>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Link {
    /// Sets where the link stands. Being connected ends its trouble.
    pub fn set(&self, state: LinkState) {
        let mut links = self.links.links();
        links[self.at].state = state;
        if state == LinkState::Connected {
            links[self.at].trouble = None;
        }
    }

    /// Says why the link is not connected.
    pub fn trouble(&self, state: LinkState, why: impl Into<String>) {
        let mut links = self.links.links();
        (links[self.at].state, links[self.at].trouble) = (state, Some(why.into()));
    }

    /// Where it stands.
    pub fn state(&self) -> LinkState {
        self.links.links()[self.at].state
    }
}

/// Sentences for the person who looks after the plant, about something that is no failure of the node as a whole, such as
/// "unit 7 does not answer: asked every 10 s only". They are logged as they come, and `/health` shows the last of them.
#[derive(Clone, Default)]
pub struct Notices {
    last: Arc<Mutex<VecDeque<String>>>,
    tell: Option<Tell>,
}

/// Who is told as it comes.
type Tell = Arc<dyn Fn(&str) + Send + Sync>;

impl Notices {
    /// Sentences that are kept.
    pub const KEPT: usize = 16;

    /// For the runtime: notices that are passed on as they come.
    pub fn telling(tell: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self { last: Arc::default(), tell: Some(Arc::new(tell)) }
    }

    /// Says something once: not for every record or request, but when it becomes true and when it is over.
    pub fn say(&self, sentence: impl Into<String>) {
        let sentence = sentence.into();
        if let Some(tell) = &self.tell {
            tell(&sentence);
        }
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.len() == Self::KEPT {
            last.pop_front();
        }
        last.push_back(sentence);
    }

    /// The last sentences, oldest first.
    pub fn last(&self) -> Vec<String> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

impl fmt::Debug for Notices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.last()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn being_connected_ends_the_trouble_of_a_link() {
        let links = Links::default();
        let (one, two) = (links.link("tcp://a"), links.link("tcp://b"));
        one.trouble(LinkState::Reconnecting, "refused");
        links.link("tcp://a").set(LinkState::Connecting);
        assert_eq!(links.snapshot()[0].trouble.as_deref(), Some("refused"));
        one.set(LinkState::Connected);
        assert_eq!((links.snapshot().len(), links.snapshot()[0].trouble.clone()), (2, None));
        assert_eq!(two.state(), LinkState::Disconnected);
    }

    #[test]
    fn the_last_notices_are_kept_and_all_are_told() {
        let told = Arc::new(Mutex::new(0));
        let count = Arc::clone(&told);
        let notices = Notices::telling(move |_| *count.lock().unwrap() += 1);
        (0..20).for_each(|n| notices.say(n.to_string()));
        assert_eq!((*told.lock().unwrap(), notices.last().len()), (20, Notices::KEPT));
        assert_eq!(notices.last().last().map(String::as_str), Some("19"));
    }
}
