//! Messages that the server does not tell: is it they, or the server?

use crate::provider::api::MailApi;
use postrider_core::failure::{Failure, Reach};
use postrider_core::provider::feeds::{FeedAnswer, FeedRequest, Got, WantedMail, Within};
use postrider_core::provider::{Answer, Request};

/// Other messages that are asked about.
const OTHERS: usize = 3;

/// Whether the server answers about other messages than one that it cannot tell.
pub(in crate::provider) async fn is_there(
    api: &impl MailApi,
    mail: &WantedMail,
    failure: &Failure,
) -> Result<(), Failure> {
    let list = FeedRequest::List { within: Within::All, token: None };
    let Answer::Feed(FeedAnswer::Page { rows, .. }) = api.answer(&Request::Feed(list)).await?
    else {
        return Err(Failure::bug("a list that is none"));
    };
    let others = rows.into_iter().map(|row| row.id).filter(|id| *id != mail.id);
    let mut asked = false;
    for id in others.take(OTHERS) {
        let _units = api.pay_look(api.price()).await?;
        asked = true;
        if let Got::Found(_) | Got::Missing =
            api.look_at(&WantedMail { id, ..mail.clone() }).await?
        {
            return Ok(());
        }
    }
    // Of a mailbox of one message the list is all that can be asked.
    if asked { Err(Failure { reach: Reach::Account, ..failure.clone() }) } else { Ok(()) }
}
