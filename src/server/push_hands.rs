//! What providers push to in this process.

use crate::apart::Apart;
use crate::boot::grants::{application_key, puller, vault};
use crate::boot::start_error::StartError;
use crate::boot::switchboard::Switchboard;
use crate::boot::wiring::Engine;
use crate::clock::Clock;
use crate::config::{Config, Listening};
use crate::http::listen::{bind, tls};
use crate::provider::{AskedWebhook, ask_webhook, push_source, shared_push_lacks};
use crate::push::{PushActor, PushArgs, PushDesk, PushDoor, PushHands, WebhookTold, Webhooks};
use crate::reply::Soon;
use crate::server::follow::Followed;
use crate::server::serve_error::ServeError;
use crate::store::orders::Control;
use crate::store::{Done, InboundWork, Reader, SubscriptionKey, SubscriptionWork};
use crate::supervision::root::RootMsg;
use crate::telemetry::wire::WireLog;
use postrider_core::failure::{Class, Failure, Provenance, Reach};
use postrider_core::provider::push::{PushHint, WebhookQuestion};
use postrider_core::provider::server::PushWay;
use postrider_core::provider::subscription::Subscription;
use ractor::Actor;
use std::collections::BTreeMap;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

/// Longest time until how subscriptions stand is durable, or refused.
const WRITE: Duration = Duration::from_secs(60);
/// A question about a webhook is answered within this.
const ANSWER: Duration = Duration::from_secs(120);

/// Webhooks that are asked for, by source, with the word of their provider.
type Asked = BTreeMap<String, (&'static str, AskedWebhook)>;

/// Tells accounts, and knows how far they are.
struct Hands {
    switchboard: Switchboard,
    reader: Reader,
    asked: Asked,
    wire: WireLog,
    clock: Clock,
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

    fn subscriptions(&self) -> Soon<Result<BTreeMap<SubscriptionKey, Subscription>, Failure>> {
        let reader = self.reader.clone();
        Box::pin(async move { reader.subscriptions().await })
    }

    fn write(&self, work: SubscriptionWork) -> Soon<Result<(), Failure>> {
        let switchboard = self.switchboard.clone();
        Box::pin(async move {
            switchboard.control(Control::Subscriptions(work), WRITE).await.map(|_| ())
        })
    }

    fn webhook(&self, source: &str, question: WebhookQuestion) -> Soon<WebhookTold> {
        let asked = self.asked.get(source).cloned();
        let (wire, clock) = (self.wire.clone(), self.clock);
        Box::pin(async move {
            let unknown = || Failure::bug("a webhook is asked for of who has none");
            let (kind, AskedWebhook { place, .. }) = asked.ok_or_else(unknown)?;
            let answer = async {
                let key = application_key(&place).await?;
                ask_webhook(kind, &place, (key, clock), wire, &question).await
            };
            // What was asked may have been done.
            let late = |_| {
                let text = "a question about a webhook was not answered";
                Failure::new(Class::Timeout, Reach::Session, Provenance::Deadline, text)
            };
            timeout(ANSWER, answer).await.map_err(late)?
        })
    }

    fn inbound(&self, work: InboundWork) -> Soon<Result<bool, Failure>> {
        let switchboard = self.switchboard.clone();
        Box::pin(async move {
            let done = switchboard.control(Control::Inbound(work), WRITE).await?;
            Ok(done == Done::Changed)
        })
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

/// Who was asked to push, and is asked no more by this config, does not know that.
async fn says_what_stays(engine: &Engine, asked: &Asked) {
    let stored = match engine.reader().subscriptions().await {
        Ok(stored) => stored,
        Err(why) => return tracing::warn!("who was asked to push is not known: {}", why.chain()),
    };
    // What is asked for of one account ends by itself.
    for ((source, _), row) in stored.into_iter().filter(|((_, account), _)| account.is_empty()) {
        if !row.remote_id.is_empty() && !asked.contains_key(&source) {
            let id = row.remote_id;
            tracing::warn!(
                "{source} goes on pushing as it was asked to, and is asked no more: write [webhooks] as it was, or remove the \
                 webhook {id} there, if it is not yet (docs/webhooks-in.md)"
            );
        }
    }
}

/// Takes what is pushed there, and what lies in queues.
///
/// # Errors
/// When the tree has ended, or a source cannot be asked.
pub(super) async fn start(
    engine: &Engine,
    config: &Config,
    followed: &Followed,
    (opened, wire): (Option<OpenPush>, WireLog),
) -> Result<Arc<PushDesk>, ServeError> {
    let clock = engine.registry().clock();
    let subscriptions = Arc::clone(&followed.subscriptions);
    if config.webhooks.sources.is_empty() {
        says_what_stays(engine, &BTreeMap::new()).await;
        return Ok(Arc::new(PushDesk::nobody(engine.registry())));
    }
    for place in &config.webhooks.sources {
        if let PushWay::Shared(shared) = &place.way
            && let Some(why) = shared_push_lacks(shared)
        {
            tracing::warn!("what is pushed is answered 503 until this is mended: {why}");
        }
    }
    let source = |place| push_source(place, |queue| puller(queue, clock), clock);
    let sources: Result<Vec<_>, _> = config.webhooks.sources.iter().map(source).collect();
    let sources = sources.map_err(StartError::Failure)?;
    let asks = sources.iter().filter_map(|port| Some((&port.source, port.webhook.as_ref()?)));
    let asked: BTreeMap<_, _> =
        asks.map(|(of, it)| (of.name().to_owned(), (of.kind(), it.clone()))).collect();
    says_what_stays(engine, &asked).await;
    // A key that cannot be had ends the start, as it does for tokens.
    let vault = (!asked.is_empty()).then(|| vault(config)).transpose();
    let vault = vault.map_err(StartError::Failure)?.map(Arc::new);
    let of = asked.clone().into_iter().map(|(source, (_, it))| (source, it));
    let webhooks = Arc::new(Webhooks::of(of, vault, config.recovery, clock));
    let (switchboard, reader) = (engine.switchboard(), engine.reader().apart().at_home());
    let hands: Arc<dyn PushHands> = Arc::new(Hands { switchboard, reader, asked, wire, clock });
    let address = |door: &OpenPush| door.listener.local_addr().unwrap_or(door.at.listen);
    let at = opened.as_ref().map(address);
    let whose = (followed.whose.subscribe(), subscriptions, webhooks);
    let desk = Arc::new(PushDesk::new((at, sources), Some(hands), whose, clock));
    let door = |OpenPush { at, listener, tls }| {
        let (listener, behind_proxy) = (Arc::new(listener), at.behind_proxy);
        let apart = Arc::new(Apart::start("push")?);
        Ok(PushDoor { listener, tls, behind_proxy, apart })
    };
    let door = opened.map(door).transpose().map_err(StartError::Failure)?;
    let args = PushArgs { door, desk: Arc::clone(&desk), policy: config.recovery.staying() };
    let spawn = Arc::new(move |parent: ractor::ActorCell| -> crate::supervision::root::Spawning {
        let args = args.clone();
        Box::pin(async move {
            let (actor, _) = PushActor::spawn_linked(None, PushActor, args, parent).await?;
            Ok(actor.get_cell())
        })
    });
    engine.root().cast(RootMsg::Face("push", spawn)).map_err(|_| ServeError::Ended)?;
    if let Some(at) = at {
        tracing::info!("providers may push to {at}");
    }
    Ok(desk)
}
