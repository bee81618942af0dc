//! Files of bytes: when all of each was last read.

use sea_orm::entity::prelude::*;

/// A row; who reads packs makes it.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "pack")]
pub struct Model {
    /// Number of the pack.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: i64,
    /// Where the last of its bodies ended when it was counted.
    pub octets: i64,
    /// Octets of bodies that rows named then; none until it was read.
    pub named: Option<i64>,
    /// When all of it was read; none: it is to be read.
    pub scrubbed_at: Option<i64>,
    /// Bodies that were damaged then.
    pub damaged: i64,
    /// When it was seen that nothing lies in it that a row names; none while something does.
    pub dead_at: Option<i64>,
    /// When its bodies were last compressed, as far as that saves; none: that was not tried.
    pub compressed_at: Option<i64>,
}

/// Nothing is joined.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
