//! How events are handed on in this process.

use crate::apart::Apart;
use crate::boot::start_error::StartError;
use crate::boot::switchboard::Switchboard;
use crate::boot::wiring::Engine;
use crate::config::Config;
use crate::deliver::{DeliverActor, DeliverArgs, DeliverDesk, DeliverHands, admitted};
use crate::feed::Hub;
use crate::reply::Soon;
use crate::server::follow::Followed;
use crate::server::serve_error::ServeError;
use crate::store::DeliverWork;
use crate::store::orders::Control;
use crate::supervision::root::RootMsg;
use postrider_core::failure::Failure;
use ractor::Actor;
use std::sync::Arc;
use std::time::Duration;

/// Longest time until how subscribers stand is durable, or refused.
const WRITE: Duration = Duration::from_secs(60);

/// Writes.
struct Hands(Switchboard);

impl DeliverHands for Hands {
    fn write(&self, work: DeliverWork) -> Soon<Result<(), Failure>> {
        let switchboard = self.0.clone();
        Box::pin(
            async move { switchboard.control(Control::Deliver(work), WRITE).await.map(|_| ()) },
        )
    }
}

/// Starts who delivers.
///
/// # Errors
/// When the tree has ended, or the database cannot be asked.
pub(super) async fn start(
    engine: &Engine,
    config: &Config,
    followed: &Followed,
    hub: &Arc<Hub>,
) -> Result<Arc<DeliverDesk>, ServeError> {
    let desk = Arc::new(DeliverDesk::new(Some(Arc::new(Hands(engine.switchboard())))));
    // Who looks at once finds them, and none begins later than now.
    let all: Vec<_> = config.subscribers.iter().cloned().map(Arc::new).collect();
    let now = engine.registry().clock().now().wall;
    let admitted = admitted(&desk, engine.reader(), &all, now).await;
    admitted.map_err(|failure| ServeError::Start(StartError::Failure(failure)))?;
    let args = DeliverArgs {
        hub: Arc::clone(hub),
        reader: engine.reader().clone(),
        clock: engine.registry().clock(),
        desk: Arc::clone(&desk),
        first_wait: config.recovery.first_wait,
        book: Arc::clone(&followed.subscribers),
        apart: Arc::new(Apart::start("deliver").map_err(StartError::Failure)?),
    };
    let spawn = Arc::new(move |parent: ractor::ActorCell| -> crate::supervision::root::Spawning {
        let args = args.clone();
        Box::pin(async move {
            let (actor, _) = DeliverActor::spawn_linked(None, DeliverActor, args, parent).await?;
            Ok(actor.get_cell())
        })
    });
    engine.root().cast(RootMsg::Face("deliver", spawn)).map_err(|_| ServeError::Ended)?;
    Ok(desk)
}
