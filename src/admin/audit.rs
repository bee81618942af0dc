//! Who has had what done: a request that is to change something has a row before it is carried out, and its end in it
//! behind that. The guard sees to it, so no route can pass it by.

use crate::admin::Shared;
use crate::admin::lists::{Asked, limited, number};
use crate::admin::note::AnswerNote;
use crate::admin::problem::{Problem, ProblemOf};
use crate::admin::sight::Sight;
use crate::admin::table::About;
use crate::admin::token::Holder;
use crate::admin::view::Page;
use crate::http::listen::{Caller, asked_by};
use crate::instant::instant;
use crate::store::{AuditEnd, AuditRow, AuditWork, StoredAudit, WhichAudits};
use axum::Json;
use axum::extract::{MatchedPath, Query, Request, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::Response;
use postrider_core::failure::Failure;
use postrider_core::plain::PlainText;
use postrider_core::time::Micros;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;
use utoipa::{IntoParams, ToSchema};

/// Longest wait until a row is durable: what is asked for does not wait for a database that is away.
const WRITE: Duration = Duration::from_millis(500);
/// Characters of a text.
const TEXT: usize = 300;

/// A request that is to change something, as it is written down.
#[derive(Debug)]
pub(super) struct Entry {
    row: AuditRow,
    is_stranger: bool,
}

fn plain(text: &str) -> String {
    PlainText::from(text).first(TEXT).as_str().to_owned()
}

/// Where a request comes from: behind a proxy, as that says in the last word that it has added.
fn source(shared: &Shared, headers: &HeaderMap, peer: Option<Caller>) -> Option<String> {
    asked_by(peer.as_ref(), headers, shared.door.behind_proxy).map(|ip| ip.to_string())
}

/// What a query names that there is: an account, and whose that is, or an owner. Nothing else of a query is written.
fn named(shared: &Shared, uri: &Uri) -> (Option<String>, Option<String>) {
    let query = Query::<BTreeMap<String, String>>::try_from_uri(uri);
    let query = query.map(|Query(query)| query).unwrap_or_default();
    let lines = shared.registry.accounts();
    if let Some((account, line)) = query.get("account").and_then(|id| lines.get_key_value(id)) {
        return (Some(account.clone()), line.owner.clone());
    }
    let is_one = |owner: &&String| lines.values().any(|line| line.owner.as_ref() == Some(owner));
    (None, query.get("owner").filter(is_one).cloned())
}

impl Entry {
    /// Of a request whose path names this.
    pub(super) fn of(
        shared: &Shared,
        request: &Request,
        (holder, about, id): (Option<&Holder>, About, &str),
    ) -> Self {
        let route = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str);
        let (account, its) = named(shared, request.uri());
        let what = Some(plain(id)).filter(|id| !id.is_empty()).or(account);
        let of = what.as_deref().filter(|_| about == About::Account);
        let line = of.and_then(|id| shared.registry.look(id, |line| line.owner.clone()).flatten());
        let owner = holder.and_then(|holder| holder.owner.as_deref().map(str::to_owned));
        let owner = owner.or(line).or(its);
        let name = |holder: &Holder| Sight::from(holder).by().to_owned();
        let row = AuditRow {
            id: shared.audit.number(shared.registry.clock().now().wall),
            who: holder.map(name),
            role: holder.map(|holder| holder.role.as_str()),
            owner,
            verb: format!("{} {route}", request.method()),
            what,
            source: source(
                shared,
                request.headers(),
                request.extensions().get::<Caller>().copied(),
            ),
        };
        Self { row, is_stranger: holder.is_none() }
    }

    /// It begins.
    pub(super) async fn begins(&self, shared: &Shared) {
        write(shared, (self.row.clone(), None)).await;
    }

    /// It has been answered.
    pub(super) async fn ends(self, shared: &Shared, end: AuditEnd) {
        write(shared, (self.row, Some(end))).await;
    }

    /// It is not carried out.
    pub(super) async fn refused(self, shared: &Shared, end: AuditEnd) {
        if self.is_stranger && !shared.audit.admits_stranger(shared.registry.clock().now().mono) {
            return;
        }
        write(shared, (self.row, Some(end))).await;
    }

    /// How it ended; the log has it, too.
    pub(super) fn told(&self, response: &Response) -> AuditEnd {
        let status = response.status().as_u16();
        // What was written wrong may be anything, and is written nowhere.
        let is_told = status != StatusCode::BAD_REQUEST.as_u16();
        let note = response.extensions().get::<AnswerNote>().filter(|_| is_told);
        let detail = note.map(|AnswerNote(text)| plain(text));
        let AuditRow { who, verb, what, source, .. } = &self.row;
        tracing::info!(
            "{verb} {} by {} from {}: {status}{}",
            what.as_deref().unwrap_or("-"),
            who.as_deref().unwrap_or("nobody who is known"),
            source.as_deref().unwrap_or("-"),
            detail.as_ref().map(|detail| format!(" ({detail})")).unwrap_or_default()
        );
        AuditEnd { status, detail }
    }
}

