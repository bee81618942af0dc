//! A new database, made at once: two hundred statements one by one are a third of a short start.

use crate::Migrator;
use crate::later::{BEGAN, LATER, taken};
use sea_orm_migration::MigratorTrait;
use sea_orm_migration::sea_orm::{ConnectionTrait, DbErr};

/// What makes all tables in PostgreSQL, and notes the steps as taken: those that its schema began with, then the later
/// ones.
#[must_use]
pub fn postgres() -> String {
    let names: Vec<String> =
        Migrator::migrations().iter().map(|step| step.name().to_owned()).collect();
    let began = names.iter().take(BEGAN);
    let began: Vec<String> =
        began.map(|name| format!("('{name}', extract(epoch FROM now())::bigint)")).collect();
    let began = began.join(", ");
    let noted = format!("INSERT INTO seaql_migrations (version, applied_at) VALUES {began};");
    [include_str!("schema.postgres.sql"), &noted, &taken(LATER, &names)].concat()
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
