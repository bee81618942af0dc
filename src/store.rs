//! The database: one writer, a pool of readers, and the actor in front of them.

pub mod actor;
mod apply;
pub mod arrivals;
mod audit;
pub mod check;
mod connect;
mod deliver;
pub mod derive;
mod disagreement;
mod driver_error;
mod expired;
mod failure;
mod failures;
mod feed;
mod held;
mod in_hand;
mod inbound;
mod instance;
mod integrity;
mod jobs;
pub mod list;
pub mod listed;
mod living;
pub mod mail;
pub mod mending;
pub mod message;
mod open_error;
pub mod orders;
mod packs;
mod page;
mod pass;
mod process;
mod read;
mod repair;
mod rows;
mod shown;
mod sql;
mod subscriptions;
mod told;
mod transaction;
mod waiting;

pub use apply::Done;
pub use audit::{AuditEnd, AuditRow, AuditWork, WhichAudits};
pub use connect::{Database, Fitness, look, open, open_as, open_for_reading, open_to_look};
pub use deliver::{DeliverWork, DeliveryRow, SubscriberReader, SubscriberRow};
pub use disagreement::Disagreement;
pub use expired::{Collected, ExpiredReader};
pub use failures::{FailureReader, FailureWork, WhichFailures};
pub use feed::FeedStanding;
pub use inbound::{Inbound, InboundWork};
pub use instance::{
    StartCount, adopt, agree, belongs, bodies_are_there, excuse_bodies, mark_bodies, note_place,
    note_stop, own_bodies,
};
pub use integrity::{AccountBreaks, IntegrityReader, StoreBreaks};
pub use jobs::{JobReader, JobWork, WhichJobs};
pub use open_error::OpenError;
pub use packs::{
    CopiedInto, Holders, NewPack, PackReader, PackWeight, PackWork, PlaceNow, ScrubbedPack,
};
pub use read::{Chosen, ManifestRow, Reader};
pub use repair::{Again, RepairReader, RepairStep};
pub use shown::{OfAccounts, Thing};
pub use sql::audit::StoredAudit;
pub use sql::counts::Miscount;
pub use sql::deliver::StoredDelivery;
pub use sql::expired::ExpiredCounts;
pub use sql::failures::{FailingAccount, LeftOut, StoredFailure};
pub use sql::integrity::{NoAccount, NoCursor, NoMessage, NoRow, OldCounter, OtherPlaces};
pub use sql::reading::{AccountInfo, ManifestFolder};
pub use sql::shown::{
    EventNumbers, EventTime, MailHead, StoredAccount, StoredEvent, StoredFolder, StoredRun,
};
pub use subscriptions::{SubscriptionKey, SubscriptionWork};
pub use told::FeedEnd;