/// Writes it, in time; the log has what cannot be written.
async fn write(shared: &Shared, work: AuditWork) {
    // Who only looks writes nothing.
    if shared.no_sync {
        return;
    }
    let written = tokio::time::timeout(WRITE, shared.operator.audit(work)).await;
    let late = |_| Err(Failure::storage("the database does not answer"));
    if let Err(failure) = written.unwrap_or_else(late) {
        tracing::warn!("what was asked for could not be written to the audit: {}", failure.chain());
    }
}

/// A request that was to change something.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AuditView {
    id: i64,
    at: String,
    /// The name of the token; nothing of a request without one that is known.
    who: Option<String>,
    /// What that allows.
    role: Option<String>,
    /// Method and route.
    verb: String,
    /// Of what: the id, or the verb, that its path names; else the account of its query.
    what: Option<String>,
    /// The address that it came from.
    source: Option<String>,
    /// What was answered; nothing while it goes on, or where whoever asked, or the process, went away before.
    status: Option<i64>,
    /// What came of it.
    detail: Option<String>,
}

impl From<StoredAudit> for AuditView {
    fn from(row: StoredAudit) -> Self {
        let StoredAudit { id, who, role, verb, what, source, status, detail } = row;
        Self { id, at: instant(Micros(id)), who, role, verb, what, source, status, detail }
    }
}

/// Which of them.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Audits {
    /// Only about this: the id of an account, a job, a row of the ledger.
    what: Option<String>,
    /// Only by the token of this name.
    who: Option<String>,
    /// Only about this owner's accounts.
    owner: Option<String>,
    /// Items at most (100; at most 1000).
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// Who has had what done, the newest first: each request that was to change something, refused ones too, for a year.
#[utoipa::path(get, path = "/v1/audit", tag = "server", params(Audits), responses(
    (status = 200, body = Page<AuditView>), ProblemOf<400>, ProblemOf<401>, ProblemOf<403>, ProblemOf<404>, ProblemOf<503>))]
pub(super) async fn audit(
    State(shared): State<Shared>,
    sight: Sight,
    Asked(asked): Asked<Audits>,
) -> Result<Json<Page<AuditView>>, Problem> {
    let limit = limited(asked.limit)?;
    let before = number(asked.cursor.as_ref())?.unwrap_or(i64::MAX);
    let owner = sight.narrowed(&shared, None, asked.owner).await?;
    let which = WhichAudits { owner, who: asked.who, what: asked.what };
    let rows = shared.reader.audits(which, before, limit).await?;
    let full = rows.len() >= usize::try_from(limit).unwrap_or(usize::MAX);
    let next = rows.last().filter(|_| full).map(|row| row.id.to_string());
    Ok(Json(Page { items: rows.into_iter().map(AuditView::from).collect(), next }))
}
