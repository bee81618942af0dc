//! What a run does, as the machine sees it: the machine owns phases, waits, sessions and the end;
//! the work knows what is asked and committed, and why. There is one kind for each family of
//! providers.

use crate::commit::change::{Refusal, StoredRows};
use crate::commit::rows::AccountRow;
use crate::failure::Failure;
use crate::mail::id::FolderId;
use crate::provider::Capabilities;
use crate::provider::{Answer, Request};
use crate::run::context::RunCtx;
use crate::run::event::{AccountSnapshot, Token};
use crate::run::fetcher::PagesLeft;
use crate::run::first::FirstEnd;
use crate::run::reads::Rows;
use crate::run::scope::Depth;
use crate::run::settings::Settings;
use crate::run::summary::{ChangesTold, Counts, FolderSummary};
use crate::time::Micros;

/// Sessions that may end at single things in a run; what is left is the next one's.
pub(crate) const CUTS: u32 = 30;

/// What a session's end came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// Nothing was asked that could be at fault.
    Unnoted,
    /// It is noted, and the session had answered nothing else: it may be the session's own trouble.
    Noted,
    /// What it broke off has come further: no try of the run, and nothing is at fault.
    Further,
    /// It is noted, and that session worked otherwise: no try of the run.
    AtOneThing,
    /// So many have ended so in this run that the next one is to go on; `worked`: this one did
    /// otherwise.
    Enough { worked: bool },
}

/// A question that is answered now, and is no longer in the book.
#[derive(Debug)]
pub(crate) struct OpenQuestion<O> {
    pub(crate) token: Token,
    pub(crate) owner: O,
    /// It may have more answers.
    pub(crate) page: bool,
    /// What was asked; nothing for a page.
    pub(crate) request: Option<Request>,
}

/// What the store answered to a commit that it could take.
#[derive(Debug)]
pub(crate) enum Taken {
    Done(Box<StoredRows>),
    Refused(Refusal, Option<Box<StoredRows>>),
}

/// The work of a run.
pub(crate) trait Work: std::fmt::Debug + Sized {
    /// Whom an answer belongs to.
    type Owner: Copy + std::fmt::Debug;

    /// Whether a message without a place is looked for everywhere before the run is over.
    const LIMBO: bool;

    /// A commit that nobody waits for but the end of the run.
    const NOBODY: Self::Owner;

    /// From the store's rows; `before` is the same work before the store was asked anew.
    fn opened(
        before: Option<Self>,
        snapshot: AccountSnapshot,
        cx: &mut RunCtx<'_, Self::Owner>,
    ) -> Self;

    /// A session has come: it has answered nothing yet.
    fn connected(&mut self, capabilities: &Capabilities, cx: &mut RunCtx<'_, Self::Owner>);

    /// Starts whatever there is room for. Returns whether the round is over: nothing is left to
    /// start or to wait for.
    fn plan(&mut self, cx: &mut RunCtx<'_, Self::Owner>) -> bool;

    /// What is left that nobody was asked for, of the past.
    fn pages_left(&self, cx: &RunCtx<'_, Self::Owner>) -> PagesLeft;

    /// Whether it reads nothing but mail of the past, older than what is wanted of each folder first.
    fn reads_past(&self, settings: &Settings) -> bool;

    /// What it has read of what somebody asked for first.
    fn first_end(&self, _settings: &Settings) -> FirstEnd {
        FirstEnd::Nothing
    }

    /// What it was told of changes by message.
    fn changes_told(&self) -> ChangesTold {
        ChangesTold::default()
    }

    /// Whether mail of the past is left that waits.
    fn withholds(&self) -> bool;

    /// Whether what is left needs another session than this one.
    fn wants_other_session(&self, over: bool, cx: &RunCtx<'_, Self::Owner>) -> bool;

    /// A session has answered.
    ///
    /// # Errors
    /// What is more than the trouble of one thing.
    fn answered(
        &mut self,
        question: OpenQuestion<Self::Owner>,
        answer: Result<Answer, Failure>,
        cx: &mut RunCtx<'_, Self::Owner>,
    ) -> Result<(), Failure>;

    /// The session has ended; `token` is a question that it did not answer.
    fn cut(
        &mut self,
        token: Token,
        owner: Self::Owner,
        failure: &Failure,
        cx: &mut RunCtx<'_, Self::Owner>,
    ) -> Cut;

    /// Rows came that were asked for.
    fn rows(
        &mut self,
        token: Token,
        owner: Self::Owner,
        rows: Rows,
        cx: &mut RunCtx<'_, Self::Owner>,
    );

    /// Rows that were asked for will not come, or came too late to be used.
    fn unread(&mut self, owner: Self::Owner);

    /// The store has answered a commit; its rows are the account's now. `goes_on`: more may be
    /// asked and sent.
    fn committed(
        &mut self,
        owner: Self::Owner,
        taken: Taken,
        goes_on: bool,
        cx: &mut RunCtx<'_, Self::Owner>,
    );

    /// The store could not take a commit now. Returns whether it is to be sent again as it is.
    fn not_taken(&mut self, owner: Self::Owner) -> bool;

    /// The session is gone: whatever needs it begins anew.
    fn cut_off(&mut self, cx: &mut RunCtx<'_, Self::Owner>);

    /// A folder is to be looked at (again).
    fn want(&mut self, folder: FolderId, depth: Depth);

    /// Begins another look at everything.
    fn next_round(&mut self);

    /// Writes what the next run is to know of this one.
    fn keep(&mut self, cx: &mut RunCtx<'_, Self::Owner>);

    /// Says what the run leaves undone.
    fn leave_undone(&mut self, cx: &mut RunCtx<'_, Self::Owner>);

    /// What is wrong with all of it alike, and so is the server's trouble.
    fn refused_alike(&self) -> Option<Failure>;

    /// Why the live end stands still, if it does.
    fn live_end_stalled(&self, settings: &Settings) -> Option<Failure>;

    /// When the last durable pass of a folder began, and whether nothing more is wanted of it now.
    fn passed(&self, folder: FolderId) -> Option<(Option<Micros>, bool)>;

    /// The folders, for the schedule.
    fn lines(&self, account: &AccountRow) -> Vec<FolderSummary>;

    /// What has been done, and what remains as far as is known.
    fn totals(&self, counts: Counts) -> Counts;
}
