//! What providers push to in this process.

use crate::boot::start_error::StartError;
use crate::boot::switchboard::Switchboard;
use crate::boot::wiring::Engine;
use crate::config::{Config, Listening};
use crate::http::listen::{bind, tls};
use crate::provider::push_source;
use crate::push::{PushActor, PushArgs, PushDesk, PushHands};
use crate::reply::Soon;
use crate::server::follow::Followed;
use crate::server::serve_error::ServeError;
use crate::store::Reader;
use crate::supervision::root::RootMsg;
use postrider_core::provider::push::PushHint;
use ractor::Actor;
use std::net::TcpListener;
use std::sync::Arc;
use tokio_rustls::TlsAcceptor;

/// Tells accounts, and knows how far they are.
struct Hands {
    switchboard: Switchboard,
    reader: Reader,
}

impl PushHands for Hands {
    fn nudge(&self, account: &str, hint: PushHint) {
        self.switchboard.push(account, hint);
    }

    fn cursor(&self, account: &str) -> Soon<Option<String>> {
        let (reader, account) = (self.reader.clone(), account.to_owned());
        // Who cannot tell looks.
        Box::pin(async move { Some(reader.feed_cursor(&account).await.ok()??.0) })
    }
}

/// A door that is open, and whom it is for.
pub(super) struct OpenPush {
    at: Listening,
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
}

/// Opens the door that providers push to, if the config has one.
///
/// # Errors
/// Its address is taken, or its certificate cannot be read.
pub(super) fn open(config: &Config) -> Result<Option<OpenPush>, ServeError> {
    let Some(at) = config.webhooks.at.clone() else { return Ok(None) };
    let failed = |source| ServeError::Listen { key: "webhooks.listen", listen: at.listen, source };
    let listener = bind(at.listen).map_err(failed)?;
    let tls = at.tls.as_ref().map(|(cert, key)| tls("webhooks", cert, key)).transpose()?;
    Ok(Some(OpenPush { at, listener, tls }))
}

/// Takes what is pushed there.
///
/// # Errors
/// When the tree has ended, or a source cannot be asked for its keys.
pub(super) fn start(
    engine: &Engine,
    config: &Config,
    followed: &Followed,
    opened: Option<OpenPush>,
) -> Result<Arc<PushDesk>, ServeError> {
    let clock = engine.registry().clock();
    let Some(OpenPush { at, listener, tls }) = opened else {
        return Ok(Arc::new(PushDesk::nobody(clock)));
    };
    let sources = config.webhooks.sources.iter().map(|place| push_source(place, clock));
    let sources = sources.collect::<Result<_, _>>().map_err(StartError::Failure)?;
    let (switchboard, reader) = (engine.switchboard(), engine.reader().apart());
    let hands: Arc<dyn PushHands> = Arc::new(Hands { switchboard, reader });
    let address = listener.local_addr().unwrap_or(at.listen);
    let whose = followed.whose.subscribe();
    let desk = Arc::new(PushDesk::new(Some(address), sources, Some(hands), (whose, clock)));
    let args = PushArgs {
        listener: Arc::new(listener),
        tls,
        behind_proxy: at.behind_proxy,
        desk: Arc::clone(&desk),
    };
    let spawn = Arc::new(move |parent: ractor::ActorCell| -> crate::supervision::root::Spawning {
        let args = args.clone();
        Box::pin(async move {
            let (actor, _) = PushActor::spawn_linked(None, PushActor, args, parent).await?;
            Ok(actor.get_cell())
        })
    });
    engine.root().cast(RootMsg::Face("push", spawn)).map_err(|_| ServeError::Ended)?;
    tracing::info!("providers may push to {address}");
    Ok(desk)
}
