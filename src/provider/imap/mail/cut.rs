//! What is left of a session that has ended: mail that had come whole is handed over, and of the one
//! that was on its way the beginning is kept.

use crate::provider::imap::mail::page::Reading;
use crate::provider::imap::session::ImapSession;
use postrider_core::failure::{Class, Failure, When};
use postrider_core::mail::body::BodySink;

impl ImapSession {
    /// The session is over: what had come whole is handed over, the rest is told what ended it.
    pub(in crate::provider::imap) async fn fail(
        &mut self,
        mut reading: Reading,
        mut failure: Failure,
    ) -> Result<(), Failure> {
        if failure.class == Class::Storage {
            self.sink.abandon();
        } else {
            // Were this to fail, the messages would be fetched again: nothing is lost.
            let is_further = self.keep_cut(&mut reading);
            let handed = self.hand_over_part(&mut reading).await;
            failure.made_progress = is_further && handed.is_ok();
        }
        self.sink.hurry();
        let Reading { pages, hand, .. } = reading;
        // A disk that failed meanwhile is what has ended it.
        let failure = hand.end().await.err().unwrap_or(failure);
        // Too little room for what is coming ends the session, unlike too little room to begin:
        // nobody is to ask it again.
        let ends = failure.class == Class::Storage && matches!(failure.when, When::After(_));
        let failure = if ends { failure.when(When::BackOff) } else { failure };
        for page in pages {
            page.asker.answer(Err(failure.clone()));
        }
        Err(failure)
    }

    /// Keeps what has come of the message that was on its way. Says whether that is a step forward.
    fn keep_cut(&mut self, reading: &mut Reading) -> bool {
        let cut = self.conn.link().cut();
        let of = reading.apart.take().or_else(|| {
            // Who does not name it first may have been asked for nothing else.
            let open = reading.pages.iter().map(|page| page.open.len()).sum::<usize>();
            let alone = || {
                let alone = reading.pages.front()?.alone.as_ref()?;
                (open == 1 && !alone.index && !alone.came).then_some(alone.uid)
            };
            let uid = cut?.uid.or_else(alone)?;
            let page = reading.pages.iter().find(|page| page.page.wants(uid))?;
            Some(page.beginning(&self.account, uid))
        });
        let Some(of) = of else {
            self.sink.abandon();
            return false;
        };
        reading.keeps = true;
        self.sink.keep(of)
    }
}
