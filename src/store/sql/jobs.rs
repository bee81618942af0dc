//! What somebody asked for, or a fixed time.

use crate::store::sql::query::{Document, Json, queries, rows};
use postrider_core::job::queue::JobError;
use postrider_core::run::first::FirstOf;
use postrider_core::time::Micros;
use serde::{Deserialize, Serialize};

/// What a job is for beyond its kind, as it is stored.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(in crate::store) struct StoredSpec {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::store) task: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::store) first: Option<FirstOf>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::store) at: Option<i64>,
}

/// What a job has come to, as it is stored.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(in crate::store) struct StoredCheckpoint {
    pub(in crate::store) stored: u64,
}

rows! {
    pub(in crate::store) struct JobColumns {
        pub(in crate::store) id: u64,
        pub(in crate::store) uuid: String,
        pub(in crate::store) kind: String,
        pub(in crate::store) account: Option<String>,
        pub(in crate::store) owner: Option<String>,
        pub(in crate::store) priority: i64,
        pub(in crate::store) status: String,
        pub(in crate::store) spec: Json<StoredSpec>,
        pub(in crate::store) not_before: Micros,
        pub(in crate::store) attempts: u32,
        pub(in crate::store) errors: Json<Vec<JobError>>,
        pub(in crate::store) checkpoint: Json<StoredCheckpoint>,
        pub(in crate::store) merged: u64,
        pub(in crate::store) by: String,
        pub(in crate::store) created_at: Micros,
        pub(in crate::store) started_at: Option<Micros>,
        pub(in crate::store) finished_at: Option<Micros>,
        pub(in crate::store) outcome: Option<String>,
    }

    pub(in crate::store) struct FiredSchedule {
        pub(in crate::store) id: String,
        pub(in crate::store) fired_at: Micros,
    }

    pub(in crate::store) struct JobNumber {
        pub(in crate::store) next: u64,
    }

    pub(in crate::store) struct JobCount {
        pub(in crate::store) status: String,
        pub(in crate::store) count: u64,
    }
}

queries! {
    /// A text about jobs.
    JobText, jobs:
    OpenJobs {} -> JobColumns;
    /// Those of an account, an owner, a kind, a status; of all that are asked for, those behind a number.
    StoredJobs {
        account: Option<String>,
        owner: Option<String>,
        kind: Option<String>,
        status: Option<String>,
        after: u64,
        most: u32,
    } -> JobColumns;
    StoredJob { id: u64 } -> JobColumns;
    NextJob {} -> JobNumber;
    JobsByStatus {} -> JobCount;
    FiredSchedules {} -> FiredSchedule;
    PutFired { id: String, at: Micros };
    PutJobs { rows: Document };
    /// No number is given out twice.
    CountJobs { next: u64 };
    ForgetJobs { before: Micros, most: i64 };
    RenameJobs { was: String, name: String };
    PurgeJobs { name: String };
}
