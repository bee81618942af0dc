//! Exit codes; of several accounts the highest counts.

use crate::boot::lock::LockError;
use crate::boot::start_error::StartError;
use crate::store::{Disagreement, OpenError};
use postrider_core::failure::Class;
use postrider_core::run::summary::Summary;
use postrider_core::standing::Outcome;

/// How the process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Exit {
    /// 0
    Success = 0,
    /// 1: `verify` found differences.
    Different = 1,
    /// 2: usage or config.
    Usage = 2,
    /// 3: something was left.
    Partial = 3,
    /// 4: a login was refused.
    Auth = 4,
    /// 5: network, timeout, unknown.
    Network = 5,
    /// 6: the provider is broken, or asks for less.
    Provider = 6,
    /// 7: our disk or database.
    Storage = 7,
    /// 8: the data folder, or the database, is in use.
    InUse = 8,
    /// 70: our own mistake.
    Bug = 70,
    /// 130: interrupted.
    Interrupted = 130,
}

impl Exit {
    /// What a class of failure ends a run with.
    pub(super) fn of_class(class: Class) -> Self {
        match class {
            Class::Auth => Self::Auth,
            Class::Network | Class::Timeout | Class::Unknown => Self::Network,
            Class::RateLimit | Class::Quota | Class::Provider => Self::Provider,
            Class::Storage => Self::Storage,
            Class::Config => Self::Usage,
            Class::InvalidData | Class::StateLost => Self::Partial,
            Class::Bug => Self::Bug,
        }
    }

    /// What a run's summary means.
    pub(super) fn of_run(summary: &Summary) -> Self {
        match summary.outcome {
            Outcome::Success => Self::Success,
            Outcome::Partial => Self::Partial,
            Outcome::Cancelled => Self::Interrupted,
            Outcome::Failed => summary.class.map_or(Self::Bug, Self::of_class),
        }
    }

    /// What a failed start means.
    pub(super) fn of_start(error: &StartError) -> Self {
        match error {
            StartError::Lock(LockError::InUse { .. }) => Self::InUse,
            StartError::Database(OpenError::Held { .. }) => Self::InUse,
            StartError::Database(OpenError::NoFolder(_)) => Self::Usage,
            StartError::Lock(LockError::Io { .. } | LockError::Open { .. })
            | StartError::Database(_) => Self::Storage,
            StartError::Instance(Disagreement::Differ { .. } | Disagreement::Empty { .. }) => {
                Self::Usage
            }
            StartError::Instance(_) => Self::Storage,
            StartError::Failure(failure) => Self::of_class(failure.class),
        }
    }
}
