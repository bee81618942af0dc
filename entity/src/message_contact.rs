//! Who is named in a mail, and as what.

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "message_contact")]
pub struct Model {
    /// The message.
    #[sea_orm(primary_key, auto_increment = false)]
    pub message: i64,
    /// `from`, `reply_to`, `to`, `cc`, `bcc`.
    #[sea_orm(primary_key, auto_increment = false)]
    pub role: String,
    /// Where among those of this role, from 0.
    #[sea_orm(primary_key, auto_increment = false)]
    pub position: i64,
    /// Who.
    pub contact: i64,
    /// The message's rank.
    pub rank: i64,
    /// The address as the mail writes it, where that is not the contact's `key`.
    pub address: Option<String>,
    /// What the mail calls them.
    pub name: Option<String>,
}

/// Tables are joined by hand where they are read.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
