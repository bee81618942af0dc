//! Folders; a deleted one keeps its row.

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "folder")]
pub struct Model {
    /// Row number.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: i64,
    /// The account.
    pub account: i64,
    /// Wire name.
    pub remote_id: Vec<u8>,
    /// UTF-8 name with the server's delimiter.
    pub path: String,
    /// Hierarchy delimiter.
    pub delimiter: Option<String>,
    /// SPECIAL-USE role.
    pub role: Option<String>,
    /// UIDVALIDITY.
    pub uidvalidity: i64,
    /// EXISTS of the mark.
    pub exists_count: i64,
    /// When its EXAMINE was asked for that opened it.
    pub opened_at: i64,
    /// Start of the last complete pass that opened the folder or counted it anew.
    pub passed_at: Option<i64>,
    /// Start of the last pass that proved it whole.
    pub proved_at: Option<i64>,
    /// Why a complete pass proves nothing.
    pub unproved: Option<String>,
    /// First look, JSON.
    pub look: Option<String>,
    /// The config leaves it out.
    pub excluded: bool,
    /// When it was gone from LIST.
    pub deleted_at: Option<i64>,
    /// First look at a listing that does not fit EXISTS, JSON.
    pub misfit: Option<String>,
    /// Its first refusal, while it waits for a second, JSON.
    pub refused: Option<String>,
    /// By how much EXISTS is known never to fit its listing.
    pub surplus: i64,
    /// Start of the last pass that put something back into its history.
    pub grown_at: Option<i64>,
    /// Its living locations.
    pub held: i64,
    /// What was proved of it when all of it was looked at last, JSON.
    pub proof: Option<String>,
}

/// Tables are joined by hand where they are read.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
