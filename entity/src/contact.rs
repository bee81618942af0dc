//! Somebody who is named in an account's mail: one row an address.

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "contact")]
pub struct Model {
    /// The number, which stays.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: i64,
    /// The account.
    pub account: i64,
    /// What the address is compared by: lower case, the domain in A-labels.
    pub key: String,
    /// The address, as the newest mail writes it.
    pub address: String,
    /// The rank of the newest mail that names them.
    pub rank: i64,
    /// What the newest mail that gives a name calls them.
    pub name: Option<String>,
    /// The rank of that mail; without a name 0.
    pub name_rank: i64,
    /// When the oldest mail was received, to the second, microseconds UTC.
    pub first_at: i64,
    /// When the newest mail was received, to the second, microseconds UTC.
    pub last_at: i64,
    /// Mails that they wrote.
    pub from_count: i64,
    /// Mails that went to them: To, Cc, Bcc.
    pub to_count: i64,
}

/// Tables are joined by hand where they are read.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
