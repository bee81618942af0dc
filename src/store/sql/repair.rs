//! What is set right of what is found damaged.

use crate::store::sql::integrity::OneMessage;
use crate::store::sql::query::{Document, queries};
use postrider_core::mail::body::BodyHash;
use postrider_core::time::Micros;

queries! {
    /// A text that sets something right.
    RepairText, repair:
    /// Its bytes are given up, if they still lie there.
    LoseBody { hash: BodyHash, pack: i64, offset: u64, length: u64 };
    /// Bytes that were read, each with its hash in hex: those that were lost lie there from now on.
    PlaceLost { rows: Document, at: Micros } -> OneMessage;
    /// Of these messages, those whose bytes have no row name none: its number may be given to others'.
    NameNoBody { messages: Document };
    /// Messages, each with the hash of its bytes in hex: the rows of these are there.
    AdoptBodies { rows: Document };
    /// Places, by folder, UID and message, where that is not there.
    DropPlaces { rows: Document };
    /// Of these messages, those that have neither bytes nor a place.
    DropMessages { messages: Document };
    /// Places of these messages, where they are not there.
    DropPlacesOf { messages: Document };
    /// Messages, each with its number of places as it was kept, and as it is.
    CountPlaces { rows: Document, at: Micros };
    /// Numbers of events that are missing.
    LeapOver { at: Micros, after: i64, next: i64 };
}
