//! What the registry says of an account, as the queue of jobs is told.

use crate::jobs::hands::JobHands;
use crate::telemetry::registry::{AccountLine, Registry};
use postrider_core::job::queue::{AccountFacts, HereFacts};
use postrider_core::standing::Standing;

/// What is known of an account now.
pub(super) fn facts(registry: &Registry, hands: &dyn JobHands, account: &str) -> AccountFacts {
    if !hands.names(account) {
        return AccountFacts::Unnamed;
    }
    let here = registry.look(account, of);
    here.filter(|here| here.life > 0).map_or(AccountFacts::Coming, AccountFacts::Here)
}

fn of(line: &AccountLine) -> HereFacts {
    HereFacts {
        life: line.life,
        held: held(line),
        at_work: line.run.map(|_| line.runs.0 + 1),
        ended: line.runs.0,
        ends: line.ended.iter().cloned().collect(),
    }
}

/// Why it takes no order now.
pub(crate) fn held(line: &AccountLine) -> Option<String> {
    match line.standing {
        Standing::Starting | Standing::Running | Standing::Idle => None,
        Standing::Throttled if line.follows => None,
        Standing::Paused => Some("its account is paused".to_owned()),
        standing => Some(format!("its account is {standing}: {}", line.reason)),
    }
}
