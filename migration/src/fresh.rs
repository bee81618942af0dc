//! A new database, made at once: two hundred statements one by one are a third of a short start.

use crate::Migrator;
use sea_orm_migration::MigratorTrait;
use sea_orm_migration::sea_orm::{ConnectionTrait, DbErr};

/// What makes all tables in PostgreSQL, and notes the steps as taken.
#[must_use]
pub fn postgres() -> String {
    let steps: Vec<String> = Migrator::migrations()
        .iter()
        .map(|step| format!("('{}', extract(epoch FROM now())::bigint)", step.name()))
        .collect();
    let steps = steps.join(", ");
    let taken = format!("INSERT INTO seaql_migrations (version, applied_at) VALUES {steps}");
    [include_str!("schema.postgres.sql"), &taken].concat()
}

/// Makes all tables where there are none, and notes the steps as taken.
///
/// # Errors
/// Whatever the database says; to be called in a transaction.
pub async fn make(db: &impl ConnectionTrait) -> Result<(), DbErr> {
    let steps: Vec<String> = Migrator::migrations()
        .iter()
        .map(|step| format!("('{}', unixepoch())", step.name()))
        .collect();
    let steps = steps.join(", ");
    let taken = format!("INSERT INTO seaql_migrations (version, applied_at) VALUES {steps}");
    db.execute_unprepared(&[include_str!("schema.sql"), &taken].concat()).await.map(|_| ())
}
