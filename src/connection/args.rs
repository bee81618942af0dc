//! What a pool is made with.

use crate::bodies::PackDir;
use crate::clock::Clock;
use crate::connection::budget::payments::SpentRows;
use crate::provider::pressure::Pressure;
use crate::provider::{Credits, Memory};
use crate::telemetry::registry::Registry;
use crate::telemetry::wire::WireLog;
use postrider_core::pool::Limits;
use std::sync::Arc;

/// What it is made with.
#[derive(Clone, Debug)]
pub struct ConnectionArgs {
    /// Its place in the tree.
    pub path: String,
    /// Limits of the endpoint.
    pub limits: Limits,
    /// Time.
    pub clock: Clock,
    /// Where bodies go.
    pub packs: Arc<PackDir>,
    /// Where commands are noted.
    pub wire: WireLog,
    /// What mail may take of the process's memory.
    pub credits: Credits,
    /// What memory the process has.
    pub pressure: Pressure,
    /// Where it is seen.
    pub registry: Registry,
    /// What was spent of daily limits.
    pub spent: Arc<dyn SpentRows>,
    /// What accounts hold.
    pub memory: Arc<dyn Memory>,
}
