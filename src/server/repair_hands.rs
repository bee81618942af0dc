//! How a mirror is set right: what was found is written step by step, and its server is asked for what is lost.
#![expect(
    clippy::disallowed_methods,
    reason = "it is looked at the end of a run until that has come"
)]

use crate::account::message::NotObeyed;
use crate::boot::switchboard::Switchboard;
use crate::fault;
use crate::server::operator::derive_again;
use crate::store::orders::Control;
use crate::store::{IntegrityReader, RepairReader, RepairStep};
use crate::supervision::root::RootMsg;
use crate::telemetry::registry::Registry;
use crate::verify::{
    DamagedBody, Derived, Insists, Mirror, RepairPlan, Rows, local, looked_at_again, of_messages,
    of_no_place,
};
use postrider_core::account::follow::{Command, Conflict};
use postrider_core::failure::Failure;
use postrider_core::time::Micros;
use ractor::ActorRef;
use std::time::Duration;

/// Longest time until a step is durable, or refused.
const WRITE: Duration = Duration::from_secs(60);

/// Whom a repair asks.
pub(super) struct RepairHands {
    pub(super) switchboard: Switchboard,
    pub(super) registry: Registry,
    pub(super) root: ActorRef<RootMsg>,
}

/// Sets right what is damaged of an account, and has it looked at. What was done, in words.
pub(super) async fn repair(
    mirror: &Mirror,
    hands: RepairHands,
    insists: Insists,
    now: Micros,
) -> Result<String, Failure> {
    let RepairHands { switchboard, registry, root } = hands;
    let before = RepairReader::new(&mirror.reader).highest().await?;
    let (said, is_other) = repaired(mirror, &switchboard, insists, now).await?;
    let mut then = read_again(&mirror.name, &switchboard, &registry).await;
    if came_damaged(mirror, &switchboard, before).await? {
        then = read_again(&mirror.name, &switchboard, &registry).await;
    }
    let twins = RepairReader::new(&mirror.reader).twinned(mirror.account).await?;
    let is_other = is_other || !twins.is_empty();
    for id in &twins {
        tracing::info!(account.id = %mirror.name, "repair: message {id}: it is held under another number now, and gone");
    }
    if !twins.is_empty() {
        let gone = RepairStep::Gone(twins);
        switchboard.control(Control::Repair(mirror.account, gone), WRITE).await?;
    }
    if is_other {
        derive_again(&root, mirror.account).await?;
    }
    Ok(format!("{said}; {then}"))
}

/// Whether of what has come anew meanwhile some was given bytes that lay there already, and are damaged: it is read again.
async fn came_damaged(
    mirror: &Mirror,
    switchboard: &Switchboard,
    before: i64,
) -> Result<bool, Failure> {
    let reader = RepairReader::new(&mirror.reader);
    let came = reader.behind(mirror.account, before).await?;
    let bodies = reader.bodies_of(&came).await?;
    let damaged = looked_at_again(&mirror.bodies, of_messages(bodies)).await?;
    let damaged: Vec<DamagedBody> = damaged.into_iter().filter(|one| !one.is_unreadable).collect();
    let mut plan = RepairPlan::default();
    plan.lose(&damaged);
    for step in plan.steps {
        switchboard.control(Control::Repair(mirror.account, step), WRITE).await?;
    }
    Ok(!damaged.is_empty())
}

/// Lines of what was done, or is left, that are written to the log.
const TOLD: usize = 1000;

/// Sets right what is damaged of an account. What was done, and whether rows were, of which something is derived.
async fn repaired(
    mirror: &Mirror,
    switchboard: &Switchboard,
    insists: Insists,
    now: Micros,
) -> Result<(String, bool), Failure> {
    // What lies in folders that are there again is looked at with the others.
    let (steps, folders) = RepairPlan::first(&mirror.reader, mirror.account).await?;
    for step in steps {
        switchboard.control(Control::Repair(mirror.account, step), WRITE).await?;
        fault::pass("repair.step");
    }
    let mut verified = local(mirror, (Rows::Passed, Derived::Looked), now).await?;
    let store = IntegrityReader::new(&mirror.reader).store().await?;
    let mut damaged = std::mem::take(&mut verified.found.damaged);
    let (suspect, gone) =
        of_no_place(&RepairReader::new(&mirror.reader), &verified.found.breaks).await?;
    damaged.extend(suspect);
    let damaged = looked_at_again(&mirror.bodies, damaged).await?;
    let RepairPlan { steps, said, left, is_other } =
        RepairPlan::of(&verified, store, (&damaged, &gone), insists);
    let said = [folders, said].concat();
    let account = mirror.account;
    for step in steps {
        switchboard.control(Control::Repair(account, step), WRITE).await?;
        fault::pass("repair.step");
    }
    // Behind what was set right of rows: the counts are of these.
    let miscounts = mirror.reader.miscounts(account).await?;
    let counts = miscounts.len();
    if counts > 0 {
        switchboard
            .control(Control::Repair(account, RepairStep::Recounted(miscounts)), WRITE)
            .await?;
    }
    for line in said.iter().take(TOLD) {
        tracing::info!(account.id = %mirror.name, "repair: {line}");
    }
    for line in left.iter().take(TOLD) {
        tracing::warn!(account.id = %mirror.name, "repair: it stays: {line}");
    }
    let (done, stay) = (said.len(), left.len());
    let mut told = format!("{done} set right or asked for again, {counts} counts, {stay} stay");
    if let Some(first) = left.first() {
        told.push_str(&format!(" ({first})"));
    }
    Ok((told, is_other))
}

/// How often it is looked whether a run has ended, and for how long.
const LOOK: Duration = Duration::from_millis(200);
const READ_AGAIN: Duration = Duration::from_secs(3600);

/// Has an account looked at, and waits for that: what is asked for again is there then.
async fn read_again(account: &str, switchboard: &Switchboard, registry: &Registry) -> String {
    let run = match switchboard.command(account, Command::SyncNow).await {
        Ok((_, run)) => run,
        Err(NotObeyed::Conflict(Conflict(why))) => {
            return format!("its server is asked when it next can be ({why})");
        }
        Err(NotObeyed::NotStored | NotObeyed::Late) => {
            return "its server is asked by its next run".to_owned();
        }
    };
    let waits = async {
        let mut look = tokio::time::interval(LOOK);
        loop {
            look.tick().await;
            let ended =
                registry.look(account, |line| line.runs.0 >= run || line.standing.is_stuck());
            if ended.unwrap_or(true) {
                return;
            }
        }
    };
    match tokio::time::timeout(READ_AGAIN, waits).await {
        Ok(()) => "its server was asked".to_owned(),
        Err(_) => "its server is being asked".to_owned(),
    }
}
