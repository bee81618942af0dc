//! What lies in a mail beside its text. Its bytes are those of the mail's body.

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "attachment")]
pub struct Model {
    /// The message.
    #[sea_orm(primary_key, auto_increment = false)]
    pub message: i64,
    /// Number of the part, as IMAP counts.
    #[sea_orm(primary_key, auto_increment = false)]
    pub part: String,
    /// Its media type.
    pub r#type: String,
    /// Its name.
    pub name: Option<String>,
    /// It is shown in the text.
    pub inline: bool,
    /// What the text calls it.
    pub content_id: Option<String>,
    /// `identity`, `base64`, `quoted-printable`.
    pub encoding: String,
    /// Where it begins in the body, as it is encoded.
    pub offset: i64,
    /// Its length there.
    pub octets: i64,
    /// Its length, decoded.
    pub size: i64,
    /// Its SHA-256, decoded.
    pub sha256: Vec<u8>,
}

/// Tables are joined by hand where they are read.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
