//! Sealed bytes: the truth about where they lie.

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "body")]
pub struct Model {
    /// Row number: what a message names it by.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// SHA-256.
    pub hash: Vec<u8>,
    /// Number of the pack.
    pub pack: i64,
    /// First octet.
    pub offset: i64,
    /// Octets of the mail.
    pub length: i64,
    /// When it was stored.
    pub stored_at: i64,
    /// When the last message that had it went; none while one has it.
    pub unnamed_at: Option<i64>,
    /// Octets that it takes in its pack, as a zstd frame (RFC 8878); none: it lies there as it is.
    pub stored: Option<i64>,
}

/// Tables are joined by hand where they are read.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
