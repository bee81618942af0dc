//! Packs, as who reads all of them knows them: which there are, when each was read, what lies in it.

use crate::store::read::{Reader, failed};
use crate::store::repair::body_of;
use crate::store::sql::copies::{CompressedPacks, PlaceOf, WeightOf};
use crate::store::sql::packs::{
    AllMail, AllPacks, BodiesIn, DeadPacks, Holder, HoldersOf, LostBodies, NextPack,
};
use crate::store::sql::query::Document;
use crate::store::sql::setting::Setting;
use postrider_core::failure::Failure;
use postrider_core::mail::body::{MovedBody, SPARED_PACK, StoredBody};
use postrider_core::mail::id::{AccountId, MessageId};
use postrider_core::scrub::PackStand;
use postrider_core::time::Micros;
use std::collections::{BTreeMap, BTreeSet};

pub use crate::store::sql::copies::PackWeight;

/// Of all packs up to this number that a body lies in there is a row.
pub(super) const KNOWN: &str = "packs_known";

/// A pack that has no row yet.
#[derive(Clone, Copy, Debug)]
pub struct NewPack {
    /// Its number.
    pub id: i64,
    /// Where the last body in it ends.
    pub octets: u64,
    /// It counts as read then; none: it is to be read.
    pub scrubbed_at: Option<Micros>,
}

/// Damage of an account's mail.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DamagedMail {
    /// How many messages.
    pub count: u64,
    /// The first of them.
    pub first: BTreeSet<i64>,
}

/// A pack into which bodies were copied.
#[derive(Clone, Copy, Debug)]
pub struct CopiedInto {
    /// Its number.
    pub id: i64,
    /// Where the last of them ends.
    pub octets: u64,
    /// Octets of them.
    pub named: u64,
    /// When they were compressed, as far as that saves; none: they were not.
    pub compressed_at: Option<Micros>,
}

/// A pack that was read.
#[derive(Clone, Debug)]
pub struct ScrubbedPack {
    /// Its number.
    pub id: i64,
    /// When that was begun.
    pub at: Micros,
    /// Where the last body in it ends.
    pub octets: u64,
    /// Octets of the bodies in it.
    pub named: u64,
    /// How many of these are damaged.
    pub damaged: u64,
    /// Whose that is; told where more is than was.
    pub mail: BTreeMap<AccountId, DamagedMail>,
}

/// What is written of packs.
#[derive(Clone, Debug)]
pub enum PackWork {
    /// Which there are: those that are new, and up to which number no other can come.
    Known {
        /// They have a row from now on.
        new: Vec<NewPack>,
        /// What lies in one up to this number lay there when the process began.
        upto: i64,
    },
    /// Something has lain in these up to there.
    Ends(Vec<NewPack>),
    /// All of one was read.
    Scrubbed(ScrubbedPack),
    /// Nothing lies in these that a row names; none of their numbers is used again, which begin there at least.
    Dead(Vec<i64>, i64),
    /// These are no more.
    Unlinked(Vec<i64>),
    /// These bodies lie in another place.
    Moved(Vec<MovedBody>),
    /// Bodies were copied into these.
    Copied(Vec<CopiedInto>),
}

/// Where bytes lie that lay somewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlaceNow {
    /// There.
    Same,
    /// They were moved meanwhile.
    Moved(StoredBody),
    /// No row has them any more.
    Gone,
}

/// Messages that an event names.
const TOLD: usize = 20;
/// Bodies that are asked about together.
const PIECE: usize = 500;

/// Who has these bytes.
#[derive(Debug, Default)]
pub struct Holders {
    /// By account.
    pub mail: BTreeMap<AccountId, DamagedMail>,
    /// Of each body one that lives, where one does.
    pub living: BTreeMap<i64, (AccountId, MessageId)>,
}

impl Holders {
    fn add(&mut self, row: &Holder) {
        let mail = self.mail.entry(row.account).or_default();
        mail.count += 1;
        mail.first.insert(row.message);
        if mail.first.len() > TOLD {
            mail.first.pop_last();
        }
        if row.is_living {
            self.living.entry(row.body).or_insert((row.account, MessageId(row.message)));
        }
    }
}

/// What is asked about packs.
#[derive(Debug)]
pub struct PackReader<'a> {
    reader: &'a Reader,
}

impl<'a> PackReader<'a> {
    /// By this reader.
    #[must_use]
    pub fn new(reader: &'a Reader) -> Self {
        Self { reader }
    }

    /// The packs that have a row.
    ///
    /// # Errors
    /// Class storage.
    pub async fn all(&self) -> Result<BTreeMap<i64, PackStand>, Failure> {
        let rows = self.reader.ask(AllPacks {}).await.map_err(failed)?;
        let stand = |scrubbed_at, damaged| PackStand { scrubbed_at, damaged };
        Ok(rows.into_iter().map(|row| (row.id, stand(row.scrubbed_at, row.damaged))).collect())
    }

    /// Packs in which nothing lies any more, and since when.
    ///
    /// # Errors
    /// Class storage.
    pub async fn dead(&self) -> Result<BTreeMap<i64, Micros>, Failure> {
        let rows = self.reader.ask(DeadPacks {}).await.map_err(failed)?;
        Ok(rows.into_iter().map(|row| (row.id, row.dead_at)).collect())
    }

