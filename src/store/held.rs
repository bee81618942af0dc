//! What an account holds, for sessions that are about to read mail.

use crate::provider::HeldBody;
use crate::store::failure::Trouble;
use crate::store::read::{Reader, failed};
use crate::store::rows::{Names, get, hash, identity};
use crate::store::sql::{HeldText, Text};
use postrider_core::failure::Failure;
use postrider_core::mail::body::BodyRef;
use postrider_core::mail::folder::WireName;
use postrider_core::mail::id::{FolderId, Identity};
use postrider_core::mail::key::MatchKey;
use postrider_core::mail::recognise::{LONG, Lost, Missed};
use postrider_core::time::Micros;
use sea_orm::QueryResult;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Of more messages in limbo none is looked for: their pages are read.
const LOST: usize = 5000;

/// The bytes that a row of `body` names. They were sealed before the row was written.
#[expect(clippy::disallowed_methods, reason = "a stored row names what was sealed before it")]
fn body(row: &QueryResult, at: usize) -> Result<BodyRef, Trouble> {
    let number = |at| get::<i64>(row, at).map(|number| u64::try_from(number).unwrap_or(0));
    Ok(BodyRef::sealed(hash(row, at)?, get(row, at + 1)?, number(at + 2)?, number(at + 3)?))
}

fn size(row: &QueryResult) -> Result<u64, Trouble> {
    Ok(u64::try_from(get::<i64>(row, 5)?).unwrap_or(0))
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
        let names = serde_json::to_string(names).map_err(|e| Trouble::damaged("identities", &e))?;
        let values = vec![account.to_owned().into(), names.into()];
        let row = |row: &QueryResult| {
            Ok((identity(row, 0, 1)?, HeldBody { body: body(row, 1)?, size: size(row)? }))
        };
        self.rows(HeldText::HeldBodies, values).await?.iter().map(row).collect()
    }

    async fn missed_in(&self, account: &str, remote_id: &WireName) -> Result<Missed, Trouble> {
        let most = i64::try_from(LOST + 1).unwrap_or(i64::MAX);
        let long = i64::try_from(LONG).unwrap_or(i64::MAX);
        let values = vec![account.to_owned().into(), most.into(), long.into()];
        let rows = self.rows(HeldText::LostMail, values).await?;
        if rows.is_empty() || rows.len() > LOST {
            return Ok(Missed::default());
        }
        let values = vec![account.to_owned().into(), remote_id.to_vec().into()];
        let folder = self.rows(HeldText::FoundIn, values).await?;
        // Sizes that are estimates recognise nothing.
        let folder = folder.first().filter(|row| matches!(get::<bool>(row, 3), Ok(false)));
        let Some(folder) = folder else { return Ok(Missed::default()) };
        let lost = |row: &QueryResult| {
            let (id, date): (Option<String>, Option<i64>) = (get(row, 6)?, get(row, 7)?);
            let key = MatchKey::of(id.as_deref(), date.map(Micros), Some(size(row)?));
            let last_sight = get::<Option<i64>>(row, 8)?.map(Micros);
            let left = get::<Option<i64>>(row, 9)?.map(FolderId);
            Ok(Lost { identity: identity(row, 0, 1)?, key, body: body(row, 1)?, last_sight, left })
        };
        Ok(Missed {
            folder: FolderId(get(folder, 4)?),
            lost: rows.iter().map(lost).collect::<Result<_, Trouble>>()?,
            uidnext: u32::try_from(get::<i64>(folder, 2)?)
                .map_err(|e| Trouble::damaged("a stored UIDNEXT", &e))?,
            passed_at: get::<Option<i64>>(folder, 0)?.map(Micros),
            opened_at: get::<Option<i64>>(folder, 1)?.map(Micros),
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
        let list = |names: &[&str]| {
            serde_json::to_string(names).map_err(|e| Trouble::damaged("identities", &e))
        };
        let (own, bytes) = (list(&names.own)?, list(&names.bytes)?);
        let values = vec![account.to_owned().into(), own.into(), bytes.into()];
        let rows = self.rows(HeldText::Twins, values).await?;
        rows.iter().map(|row| identity(row, 0, 1)).collect()
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
            let rows = self.rows(Text::Setting, vec![refused_proof_of(account).into()]).await?;
            rows.first().map(|row| get::<String>(row, 0)).transpose()
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
