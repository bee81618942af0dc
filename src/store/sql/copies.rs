//! Bodies that are copied from file to file.

use crate::store::sql::query::{Document, queries, rows};
use crate::store::sql::repair_asked::BodyPlace;
use postrider_core::mail::body::BodyHash;
use postrider_core::time::Micros;

rows! {
    /// How much lies in a pack.
    pub struct PackWeight {
        /// Octets that bodies take in it.
        pub named: u64,
        /// Bodies that are given up, and keep their place in it.
        pub lost: u64,
    }

    pub(in crate::store) struct PackNumber {
        pub(in crate::store) id: i64,
    }
}

queries! {
    /// A text about copies.
    CopyText, copies:
    WeightOf { pack: i64 } -> PackWeight;
    /// Those whose bodies were compressed, as far as that saves.
    CompressedPacks {} -> PackNumber;
    /// Where these bytes lie.
    PlaceOf { hash: BodyHash } -> BodyPlace;
    /// Packs into which bodies were copied, each with its end, how much that is, and when they were compressed, if they were: all
    /// of it was read.
    PutCopied { rows: Document, at: Micros };
    /// Bodies lie in another place, where they still lie in this one.
    MoveBodies { rows: Document };
}
