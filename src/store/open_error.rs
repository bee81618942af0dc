//! Why a database was not opened.

use crate::config::Place;
use crate::store::driver_error::in_words;
use sea_orm::DbErr;
use std::path::PathBuf;

/// What a setting is needed for.
fn what_for(setting: &str) -> &'static str {
    match setting {
        "server_encoding" => "for names in every script",
        _ => "so that an acknowledged message survives a power cut",
    }
}

fn nothing_at(place: &Place) -> String {
    let made = "`postrider serve` or `sync --once` makes";
    match place {
        Place::File(_) => {
            format!(
                "there is no database at {place}; {made} it, and --data DIR says where else it is"
            )
        }
        Place::Server(_) => format!("the database {place} has no tables of a mirror; {made} them"),
    }
}

/// Why the database was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It could not be opened or read.
    #[error("cannot open the database {place}: {}", in_words(source))]
    Database {
        /// Which.
        place: Place,
        /// What the database said.
        source: DbErr,
    },
    /// The folder that it is to lie in is not there.
    #[error(
        "the folder of the database {0} is not there: make it, or leave `store.url` out of the config, and the database lies in data_dir"
    )]
    NoFolder(PathBuf),
    /// There is none.
    #[error("{}", nothing_at(.0))]
    Missing(Place),
    /// It was written by a newer binary.
    #[error(
        "the database {place} has schema step {found}, newer than this binary's {known} (postrider {version}); use the newer postrider"
    )]
    Newer {
        /// Which.
        place: Place,
        /// The newest step in the database.
        found: String,
        /// The newest step that this binary knows.
        known: String,
        /// This binary's version.
        version: &'static str,
    },
    /// The database would not promise durability.
    #[error(
        "the database {place} has {setting} = {found}, but {wanted} is needed {}",
        what_for(setting)
    )]
    NotDurable {
        /// Which.
        place: Place,
        /// Which setting.
        setting: &'static str,
        /// What it is.
        found: String,
        /// What it must be.
        wanted: &'static str,
    },
    /// Another process writes there.
    #[error(
        "the database {place} is held by {holder}: one alone writes. Stop that one, point this one at a database of its own, or end \
         that one's connections with `postrider serve --take-over`"
    )]
    Held {
        /// Which.
        place: Place,
        /// Who.
        holder: String,
    },
    /// It cannot be what a mirror needs.
    #[error("the database {place} will not do: {why}")]
    Unfit {
        /// Which.
        place: Place,
        /// Why, and what to do.
        why: &'static str,
    },
}
