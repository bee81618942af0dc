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
use crate::store::{Holders, IntegrityReader, Reader, RepairReader, RepairStep};
use crate::supervision::root::RootMsg;
use crate::telemetry::registry::Registry;
use crate::verify::{
    DamagedBody, Derived, HeldAt, Insists, Mirror, RepairPlan, Rows, Suspect, local,
    looked_at_again, of_messages, of_no_place,
};
use postrider_core::account::follow::{Command, Conflict};
use postrider_core::failure::Failure;
use postrider_core::mail::id::AccountId;
use postrider_core::time::Micros;
use ractor::ActorRef;
use std::collections::BTreeMap;
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
    let (told, is_other) = repaired(mirror, &switchboard, insists, now).await?;
    let mut then = read_again(&mirror.name, &switchboard, &registry).await;
    if came_damaged(mirror, &switchboard, before, insists).await? {
        then = read_again(&mirror.name, &switchboard, &registry).await;
    }
    let twins = RepairReader::new(&mirror.reader).twinned(mirror.account).await?;
    let is_other = is_other || !twins.is_empty();
    let plan = RepairPlan::twins(&twins);
    written(mirror, &switchboard, plan.steps).await?;
    said(mirror, &plan.said);
    if is_other {
        derive_again(&root, mirror.account).await?;
    }
    Ok(format!("{told}; {then}"))
}

/// Writes steps, one transaction each.
async fn written(
    mirror: &Mirror,
    switchboard: &Switchboard,
    steps: Vec<RepairStep>,
) -> Result<(), Failure> {
    for step in steps {
        switchboard.control(Control::Repair(mirror.account, step), WRITE).await?;
        fault::pass("repair.step");
    }
    Ok(())
}

fn said(mirror: &Mirror, lines: &[String]) {
    for line in lines {
        tracing::info!(account.id = %mirror.name, "repair: {line}");
    }
}

/// Whether of what has come anew meanwhile some was given bytes that lay there already, and are damaged: it is read again.
async fn came_damaged(
    mirror: &Mirror,
    switchboard: &Switchboard,
    before: i64,
    insists: Insists,
) -> Result<bool, Failure> {
    let reader = RepairReader::new(&mirror.reader);
    let came = reader.behind(mirror.account, before).await?;
    let bodies = reader.bodies_of(&came).await?;
    let damaged = looked_at_again(&mirror.bodies, of_messages(bodies)).await?;
    let plan = RepairPlan::of_bodies(&damaged, insists);
    let is_asked = !plan.steps.is_empty();
    written(mirror, switchboard, plan.steps).await?;
    said(mirror, &plan.said);
    Ok(is_asked)
}

/// Lines of what is left that are written to the log.
const TOLD: usize = 1000;

/// Sets right what is damaged of an account. What was done, and whether rows were, of which something is derived.
async fn repaired(
    mirror: &Mirror,
    switchboard: &Switchboard,
    insists: Insists,
    now: Micros,
) -> Result<(String, bool), Failure> {
    // What lies in folders that are there again is looked at with the others.
    let first = RepairPlan::first(&mirror.reader, mirror.account).await?;
    written(mirror, switchboard, first.steps).await?;
    let mut verified = local(mirror, (Rows::Passed, Derived::Looked), now).await?;
    let store = IntegrityReader::new(&mirror.reader).store().await?;
    let mut damaged = std::mem::take(&mut verified.found.damaged);
    let (suspect, gone) =
        of_no_place((&RepairReader::new(&mirror.reader), &mirror.bodies), &verified.found.breaks)
            .await?;
    damaged.extend(suspect);
    let damaged = looked_at_again(&mirror.bodies, damaged).await?;
    let plan = RepairPlan::of(&verified, store, (&damaged, &gone), insists);
    written(mirror, switchboard, plan.steps).await?;
    // Behind what was set right of rows: the counts are of these.
    let miscounts = mirror.reader.miscounts(mirror.account).await?;
    let counts = miscounts.len();
    if counts > 0 {
        written(mirror, switchboard, vec![RepairStep::Recounted(miscounts)]).await?;
    }
    said(mirror, &first.said);
    said(mirror, &plan.said);
    for line in plan.left.iter().take(TOLD) {
        tracing::warn!(account.id = %mirror.name, "repair: it stays: {line}");
    }
    let (done, stay) = (first.done + plan.done, plan.left.len());
    let mut told = format!("{done} set right or asked for again, {counts} counts, {stay} stay");
    if let Some(first) = plan.left.first() {
        told.push_str(&format!(" ({first})"));
    }
    Ok((told, plan.is_other))
}

/// Bytes that were found damaged are given up, and each is read again by an account whose server has it.
pub(super) async fn given_up(
    (reader, switchboard): (&Reader, &Switchboard),
    suspects: &[Suspect],
    holders: &Holders,
) -> Result<(), Failure> {
    let mut of: BTreeMap<AccountId, Vec<DamagedBody>> = BTreeMap::new();
    for Suspect { id, body, .. } in suspects {
        // What no server has any more stays as it is.
        let Some((account, message)) = holders.living.get(id) else { continue };
        let at = Some(HeldAt::Message(*message));
        of.entry(*account).or_default().push(DamagedBody { body: *body, at, is_unreadable: false });
    }
    let names = reader.stored_accounts(None).await?;
    for (account, damaged) in of {
        let plan = RepairPlan::of_suspects(&damaged);
        for step in plan.steps {
            switchboard.control(Control::Repair(account, step), WRITE).await?;
        }
        let Some(row) = names.iter().find(|row| row.id == account.0) else { continue };
        for line in &plan.said {
            tracing::info!(account.id = %row.name, "repair: {line}");
        }
        switchboard.tell(&row.name, Command::SyncNow);
    }
    Ok(())
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
