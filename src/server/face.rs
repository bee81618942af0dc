//! The admin API as a server opens it: address, certificate, tokens, and the actor behind them.

use crate::admin::actor::{AdminActor, AdminArgs};
use crate::admin::mail::StoredBytes;
use crate::admin::probe::DatabaseProbe;
use crate::admin::token::Tokens;
use crate::admin::{Desks, Door, Shared, address};
use crate::boot::wiring::Engine;
use crate::config::Config;
use crate::feed::Hub;
use crate::handle::Handle;
use crate::http::listen::{bind, tls};
use crate::jobs::JobsMsg;
use crate::server::follow::Followed;
use crate::server::operator::Switch;
use crate::server::serve_error::ServeError;
use crate::supervision::root::RootMsg;
use metrics_exporter_prometheus::PrometheusHandle;
use ractor::Actor;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Everything that the admin API needs of the system.
pub(super) struct OpenDoor {
    listener: std::net::TcpListener,
    tls: Option<tokio_rustls::TlsAcceptor>,
    tokens: Tokens,
    pub(super) door: Door,
}

/// Opens the admin API's door: address, certificate, and who has these tokens.
pub(super) fn open_door(config: &Config, tokens: Tokens) -> Result<OpenDoor, ServeError> {
    let listen = config.admin.listen;
    let failed = |source| ServeError::Listen { key: "admin.listen", listen, source };
    let listener = bind(listen).map_err(failed)?;
    let address = listener
        .local_addr()
        .map_err(|source| ServeError::System { what: "the admin API's address", source })?;
    let door =
        Door { address, tls: config.admin.tls.is_some(), behind_proxy: config.admin.behind_proxy };
    let tls = config.admin.tls.as_ref().map(|(cert, key)| tls("admin", cert, key)).transpose()?;
    Ok(OpenDoor { listener, tls, tokens, door })
}

impl OpenDoor {
    /// What the AdminActor is made with.
    pub(super) fn args(self, shared: impl FnOnce(Arc<Tokens>) -> Shared) -> AdminArgs {
        AdminArgs {
            listener: Arc::new(self.listener),
            tls: self.tls,
            shared: shared(Arc::new(self.tokens)),
        }
    }
}

/// Starts the admin API; returns where it is.
pub(super) fn face(
    engine: &Engine,
    config: &Config,
    followed: &Followed,
    metrics: PrometheusHandle,
    opened: OpenDoor,
    (jobs, hub, desks): (Handle<JobsMsg>, Arc<Hub>, Desks),
) -> Result<String, ServeError> {
    let operator = Switch::new(engine, Arc::clone(&followed.ids), jobs);
    let door = opened.door;
    let args = opened.args(|tokens| Shared {
        reader: engine.reader().clone(),
        audit: Arc::default(),
        probe: Arc::new(DatabaseProbe::new(engine.reader(), engine.registry().clock())),
        registry: engine.registry().clone(),
        operator: Arc::new(operator),
        hub,
        desks,
        streams: Arc::new(Semaphore::new(config.admin.streams)),
        metrics,
        tokens,
        door,
        mode: followed.mode.subscribe(),
        per_account: config.per_account,
        no_sync: false,
        mail: StoredBytes::new(engine.reader(), config.bodies.clone()),
    });
    let spawn = Arc::new(move |parent: ractor::ActorCell| -> crate::supervision::root::Spawning {
        let args = args.clone();
        Box::pin(async move {
            let (actor, _) = AdminActor::spawn_linked(None, AdminActor, args, parent).await?;
            Ok(actor.get_cell())
        })
    });
    engine.root().cast(RootMsg::Face("admin", spawn)).map_err(|_| ServeError::Ended)?;
    engine.registry().started("root/config", "config");
    let url = url_of(door);
    address::announce(&config.data_dir, &url)
        .map_err(|source| ServeError::System { what: "writing admin.url", source })?;
    Ok(url)
}

/// Where clients of this machine reach a door.
pub(super) fn url_of(door: Door) -> String {
    let scheme = if door.tls { "https" } else { "http" };
    let mut address = door.address;
    if address.ip().is_unspecified() {
        address.set_ip(if address.is_ipv6() {
            std::net::Ipv6Addr::LOCALHOST.into()
        } else {
            std::net::Ipv4Addr::LOCALHOST.into()
        });
    }
    format!("{scheme}://{address}")
}
