//! A service of the root: what it is started with, where it is reached, and how it comes back.

use crate::handle::{Handle, Served};
use crate::telemetry::registry::Registry;
use ractor::{Actor, ActorCell, ActorId, ActorProcessingErr};

/// One of them. Whoever holds its handle does not notice that it was started again.
pub(super) struct Service<A: Actor> {
    kind: &'static str,
    path: String,
    /// What it is started with.
    pub(super) args: A::Arguments,
    /// Where it is reached.
    pub(super) handle: Handle<A::Msg>,
}

impl<A> Service<A>
where
    A: Actor + Default,
    A::Msg: Served,
    A::Arguments: Clone,
{
    /// Starts it under `above`, and shows it at `path`.
    ///
    /// # Errors
    /// What its actor ends with before it has begun.
    pub(super) async fn start(
        kind: &'static str,
        path: String,
        args: A::Arguments,
        above: ActorCell,
        registry: &Registry,
    ) -> Result<(Self, ActorId), ActorProcessingErr> {
        let depth = registry.started(&path, kind);
        let (actor, _) = A::spawn_linked(None, A::default(), args.clone(), above).await?;
        let id = actor.get_id();
        Ok((Self { kind, path, args, handle: Handle::new(actor, depth) }, id))
    }

    /// Starts it again, with what it is to be started with now.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub(super) async fn restart(
        &self,
        above: ActorCell,
        registry: &Registry,
    ) -> Result<ActorId, ActorProcessingErr> {
        registry.started(&self.path, self.kind);
        let (actor, _) = A::spawn_linked(None, A::default(), self.args.clone(), above).await?;
        let id = actor.get_id();
        self.handle.repoint(actor);
        Ok(id)
    }
}
