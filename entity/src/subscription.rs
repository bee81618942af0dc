//! What providers were asked to push.

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "subscription")]
pub struct Model {
    /// Who pushes: `gmail`, `nylas/NAME`.
    #[sea_orm(primary_key, auto_increment = false)]
    pub source: String,
    /// Of which account (its id in the config); empty where one is for all of a source.
    #[sea_orm(primary_key, auto_increment = false)]
    pub account: String,
    /// Where it pushes to, in the provider's words: a topic, a webhook's id.
    pub remote_id: String,
    /// When it was asked for last; none: it never could be had.
    pub renewed_at: Option<i64>,
    /// Until when it pushes, unless it is asked for again.
    pub expires_at: Option<i64>,
    /// When it was last seen to push, or a look found nothing of which it had not told.
    pub proof_at: Option<i64>,
    /// `active`, `doubted`, `failed`.
    pub state: String,
    /// Why.
    pub reason: String,
    /// What its webhook signs with, where it was asked for: sealed with the key of `[credentials]`, in base64.
    pub secret: Option<String>,
}

/// Nothing is joined.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
