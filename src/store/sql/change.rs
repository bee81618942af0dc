//! Everything of a change that is not a message.

use crate::store::sql::query::{Document, queries};
use postrider_core::failure::Class;
use postrider_core::mail::folder::{Role, WireName};
use postrider_core::mail::id::{AccountId, FolderId, UidValidity};
use postrider_core::mail::recognise::IdentityKind;
use postrider_core::standing::{EventKind, Outcome, Standing};
use postrider_core::time::Micros;

queries! {
    /// A text that writes something of a change that is not a message.
    ChangeText, change:
    AccountOpened { account: AccountId, opened_at: Option<Micros>, identity_kind: IdentityKind };
    ReopenFolder { folder: FolderId, uidvalidity: UidValidity, exists: u32, opened_at: Micros };
    FolderGrew { folder: FolderId, grown_at: Option<Micros> };
    DropNotes { folder: FolderId };
    DropFolder { folder: FolderId, at: Micros };
    CloseFailuresOfFolder { folder: FolderId, at: Micros };
    RenameFolder {
        folder: FolderId,
        remote_id: WireName,
        path: String,
        delimiter: Option<String>,
        role: Option<Role>,
    };
    FolderLook { folder: FolderId, look: Document };
    FolderMisfit { folder: FolderId, misfit: Document };
    FolderRefused { folder: FolderId, look: Option<Document> };
    FolderPassed {
        folder: FolderId,
        passed_at: Option<Micros>,
        proved_at: Option<Micros>,
        unproved: Option<String>,
        exists: u32,
        surplus: i64,
        grown_at: Option<Micros>,
    };
    SettleFolder { folder: FolderId, at: Micros };
    AccountListed { account: AccountId, started: Micros };
    SettleAccount { account: AccountId, at: Micros };
    ExcludeFolders { account: AccountId, folders: Document };
    PutShut {
        account: AccountId,
        folder: Option<FolderId>,
        remote_id: WireName,
        path: String,
        class: Class,
        attempts: u32,
        due_at: Micros,
        version: &'static str,
        text: String,
        first_at: Micros,
        at: Micros,
    };
    SizesEstimated { account: AccountId };
    Stand {
        account: AccountId,
        state: Standing,
        reason: String,
        since: Micros,
        next_attempt_at: Option<Micros>,
    };
    CloseShut { account: AccountId, names: Document, at: Micros };
    ForgetNote {
        account: AccountId,
        about: &'static str,
        folder: FolderId,
        remote_id: WireName,
        uidvalidity: UidValidity,
        uid: u32,
    };
    PutNote {
        account: AccountId,
        about: &'static str,
        folder: FolderId,
        remote_id: WireName,
        uidvalidity: UidValidity,
        uid: u32,
        count: u32,
        text: String,
        at: Micros,
    };
    ListLook { account: AccountId, look: Option<Document> };
    InsertFolder {
        folder: FolderId,
        account: AccountId,
        remote_id: WireName,
        path: String,
        delimiter: Option<String>,
        role: Option<Role>,
        uidvalidity: UidValidity,
        exists: u32,
        opened_at: Micros,
    };
    PutLanes { folder: FolderId, lanes: Document };
    CloseFailures { folder: FolderId, uids: Document, at: Micros };
    PutFailures {
        account: AccountId,
        folder: FolderId,
        at: Micros,
        version: &'static str,
        rows: Document,
    };
    FailAgain {
        account: AccountId,
        folder: Option<FolderId>,
        class: Class,
        at: Micros,
        text: String,
    };
    InsertFailure {
        account: AccountId,
        folder: Option<FolderId>,
        reach: &'static str,
        class: Class,
        version: &'static str,
        text: String,
        at: Micros,
    };
    InsertRun {
        account: AccountId,
        started_at: Micros,
        finished_at: Micros,
        outcome: Outcome,
        reason: String,
        stored: u64,
        octets: u64,
        facts: u64,
        failed: u64,
        cause: String,
    };
    InsertEvent {
        seq: i64,
        id: String,
        at: Micros,
        kind: EventKind,
        account: AccountId,
        data: String,
    };
}
