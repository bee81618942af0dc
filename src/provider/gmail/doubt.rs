//! Messages that the server does not tell: is it they, or the server?

use crate::provider::gmail::client::GmailClient;
use crate::provider::gmail::read::look_at;
use postrider_core::failure::{Failure, Reach};
use postrider_core::provider::feeds::{FeedAnswer, FeedRequest, Got, WantedMail, Within};

/// Other messages that are asked about.
const OTHERS: usize = 3;

/// Whether the server answers about other messages than one that it cannot tell.
pub(super) async fn is_there(
    client: &GmailClient,
    mail: &WantedMail,
    failure: &Failure,
) -> Result<(), Failure> {
    let list = FeedRequest::List { within: Within::All, token: None };
    let FeedAnswer::Page { rows, .. } = client.look(&list).await? else {
        return Err(Failure::bug("a list that is none"));
    };
    let others = rows.into_iter().map(|row| row.id).filter(|id| *id != mail.id);
    let mut asked = false;
    for id in others.take(OTHERS) {
        let _units = client.pay_look(client.plan.get).await?;
        asked = true;
        if let Got::Found(_) | Got::Missing =
            look_at(client, &WantedMail { id, bytes: mail.bytes }).await?
        {
            return Ok(());
        }
    }
    // Of a mailbox of one message the list is all that can be asked.
    if asked { Err(Failure { reach: Reach::Account, ..failure.clone() }) } else { Ok(()) }
}
