//! Columns that a step adds.

use sea_orm_migration::prelude::*;

/// A column: its table, its name, and its type.
pub(crate) type Column = (&'static str, &'static str, &'static str);

/// Adds what is not there yet: SQLite has no transaction around a migration, and a step that was cut off is taken
/// again.
pub(crate) async fn add(manager: &SchemaManager<'_>, columns: &[Column]) -> Result<(), DbErr> {
    for (table, name, of) in columns {
        if !manager.has_column(table, name).await? {
            let sql = format!("ALTER TABLE {table} ADD COLUMN {name} {of}");
            manager.get_connection().execute_unprepared(&sql).await?;
        }
    }
    Ok(())
}

/// Takes them out again.
pub(crate) async fn drop(manager: &SchemaManager<'_>, columns: &[Column]) -> Result<(), DbErr> {
    for (table, name, _) in columns {
        let sql = format!("ALTER TABLE {table} DROP COLUMN {name}");
        manager.get_connection().execute_unprepared(&sql).await?;
    }
    Ok(())
}
