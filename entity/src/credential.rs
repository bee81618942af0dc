//! What accounts log in with where it is renewed.

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "credential")]
pub struct Model {
    /// The account's id in the config.
    #[sea_orm(primary_key, auto_increment = false)]
    pub account: String,
    /// Who issued it: `google`.
    pub issuer: String,
    /// Whose mailbox it opens.
    pub username: String,
    /// The generation of its tokens.
    pub version: i64,
    /// The tokens, sealed.
    pub sealed: Vec<u8>,
    /// Those of the generation before.
    pub before: Option<Vec<u8>>,
    /// A mark of the key that they are sealed with.
    pub key_print: String,
    /// What it allows.
    pub scopes: String,
    /// When a human granted it.
    pub granted_at: i64,
    /// When it was renewed last.
    pub renewed_at: i64,
    /// When its access token ends.
    pub expires_at: i64,
    /// Why it could not be renewed, until it was.
    pub error: Option<String>,
    /// When that was.
    pub failed_at: Option<i64>,
}

/// Tables are joined by hand where they are read.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
