//! What a start is told to claim.

use crate::boot::start_error::StartError;
use crate::config::Config;
use crate::store::{OpenError, Reader, belongs, open_to_look, own_bodies};

/// What a start claims that it is not given by itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct Claims {
    /// A copy becomes a mirror of its own.
    pub adopt: bool,
    /// Who has the database on another machine loses it.
    pub take_over: bool,
}

/// Looks, before a database is taken from whoever has it, whether this start would stand: what it finds amiss is
/// said while the other goes on.
pub(super) async fn may_take_over(config: &Config, adopt: bool) -> Result<(), StartError> {
    let db = match open_to_look(&config.database).await {
        Ok((db, _)) => db,
        // Nobody has anything there.
        Err(OpenError::Missing(_)) => return Ok(()),
        Err(e) => return Err(e.into()),
    };
    let looked = async {
        let named = Reader::new(&db).named_packs().await.map_err(StartError::Failure)?;
        if !adopt {
            belongs(&db, &config.data_dir).await?;
            own_bodies(&db, &config.data_dir, &config.bodies, &named).await?;
        }
        Ok(())
    };
    let looked = looked.await;
    db.close().await;
    looked
}
