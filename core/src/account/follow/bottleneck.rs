//! Whom a run waits for while it reads: where the store has been busy for a third of the time, another
//! session would bring mail that waits for it all the same.

use crate::run::event::Token;
use std::collections::BTreeSet;
use std::time::Duration;

/// So long it is watched before it is said, and between two times that it is.
const WATCHED: Duration = Duration::from_secs(2);

/// What was seen of a run since its last verdict.
#[derive(Debug, Default)]
pub(super) struct Bottleneck {
    since: Option<Duration>,
    /// Commits that are under way.
    commits: BTreeSet<Token>,
    /// Since when there is one without a break, and it need not wait for company.
    from: Duration,
    /// How long there was one, before that.
    busy: Duration,
}

impl Bottleneck {
    /// The store has one more to write; it may wait so long for company.
    pub(super) fn committing(&mut self, token: Token, waits: Duration, now: Duration) {
        if self.commits.is_empty() {
            self.from = now + waits;
        }
        self.commits.insert(token);
    }

    /// It has answered, or will not.
    pub(super) fn committed(&mut self, token: Token, now: Duration) {
        if self.commits.remove(&token) && self.commits.is_empty() {
            self.busy += now.saturating_sub(self.from);
        }
    }

    /// Whether it is mail that was waited for, not the store. It is watched from the first question on,
    /// and anew from each verdict.
    pub(super) fn lacks_mail(&mut self, now: Duration) -> bool {
        let Some(due) = self.due().filter(|due| now >= *due) else {
            if self.since.is_none() {
                self.restart(now);
            }
            return false;
        };
        let is_busy = !self.commits.is_empty();
        let under_way = if is_busy { now.saturating_sub(self.from) } else { Duration::ZERO };
        let watched = now.saturating_sub(due) + WATCHED;
        let lacks = (self.busy + under_way) * 3 < watched;
        self.restart(now);
        lacks
    }

    /// No verdict is wanted.
    pub(super) fn forget(&mut self) {
        self.since = None;
    }

    fn restart(&mut self, now: Duration) {
        (self.since, self.from, self.busy) = (Some(now), now, Duration::ZERO);
    }

    /// When the next verdict is due, where one is awaited.
    pub(super) fn due(&self) -> Option<Duration> {
        self.since.map(|since| since + WATCHED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn the_store_is_waited_for_or_it_is_not() {
        // With the 100 ms of the first one it is a third of two seconds, or less.
        for (to, lacks) in [(966, true), (967, false)] {
            let mut bottleneck = Bottleneck::default();
            bottleneck.committing(Token(1), Duration::ZERO, ms(0));
            assert!(!bottleneck.lacks_mail(ms(100)), "what was before counts for nothing");
            assert_eq!(bottleneck.due(), Some(ms(2100)));
            bottleneck.committed(Token(1), ms(200));
            bottleneck.committing(Token(2), Duration::ZERO, ms(400));
            bottleneck.committing(Token(3), Duration::ZERO, ms(500));
            bottleneck.committed(Token(2), ms(600));
            assert!(!bottleneck.lacks_mail(ms(700)), "it is too soon");
            bottleneck.committed(Token(3), ms(to));
            assert_eq!(bottleneck.lacks_mail(ms(2100)), lacks, "{to}");
        }
    }

    /// Small pages of folders far away: each waits for company, and that is no work of the store.
    #[test]
    fn what_waits_for_company_is_not_written() {
        for (waits, takes, lacks) in [(4, 5, true), (4, 8, false), (0, 5, false)] {
            let mut bottleneck = Bottleneck::default();
            assert!(!bottleneck.lacks_mail(ms(0)));
            for n in 0..200 {
                bottleneck.committing(Token(n), ms(waits), ms(10 * n));
                bottleneck.committed(Token(n), ms(10 * n + takes));
            }
            assert_eq!(bottleneck.lacks_mail(ms(2000)), lacks, "{takes} ms each, {waits}");
        }
    }

    #[test]
    fn each_verdict_is_of_its_own_time() {
        let mut bottleneck = Bottleneck::default();
        assert!(!bottleneck.lacks_mail(ms(0)));
        assert!(bottleneck.lacks_mail(ms(5000)), "nothing was written in five seconds");
        bottleneck.committing(Token(1), Duration::ZERO, ms(5100));
        // A read, and a commit of an earlier run.
        bottleneck.committed(Token(2), ms(5200));
        assert!(!bottleneck.lacks_mail(ms(6999)) && !bottleneck.lacks_mail(ms(7000)));
        assert_eq!(bottleneck.due(), Some(ms(9000)));
        assert!(!bottleneck.lacks_mail(ms(9000)), "one commit lasts as long");
        bottleneck.committed(Token(1), ms(9600));
        assert!(bottleneck.lacks_mail(ms(11_000)));
        // Where none was wanted meanwhile, it is of what comes from here on.
        bottleneck.forget();
        assert_eq!(bottleneck.due(), None);
        assert!(!bottleneck.lacks_mail(ms(60_000)));
        assert!(bottleneck.lacks_mail(ms(62_000)));
    }
}
