//! Sealed bytes: the truth about where they lie.

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "body")]
pub struct Model {
    /// SHA-256.
    #[sea_orm(primary_key, auto_increment = false)]
    pub hash: Vec<u8>,
    /// Number of the pack.
    pub pack: i64,
    /// First octet.
    pub offset: i64,
    /// Octets.
    pub length: i64,
    /// When it was stored.
    pub stored_at: i64,
}

/// Tables are joined by hand where they are read.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