    /// Where the last body in each has ended when that was counted, of those in which something lies.
    ///
    /// # Errors
    /// Class storage.
    pub async fn ends(&self) -> Result<BTreeMap<i64, u64>, Failure> {
        let rows = self.reader.ask(AllPacks {}).await.map_err(failed)?;
        Ok(rows.into_iter().map(|row| (row.id, row.octets)).collect())
    }

    /// What a start does not give back: beside what is spared anyway, what bodies have named lately. A database that is put back
    /// may name it again.
    ///
    /// # Errors
    /// Class storage.
    pub async fn spared_at_start(&self) -> Result<BTreeMap<i64, u64>, Failure> {
        let mut spared = self.spared().await?;
        for (id, octets) in self.ends().await? {
            let end = spared.entry(id).or_default();
            *end = octets.max(*end);
        }
        Ok(spared)
    }

    /// What is not given back at once: what bodies name, and packs that have died lately.
    ///
    /// # Errors
    /// Class storage.
    pub async fn spared(&self) -> Result<BTreeMap<i64, u64>, Failure> {
        let mut spared = self.reader.named_packs().await?;
        spared.extend(self.dead().await?.into_keys().map(|id| (id, SPARED_PACK)));
        Ok(spared)
    }

    /// The highest number that was ever given, as far as that is written.
    ///
    /// # Errors
    /// Class storage.
    pub async fn highest(&self) -> Result<i64, Failure> {
        let row = self.reader.ask_one(NextPack {}).await.map_err(failed)?;
        Ok(row.map_or(0, |row| row.next - 1))
    }

    /// Packs in which bodies lie, and of which there is no row although there was one.
    ///
    /// # Errors
    /// Class storage.
    pub async fn missing(&self) -> Result<Vec<i64>, Failure> {
        let setting = Setting { name: KNOWN.to_owned() };
        let Some(known) = self.reader.ask_one(setting).await.map_err(failed)? else {
            return Ok(Vec::new());
        };
        let upto: i64 = known.value.parse().unwrap_or(0);
        let named = self.reader.named_packs().await?;
        let rows = self.all().await?;
        let lacks = |id: &i64| *id <= upto && !rows.contains_key(id);
        let missing: Vec<i64> = named.into_keys().filter(lacks).collect();
        if missing.is_empty() {
            return Ok(missing);
        }
        // What was purged meanwhile has no row any more, and needs none.
        let named = self.reader.named_packs().await?;
        Ok(missing.into_iter().filter(|id| named.contains_key(id)).collect())
    }

    /// What lies in a pack from an offset on, in its order, so many at most: each by the number of its row.
    ///
    /// # Errors
    /// Class storage.
    pub async fn bodies(
        &self,
        pack: i64,
        from: u64,
        most: i64,
    ) -> Result<Vec<(i64, StoredBody)>, Failure> {
        let rows = self.reader.ask(BodiesIn { pack, from, most }).await.map_err(failed)?;
        Ok(rows.into_iter().map(body_of).collect())
    }

    /// Where bytes lie now that could not be read where they lay.
    ///
    /// # Errors
    /// Class storage.
    pub async fn place(&self, from: &StoredBody) -> Result<PlaceNow, Failure> {
        let row = self.reader.ask_one(PlaceOf { hash: from.hash }).await.map_err(failed)?;
        Ok(match row.map(|row| body_of(row).1) {
            Some(place) if place != *from => PlaceNow::Moved(place),
            Some(_) => PlaceNow::Same,
            None => PlaceNow::Gone,
        })
    }

    /// How much lies in a pack.
    ///
    /// # Errors
    /// Class storage.
    pub async fn weight(&self, pack: i64) -> Result<PackWeight, Failure> {
        let row = self.reader.ask_one(WeightOf { pack }).await.map_err(failed)?;
        row.ok_or_else(|| Failure::bug("a count has no row"))
    }

    /// Packs whose bodies were compressed, as far as that saves.
    ///
    /// # Errors
    /// Class storage.
    pub async fn compressed(&self) -> Result<BTreeSet<i64>, Failure> {
        let rows = self.reader.ask(CompressedPacks {}).await.map_err(failed)?;
        Ok(rows.into_iter().map(|row| row.id).collect())
    }

    /// Whose these bodies are.
    ///
    /// # Errors
    /// Class storage.
    pub async fn holders(&self, bodies: &[i64]) -> Result<Holders, Failure> {
        let mut holders = Holders::default();
        for piece in bodies.chunks(PIECE) {
            let bodies = Document::of(&piece).map_err(failed)?;
            let rows = self.reader.ask(HoldersOf { bodies }).await.map_err(failed)?;
            rows.iter().for_each(|row| holders.add(row));
        }
        Ok(holders)
    }

    /// How many bodies are given up, and have not come again.
    ///
    /// # Errors
    /// Class storage.
    pub async fn lost(&self) -> Result<u64, Failure> {
        let row = self.reader.ask_one(LostBodies {}).await.map_err(failed)?;
        Ok(row.map_or(0, |row| row.bodies))
    }

    /// How many messages there are, of all accounts.
    ///
    /// # Errors
    /// Class storage.
    pub async fn mails(&self) -> Result<u64, Failure> {
        let row = self.reader.ask_one(AllMail {}).await.map_err(failed)?;
        Ok(row.map_or(0, |row| row.messages))
    }
}
