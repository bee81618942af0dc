//! Why database and data folder may not be used together.

use crate::config::Place;
use crate::store::driver_error::in_words;
use sea_orm::DbErr;
use std::io;
use std::path::PathBuf;

/// Why database and data folder may not be used together.
#[derive(Debug, thiserror::Error)]
pub enum Disagreement {
    /// They do not belong together.
    #[error(
        "the database {database} and the data folder {folder} do not belong together (a copy, or half a restore): two servers \
         of one mailbox would number their events alike. To make this one a mirror of its own, start it once with --adopt; to \
         only look into it, use `postrider serve --no-sync`"
    )]
    Differ {
        /// The database.
        database: Place,
        /// The data folder.
        folder: PathBuf,
    },
    /// The bodies folder is another mirror's, or not the one that the database names.
    #[error("{0}")]
    Bodies(String),
    /// The database cannot be asked.
    #[error("cannot read the database's instance: {}", in_words(.0))]
    Database(#[from] DbErr),
    /// The folder is a mirror's, and the database nobody's.
    #[error(
        "the data folder {folder} is a mirror's, and the database {database} has none in it: is it another name in `store.url`, \
         or was the database not restored? To begin anew there, take a data folder of its own"
    )]
    Empty {
        /// The database.
        database: Place,
        /// The data folder.
        folder: PathBuf,
    },
    /// The file cannot be read or written.
    #[error("cannot use {file}: {source}")]
    Io {
        /// The file.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}
