//! What an account holds, for sessions that are about to read mail.

use crate::provider::HeldBody;
use crate::store::failure::Trouble;
use crate::store::read::{Reader, failed};
use crate::store::rows::{Names, hash, identity};
use crate::store::sql::held::{
    FoundIn, HeldBodies, HeldColumns, LostColumns, LostMail, TwinColumns, Twins,
};
use crate::store::sql::query::Document;
use crate::store::sql::setting::Setting;
use postrider_core::failure::Failure;
use postrider_core::mail::body::BodyRef;
use postrider_core::mail::folder::WireName;
use postrider_core::mail::id::Identity;
use postrider_core::mail::key::MatchKey;
use postrider_core::mail::recognise::{LONG, Lost, Missed};
use postrider_core::time::Micros;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Of more messages in limbo none is looked for: their pages are read.
const LOST: usize = 5000;

/// The bytes that a row of `body` names. They were sealed before the row was written.
#[expect(clippy::disallowed_methods, reason = "a stored row names what was sealed before it")]
fn body(row: &HeldColumns) -> BodyRef {
    let number = |number| u64::try_from(number).unwrap_or(0);
    BodyRef::sealed(row.hash, row.pack, number(row.offset), number(row.length))
}

fn size(row: &HeldColumns) -> u64 {
    u64::try_from(row.size).unwrap_or(0)
}

/// Longest look.
const DEADLINE: Duration = Duration::from_secs(60);

async fn in_time<T>(look: impl Future<Output = Result<T, Trouble>>) -> Result<T, Failure> {
    let late = |_| Failure::storage("the database did not answer in time");
    tokio::time::timeout(DEADLINE, look).await.map_err(late)?.map_err(failed)
}

impl Reader {
    async fn bodies_held(
        &self,
        account: &str,
        names: &[Identity],
    ) -> Result<BTreeMap<Identity, HeldBody>, Trouble> {
        let query = HeldBodies { account: account.to_owned(), names: Document::of(&names)? };
        let row = |row: HeldColumns| {
            let held = HeldBody { body: body(&row), size: size(&row) };
            (identity(row.identity, row.hash), held)
        };
        Ok(self.ask(query).await?.into_iter().map(row).collect())
    }

    async fn missed_in(&self, account: &str, remote_id: &WireName) -> Result<Missed, Trouble> {
        let most = i64::try_from(LOST + 1).unwrap_or(i64::MAX);
        let long = i64::try_from(LONG).unwrap_or(i64::MAX);
        let lost = LostMail { account: account.to_owned(), most, larger_than: long };
        let rows = self.ask(lost).await?;
        if rows.is_empty() || rows.len() > LOST {
            return Ok(Missed::default());
        }
        let (account, remote_id) = (account.to_owned(), remote_id.clone());
        let found = self.ask_one(FoundIn { account, remote_id }).await?;
        // Sizes that are estimates recognise nothing.
        let Some(found) = found.filter(|found| !found.sizes_estimated) else {
            return Ok(Missed::default());
        };
        let lost = |row: LostColumns| {
            let LostColumns { held, message_id, internal_date, last_sight, last_folder } = row;
            let key = MatchKey::of(message_id.as_deref(), internal_date, Some(size(&held)));
            let body = body(&held);
            let identity = identity(held.identity, held.hash);
            Lost { identity, key, body, last_sight, left: last_folder }
        };
        Ok(Missed {
            folder: found.folder,
            lost: rows.into_iter().map(lost).collect(),
            uidnext: found.uidnext,
            passed_at: found.passed_at,
            opened_at: found.opened_at,
        })
    }
}

impl Reader {
    async fn twins_of(
        &self,
        account: &str,
        names: &[Identity],
    ) -> Result<BTreeSet<Identity>, Trouble> {
        let names = Names::of(names.iter());
        let query = Twins {
            account: account.to_owned(),
            names: Document::of(&names.own)?,
            hashes: Document::of(&names.bytes)?,
        };
        let twins = self.ask(query).await?.into_iter();
        let name = |row: TwinColumns| match row.identity {
            Some(name) => Ok(Identity(name)),
            None => Ok(identity(None, hash(row.hash)?)),
        };
        twins.map(name).collect()
    }
}

impl Reader {
    /// As `Memory::held`.
    ///
    /// # Errors
    /// Class storage.
    pub async fn held(
        &self,
        account: &str,
        names: &[Identity],
    ) -> Result<BTreeMap<Identity, HeldBody>, Failure> {
        in_time(self.bodies_held(account, names)).await
    }

    /// As `Memory::missed`.
    ///
    /// # Errors
    /// Class storage.
    pub async fn missed(&self, account: &str, remote_id: &WireName) -> Result<Missed, Failure> {
        in_time(self.missed_in(account, remote_id)).await
    }

    /// As `Memory::twins`.
    ///
    /// # Errors
    /// Class storage.
    pub async fn twins(
        &self,
        account: &str,
        names: &[Identity],
    ) -> Result<BTreeSet<Identity>, Failure> {
        in_time(self.twins_of(account, names)).await
    }

    /// As `Memory::refused_proof`.
    ///
    /// # Errors
    /// Class storage.
    pub async fn refused_proof(
        &self,
        account: &str,
        mark: &str,
    ) -> Result<Option<Micros>, Failure> {
        let found = async {
            let kept = self.ask_one(Setting { name: refused_proof_of(account) }).await?;
            Ok(kept.map(|kept| kept.value))
        };
        let found = in_time(found).await?;
        let (at, of) = found.as_deref().and_then(|text| text.split_once(' ')).unwrap_or_default();
        Ok(at.parse().ok().filter(|_| of == mark).map(Micros))
    }
}

/// The setting that says which password's proof a server has refused, and when.
pub(super) fn refused_proof_of(account: &str) -> String {
    format!("refused_proof {account}")
}
