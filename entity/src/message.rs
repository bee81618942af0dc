//! Messages; a deleted one keeps its row.

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "message")]
pub struct Model {
    /// Row number.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: i64,
    /// The account.
    pub account: i64,
    /// Identity inside the account; none where its bytes are what names it.
    pub identity: Option<String>,
    /// Its bytes.
    pub body: i64,
    /// Octets.
    pub size: i64,
    /// Message-ID: an attribute, never identity.
    pub message_id: Option<String>,
    /// Subject.
    pub subject: Option<String>,
    /// From.
    pub from_text: Option<String>,
    /// To.
    pub to_text: Option<String>,
    /// Cc.
    pub cc_text: Option<String>,
    /// Date header.
    pub date: Option<i64>,
    /// INTERNALDATE where it was first read.
    pub internal_date: Option<i64>,
    /// When it was stored.
    pub stored_at: i64,
    /// `ok`, `lenient` or `failed`.
    pub parse: String,
    /// Since when it has no location.
    pub limbo_since: Option<i64>,
    /// Where it was last.
    pub last_folder: Option<i64>,
    /// When it was seen there.
    pub last_sight: Option<i64>,
    /// When it was declared deleted.
    pub deleted_at: Option<i64>,
    /// Its living locations.
    pub places: i64,
    /// RFC822.SIZE, where it is another length.
    pub announced: Option<i64>,
    /// The version of its state, where the provider has them.
    pub version: Option<String>,
    /// What its server calls its thread.
    pub thread: Option<String>,
    /// Its provider hands out no bytes of it: what it tells of it (JSON) stands in their place.
    pub synthetic: bool,
}

/// Tables are joined by hand where they are read.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
