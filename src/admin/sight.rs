//! Whose things a request may see: everybody's, or one owner's. What is another's is not there for it.

use crate::admin::Shared;
use crate::admin::problem::Problem;
use crate::admin::table::About;
use crate::admin::token::Holder;
use crate::store::{FailureReader, JobReader, Thing};
use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use std::sync::Arc;

/// What a token must say to read mail.
pub(super) const READS_MAIL: &str =
    "the right to read mail (`+mail` behind its role in admin.token)";

/// Whose accounts there are for a request.
#[derive(Clone, Debug)]
pub(super) struct Sight {
    owner: Option<Arc<str>>,
    name: Option<Arc<str>>,
    mail: bool,
}

impl From<&Holder> for Sight {
    fn from(holder: &Holder) -> Self {
        Self { owner: holder.owner.clone(), name: holder.name.clone(), mail: holder.mail }
    }
}

impl<S: Sync> FromRequestParts<S> for Sight {
    type Rejection = Problem;

    /// As the guard has left it: a route that it has not passed shows nothing.
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let none = || {
            let text = "nobody has said who asks";
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "bug", text)
        };
        parts.extensions.get::<Self>().cloned().ok_or_else(none)
    }
}

impl Sight {
    /// The one owner whose things are seen.
    pub(super) fn owner(&self) -> Option<&str> {
        self.owner.as_deref()
    }

    /// That it may read mail, or why not.
    pub(super) fn reads_mail(&self) -> Result<bool, Problem> {
        if self.mail { Ok(true) } else { Err(Problem::lacks(READS_MAIL)) }
    }

    /// Who asks, for who reads it later.
    pub(super) fn by(&self) -> &str {
        self.name.as_deref().unwrap_or("an operator")
    }

    /// Whether an account of this owner, or of none, is seen.
    pub(super) fn sees(&self, owner: Option<&str>) -> bool {
        self.owner().is_none_or(|mine| owner == Some(mine))
    }

    /// What is asked of an account, or an owner, and is seen. Returns whose things these are.
    pub(super) async fn narrowed(
        &self,
        shared: &Shared,
        account: Option<&str>,
        owner: Option<String>,
    ) -> Result<Option<String>, Problem> {
        if let Some(id) = account {
            self.account(shared, id).await?;
        }
        if owner.as_deref().is_some_and(|owner| !self.sees(Some(owner))) {
            return Err(Problem::missing("owner"));
        }
        Ok(owner.or_else(|| self.owner().map(str::to_owned)))
    }

    /// Whether a route is reached, with what its path names.
    pub(super) async fn reach(
        &self,
        shared: &Shared,
        about: About,
        id: &str,
    ) -> Result<(), Problem> {
        if self.owner.is_none() {
            return Ok(());
        }
        let what = match about {
            About::Nobody | About::List => return Ok(()),
            About::Process => {
                let text = "this token is for one owner's accounts; what is of the whole process needs one without @OWNER in admin.token";
                return Err(Problem::new(StatusCode::FORBIDDEN, "forbidden", text));
            }
            About::Account => return self.account(shared, id).await,
            About::Failure => return self.failure(shared, id).await,
            About::Job => return self.job(shared, id).await,
            About::Subscriber => return self.subscriber(shared, id).map(drop),
            About::Message => "message",
            About::Thread => "thread",
            About::Contact => "contact",
        };
        let missing = || Problem::missing(what);
        let number = id.parse().map_err(|_| missing())?;
        let thing = match about {
            About::Thread => Thing::Thread(number),
            About::Contact => Thing::Contact(number),
            _ => Thing::Message(number),
        };
        let owner = shared.reader.owner_of(thing).await?.ok_or_else(missing)?;
        if self.sees(owner.as_deref()) { Ok(()) } else { Err(missing()) }
    }

    /// Whether there is this row of the ledger, and its account is seen.
    async fn failure(&self, shared: &Shared, id: &str) -> Result<(), Problem> {
        let missing = || Problem::missing("failure");
        let number = id.parse().map_err(|_| missing())?;
        let row = FailureReader::new(&shared.reader).row(number).await?.ok_or_else(missing)?;
        self.account(shared, &row.account).await.map_err(|problem| unseen(problem, missing))
    }

    /// Whether there is this job, and its account is seen; one of the whole process is not.
    async fn job(&self, shared: &Shared, id: &str) -> Result<(), Problem> {
        let missing = || Problem::missing("job");
        let number = id.parse().map_err(|_| missing())?;
        let job = JobReader::new(&shared.reader).row(number).await?.ok_or_else(missing)?;
        let account = job.what.account.ok_or_else(missing)?;
        let is_known = shared.registry.look(&account, |_| ()).is_some();
        if !is_known && shared.reader.owner_of(Thing::Account(&account)).await?.is_none() {
            // It has never begun: whose it was as it was asked for.
            return if self.sees(job.owner.as_deref()) { Ok(()) } else { Err(missing()) };
        }
        self.account(shared, &account).await.map_err(|problem| unseen(problem, missing))
    }

    /// Whether there is this account, and it is seen. What the config says of it now is asked first.
    pub(super) async fn account(&self, shared: &Shared, id: &str) -> Result<(), Problem> {
        let owner = match shared.registry.find(id) {
            Some(line) => Some(line.owner),
            None => shared.reader.owner_of(Thing::Account(id)).await?,
        };
        let owner = owner.filter(|owner| self.sees(owner.as_deref()));
        owner.map(|_| ()).ok_or_else(|| Problem::missing("account"))
    }
}

/// What is of an account that is not seen is not there either.
fn unseen(problem: Problem, missing: impl Fn() -> Problem) -> Problem {
    if problem.status == StatusCode::NOT_FOUND { missing() } else { problem }
}
