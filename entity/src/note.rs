//! What sessions were asked when they ended.

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "note")]
pub struct Model {
    /// The account.
    #[sea_orm(primary_key, auto_increment = false)]
    pub account: i64,
    /// `examine` or `index` (by wire name), or `mail` (by folder, UIDVALIDITY and UID).
    #[sea_orm(primary_key, auto_increment = false)]
    pub about: String,
    /// The folder, or 0.
    #[sea_orm(primary_key, auto_increment = false)]
    pub folder: i64,
    /// Wire name, or empty.
    #[sea_orm(primary_key, auto_increment = false)]
    pub remote_id: Vec<u8>,
    /// UIDVALIDITY, or 0.
    #[sea_orm(primary_key, auto_increment = false)]
    pub uidvalidity: i64,
    /// UID, or 0.
    #[sea_orm(primary_key, auto_increment = false)]
    pub uid: i64,
    /// Sessions that ended there.
    pub count: i64,
    /// What ended the last one.
    pub text: String,
    /// When.
    pub at: i64,
}

/// Tables are joined by hand where they are read.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
