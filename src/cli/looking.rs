//! Asking the API where no server may run: then one that only looks answers, in this process, for as long as it is asked.

use crate::admin::token::{self, Tokens};
use crate::cli::client::{CallError, Client, exit_of};
use crate::cli::exit::Exit;
use crate::cli::serve::ended;
use crate::config::{Admin, Config};
use crate::server::no_sync::look;
use crate::server::serve::recorder;
use std::net::{Ipv4Addr, SocketAddr};
use tokio::sync::oneshot;

/// Asks the server of a config's data folder; the database alone while none runs.
pub(super) async fn ask(
    config: &Config,
    what: impl AsyncFnOnce(&Client) -> Result<(), CallError>,
) -> Exit {
    let told = match Client::of(config) {
        Ok(client) => what(&client).await,
        Err(CallError::NoServer) => return ask_database(config, what).await,
        Err(trouble) => Err(trouble),
    };
    told.map_or_else(|trouble| exit_of(trouble, config), |()| Exit::Success)
}

async fn ask_database(
    config: &Config,
    what: impl AsyncFnOnce(&Client) -> Result<(), CallError>,
) -> Exit {
    let metrics = match recorder() {
        Ok(metrics) => metrics,
        Err(e) => {
            eprintln!("counters cannot be kept: {e}");
            return Exit::Bug;
        }
    };
    // Nobody but this process is to ask it: any port will do, and what proves a name is not needed.
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let admin = Admin { listen, ..Admin::default() };
    let config = Config { admin, ..config.clone() };
    let token = token::made();
    let (listens, listening) = oneshot::channel();
    let (stop, stopped) = oneshot::channel::<()>();
    let stopped = async { drop(stopped.await) };
    // Nobody waits for it where it did not start; why not is what `look` returns.
    let tell = |url: &str| drop(listens.send(url.to_owned()));
    let asked = async {
        let url = listening.await.ok()?;
        eprintln!(
            "no server runs on {}; this is what the database says",
            config.data_dir.display()
        );
        let client = Client::near(&url, token.clone());
        let told = match &client {
            Some(client) => what(client).await,
            None => Err(CallError::NoServer),
        };
        drop(stop);
        Some(told.map_or_else(|trouble| exit_of(trouble, &config), |()| Exit::Success))
    };
    let (served, asked) =
        tokio::join!(look(&config, Tokens::alone(&token), metrics, tell, stopped), asked);
    match (served, asked) {
        (Ok(()), Some(exit)) => exit,
        (served, _) => ended(served),
    }
}

/// Has the server do something.
pub(super) async fn have_done(
    config: Result<Config, Exit>,
    what: impl AsyncFnOnce(&Client) -> Result<Exit, CallError>,
) -> Exit {
    let config = match config {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    let done = match Client::of(&config) {
        Ok(client) => what(&client).await,
        Err(trouble) => Err(trouble),
    };
    done.unwrap_or_else(|trouble| exit_of(trouble, &config))
}
