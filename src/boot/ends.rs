//! What the process before has left on its way: the database learns it before anybody is asked for it again.

use crate::boot::switchboard::Switchboard;
use crate::handle::Handle;
use crate::provider::in_flight::{EndBefore, InFlight, WhichMail};
use crate::store::message::StoreMsg;
use crate::store::orders::Control;
use crate::supervision::accounts::AccountsMsg;
use postrider_core::recovery::asked::{Beside, ProcessEnd};
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
            let told = match before {
                Some(before) => tokio::time::timeout(PATIENCE, tell(before, &database)).await,
                None => Ok(true),
            };
            match told {
                Ok(true) => in_flight.learned(),
                // It stands aside for the next start.
                Ok(false) | Err(_) => tracing::warn!(
                    "the database does not take what was on its way when the process before ended; the next start tells it again"
                ),
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

/// Says whether the database has all of it.
async fn tell(before: EndBefore, database: &Switchboard) -> bool {
    let EndBefore { how, mail } = before;
    let is_only = mail.len() == 1;
    let mut by_account: BTreeMap<String, Vec<(WhichMail, Beside)>> = BTreeMap::new();
    for found in mail {
        let beside = match (found.lone, is_only) {
            (true, true) => Beside::Nothing,
            (true, false) => Beside::NoSuspect,
            (false, _) => Beside::Anything,
        };
        by_account.entry(found.account).or_default().push((found.mail, beside));
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
            return false;
        }
    }
    true
}
