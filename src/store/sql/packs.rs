//! Files of bytes: when each was last read, what lies in them, and whose that is.

use crate::store::sql::query::{Document, queries, rows};
use crate::store::sql::repair_asked::BodyPlace;
use crate::store::sql::setting::NextSeq;
use postrider_core::mail::id::AccountId;
use postrider_core::time::Micros;

rows! {
    /// A pack, as it was last read.
    pub(in crate::store) struct PackRow {
        pub(in crate::store) id: i64,
        pub(in crate::store) octets: u64,
        pub(in crate::store) scrubbed_at: Option<Micros>,
        pub(in crate::store) damaged: u64,
    }

    /// A pack in which nothing lies, since then.
    pub(in crate::store) struct DeadPack {
        pub(in crate::store) id: i64,
        pub(in crate::store) dead_at: Micros,
    }

    /// How many bodies were damaged when it was last read.
    pub(in crate::store) struct DamagedColumn {
        pub(in crate::store) damaged: u64,
    }

    /// A message that has these bytes.
    pub(in crate::store) struct Holder {
        pub(in crate::store) body: i64,
        pub(in crate::store) message: i64,
        pub(in crate::store) account: AccountId,
        pub(in crate::store) is_living: bool,
    }

    pub(in crate::store) struct CountOfBodies {
        pub(in crate::store) bodies: u64,
    }

    pub(in crate::store) struct CountOfMail {
        pub(in crate::store) messages: u64,
    }
}

queries! {
    /// A text about packs.
    PackText, packs:
    /// Those in which something lies.
    AllPacks {} -> PackRow;
    DeadPacks {} -> DeadPack;
    NextPack {} -> NextSeq;
    DamagedOf { pack: i64 } -> DamagedColumn;
    /// What lies in it from there on.
    BodiesIn { pack: i64, from: u64, most: i64 } -> BodyPlace;
    HoldersOf { bodies: Document } -> Holder;
    /// Bodies that are given up, and have not come again.
    LostBodies {} -> CountOfBodies;
    /// Messages of all accounts, as they are counted.
    AllMail {} -> CountOfMail;
    /// Packs, each with its end and when it counts as read; those that have a row keep it.
    PutPacks { rows: Document };
    /// The same; of those that have one it is the longer end that counts.
    PutEnds { rows: Document };
    /// Of these, those in which nothing lies that a row names.
    ForgetPacks { packs: Document };
    /// The same: they are dead from now on, unless they are already.
    PutDead { packs: Document, at: Micros };
    /// Numbers of packs begin there at least.
    RaisePack { next: i64 };
    /// All of it was read.
    Scrubbed { pack: i64, octets: u64, named: u64, at: Micros, damaged: u64 };
    /// Packs are read anew: of each so many damaged bodies are given up.
    ScrubAnew { rows: Document };
}
