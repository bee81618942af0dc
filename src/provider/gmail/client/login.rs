//! Whose mailbox a token opens, and where its history ends when a session begins.
#![expect(clippy::disallowed_methods, reason = "what a login has seen is believed for a while")]

use super::{GmailClient, SMALL};
use crate::provider::api::MailApi;
use crate::provider::gmail::wire::Profile;
use crate::provider::gmail::wire::mailbox;
use postrider_core::failure::{Class, Failure, Provenance, Reach, When};
use postrider_core::time::Micros;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::Instant;

/// What the login has said of the history is believed for so long.
const YOUNG: Duration = Duration::from_secs(2);

impl GmailClient {
    /// Logs in: the profile shows that the token is good, and whose mailbox it opens. It is not paid:
    /// it is one unit, and nobody logs in often.
    ///
    /// # Errors
    /// As [`GmailClient::profile`]; of reach endpoint where nobody answers.
    pub(in crate::provider::gmail) async fn log_in(&self) -> Result<(), Failure> {
        let at = Instant::now();
        let found = self.profile_unpaid().await.map_err(|failure| match failure.class {
            // Where no token is to be had, it is another server that is away.
            Class::Network | Class::Timeout if failure.reach == Reach::Session => {
                Failure { reach: Reach::Endpoint, ..failure }
            }
            _ => failure,
        })?;
        *self.head.lock().await = found.map(|(profile, _)| (profile.history_id.0, at));
        Ok(())
    }

    /// Whether the login has just seen that the history ends here; it is said once.
    pub(in crate::provider::gmail) async fn is_head(&self, cursor: &str) -> bool {
        let head = self.head.lock().await.take();
        head.is_some_and(|(head, at)| head == cursor && at.elapsed() < YOUNG)
    }

    /// The mailbox's profile; none where the server has no such question (emulators).
    ///
    /// # Errors
    /// It is another mailbox than the account's; as [`GmailClient::ask`].
    pub(in crate::provider::gmail) async fn profile(
        &self,
    ) -> Result<Option<(Profile, Micros)>, Failure> {
        let _units = self.pay_look(SMALL).await?;
        self.profile_unpaid().await
    }

    async fn profile_unpaid(&self) -> Result<Option<(Profile, Micros)>, Failure> {
        let found = match self.json::<Profile>("profile").await? {
            Ok(found) => Some(found),
            Err(refusal) if refusal.status == 404 && refusal.is_json => None,
            Err(refusal) => return Err(self.failure(&refusal)),
        };
        if let Some((profile, _)) = &found
            && !is_same_mailbox(&profile.email_address, self.credential.username())
        {
            let text = "the token opens another mailbox than `username` names: give it the token of this one, or write the other's name";
            return Err(Failure::new(Class::Config, Reach::Account, Provenance::Server, text)
                .when(When::AfterChange));
        }
        self.known.store(true, Ordering::Relaxed);
        Ok(found)
    }

    /// Looks whose mailbox it is, where another token is shown than at the login.
    ///
    /// # Errors
    /// As [`GmailClient::profile`].
    pub(in crate::provider::gmail) async fn look_whose(&self) -> Result<(), Failure> {
        if self.known.load(Ordering::Relaxed) {
            return Ok(());
        }
        self.profile().await.map(drop)
    }
}

/// Whether two addresses name one mailbox.
fn is_same_mailbox(a: &str, b: &str) -> bool {
    mailbox(a) == mailbox(b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mailboxes_are_told_from_each_other() {
        assert!(is_same_mailbox("Me@Example.org", "me@example.org"));
        assert!(is_same_mailbox("first.last@gmail.com", "FirstLast@googlemail.com"));
        assert!(!is_same_mailbox("first.last@example.org", "firstlast@example.org"));
        assert!(!is_same_mailbox("a@gmail.com", "b@gmail.com"));
    }
}
