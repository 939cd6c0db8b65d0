//! Which of a node's troubles are news: a link that flaps all night must not fill the disk with log lines.

use std::time::Duration;

use tokio::time::Instant;

/// The trouble that was logged last is not logged again within this time, however often it goes and comes back.
const SAME: Duration = Duration::from_secs(60);
/// Another one is not logged within this time: one cause shows in several ways, and a message may hold figures of the wire.
const OTHER: Duration = Duration::from_secs(10);

/// What was logged of one node's troubles.
#[derive(Default)]
pub(super) struct News {
    told: Option<(String, Instant)>,
    /// The trouble that goes on was logged.
    open: bool,
}

impl News {
    /// Whether this trouble shall be logged now. One that goes on is logged once.
    pub(super) fn trouble(&mut self, message: &str) -> bool {
        let due = match &self.told {
            None => true,
            Some((told, at)) if told == message => !self.open && SAME <= at.elapsed(),
            Some((_, at)) => OTHER <= at.elapsed(),
        };
        if due {
            self.told = Some((message.to_owned(), Instant::now()));
            self.open = true;
        }
        due
    }

    /// The trouble is over. Whether that shall be logged: only if the trouble was.
    pub(super) fn over(&mut self) -> bool {
        std::mem::take(&mut self.open)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::advance;

    #[tokio::test(start_paused = true)]
    async fn a_trouble_that_goes_on_is_told_once() {
        let mut news = News::default();
        assert!(news.trouble("refused"));
        for _ in 0..1000 {
            advance(Duration::from_secs(4)).await;
            assert!(!news.trouble("refused"));
        }
        assert!(news.over());
    }

    #[tokio::test(start_paused = true)]
    async fn a_link_that_flaps_is_told_of_once_a_minute() {
        let (mut news, mut lines) = (News::default(), 0);
        for _ in 0..600 {
            lines += u32::from(news.trouble("closed")) + u32::from(news.over());
            advance(Duration::from_secs(1)).await;
        }
        assert_eq!(lines, 20, "its loss and its return, ten times");
    }

    #[tokio::test(start_paused = true)]
    async fn a_trouble_that_changes_is_told_but_not_at_every_try() {
        let mut news = News::default();
        assert!(news.trouble("closed"));
        assert!(!news.trouble("refused"), "the same cause, a moment later");
        advance(OTHER).await;
        assert!(news.trouble("refused"));
        assert!(!news.trouble("closed"));
    }
}
