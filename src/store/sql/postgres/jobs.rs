//! PostgreSQL's words for jobs.

use crate::store::sql::jobs::JobText;

macro_rules! job {
    () => {
        "SELECT j.id, j.uuid, j.kind, j.account, j.owner, j.priority, j.status, j.spec, j.not_before, j.attempts, \
             j.errors, j.checkpoint, j.merged, j.\"by\", j.created_at, j.started_at, j.finished_at, j.outcome FROM \
             job j "
    };
}

pub(in crate::store::sql) const fn words(text: JobText) -> &'static str {
    match text {
        JobText::OpenJobs => concat!(job!(), "WHERE j.finished_at IS NULL ORDER BY j.id"),
        JobText::StoredJobs => concat!(
            job!(),
            "LEFT JOIN account a ON a.name = j.account WHERE ($1::text IS NULL OR j.account = $1) AND ($2::text IS \
             NULL OR CASE WHEN a.id IS NULL THEN j.owner ELSE a.owner END = $2) AND ($3::text IS NULL OR j.kind = $3) \
             AND ($4::text IS NULL OR j.status = $4) AND j.id > $5 ORDER BY j.id LIMIT $6"
        ),
        JobText::StoredJob => concat!(job!(), "WHERE j.id = $1"),
        JobText::NextJob => "SELECT next FROM counter WHERE name = 'job'",
        JobText::JobsByStatus => "SELECT status, count(*) AS count FROM job GROUP BY status",
        JobText::FiredSchedules => "SELECT id, fired_at FROM schedule",
        JobText::PutFired => {
            "INSERT INTO schedule (id, fired_at) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET fired_at = excluded.fired_at"
        }
        JobText::PutJobs => {
            "INSERT INTO job (id, uuid, kind, account, owner, priority, status, \"key\", spec, not_before, attempts, \
             errors, checkpoint, merged, \"by\", created_at, started_at, finished_at, outcome, run) SELECT \
             (j.value->>0)::bigint, j.value->>1, j.value->>2, j.value->>3, j.value->>4, (j.value->>5)::bigint, \
             j.value->>6, j.value->>7, j.value->>8, (j.value->>9)::bigint, (j.value->>10)::bigint, j.value->>11, \
             j.value->>12, (j.value->>13)::bigint, j.value->>14, (j.value->>15)::bigint, (j.value->>16)::bigint, \
             (j.value->>17)::bigint, j.value->>18, (j.value->>19)::bigint FROM jsonb_array_elements($1::jsonb) j \
             (value) WHERE TRUE ON CONFLICT (id) DO UPDATE SET priority = excluded.priority, status = \
             excluded.status, not_before = excluded.not_before, attempts = excluded.attempts, errors = \
             excluded.errors, checkpoint = excluded.checkpoint, merged = excluded.merged, created_at = \
             excluded.created_at, started_at = excluded.started_at, finished_at = excluded.finished_at, outcome = \
             excluded.outcome, run = excluded.run"
        }
        JobText::CountJobs => {
            "INSERT INTO counter (name, next) VALUES ('job', $1) ON CONFLICT (name) DO UPDATE SET next = excluded.next"
        }
        JobText::ForgetJobs => {
            "DELETE FROM job WHERE id IN (SELECT id FROM job WHERE finished_at < $1 AND finished_at IS NOT NULL LIMIT \
             $2)"
        }
        JobText::RenameJobs => "UPDATE job SET account = $2 WHERE account = $1",
        JobText::PurgeJobs => "DELETE FROM job WHERE account = $1",
    }
}
