//! What the process before has left on its way: the database learns it before anybody is asked for it again.

use crate::boot::switchboard::Switchboard;
use crate::handle::Handle;
use crate::provider::in_flight::{EndBefore, InFlight, WhichMail};
use crate::store::message::StoreMsg;
use crate::store::orders::Control;
use crate::supervision::accounts::AccountsMsg;
use postrider_core::recovery::asked::ProcessEnd;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// Longest wait for the database to take it.
const PATIENCE: Duration = Duration::from_secs(30);

/// Begins to mark what is on its way. Without marks less is known after an end, and nothing is lost: that they cannot
/// be made or read is no reason not to start.
pub(super) async fn learn(
    data_dir: &Path,
    store: &Handle<StoreMsg>,
    accounts: &Handle<AccountsMsg>,
) -> InFlight {
    let database = Switchboard { store: store.clone(), accounts: accounts.clone() };
    match InFlight::begin(data_dir) {
        Ok((in_flight, before)) => {
            if let Some(before) = before {
                tell(before, &database).await;
            }
            in_flight
        }
        Err(e) => {
            tracing::warn!(
                "{}: what is on its way cannot be marked ({e}): should a mail end the process, the next one does not know it",
                data_dir.display()
            );
            InFlight::default()
        }
    }
}

async fn tell(before: EndBefore, database: &Switchboard) {
    let EndBefore { how, mail } = before;
    let mut by_account: BTreeMap<String, Vec<WhichMail>> = BTreeMap::new();
    for found in mail {
        by_account.entry(found.account).or_default().push(found.mail);
    }
    if how == ProcessEnd::Aborted && !by_account.is_empty() {
        tracing::warn!(
            "the last process here ended by itself; what it was reading for {} account(s) is asked for alone",
            by_account.len()
        );
    }
    for (account, mail) in by_account {
        let ended = Control::Ended { account: account.clone(), how, mail };
        if let Err(failure) = database.control(ended, PATIENCE).await {
            tracing::warn!("{account}: what was on its way is not known: {failure}");
        }
    }
}
