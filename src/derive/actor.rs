//! The DeriveActor: reads what is owed of each account in turn, and has the store keep it. It is told what has come;
//! what it was not told it finds in the rows.

mod looks;
mod moves;

use self::moves::Moving;
use crate::clock::Clock;
use crate::derive::check::Looking;
use crate::derive::piece::{Kept, Piece, ReadPiece, first_of};
use crate::derive::read::MailReader;
use crate::fault;
use crate::handle::{Handle, Queued, Served};
use crate::reply::ReplyTo;
use crate::store::Reader;
use crate::store::arrivals::Arrivals;
use crate::store::derive::{
    DeriveAnswer, DeriveChange, DeriveOrder, DeriveStands, DerivedMail, FoundAccount, OwedMail,
    OwedReader,
};
use crate::store::message::{StoreMsg, StoreRequest};
use crate::telemetry::names;
use crate::telemetry::registry::Registry;
use postrider_core::batch::PieceSize;
use postrider_core::derive::{Look, MOST, Made, Span, Turn, Turns, Work};
use postrider_core::failure::Failure;
use postrider_core::mail::id::AccountId;
use postrider_core::standing::Activity;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::oneshot;

/// Messages of a piece, at most: what is read, and then written, at a time.
const PIECE: i64 = 256;
/// What a mail takes while it waits to be written is so many times its length (its parts are many, and short), and this,
/// up to [`MAIL_MOST`].
const MAIL_TIMES: u64 = 8;
const MAIL_LEAST: u64 = 16 * 1024;
/// What a mail takes at most, however long it is: its parts, its people, its texts.
const MAIL_MOST: u64 = 8 * 1024 * 1024;
/// A turn that has taken so long ends with the piece that is read: others may be asking.
const TURN: Duration = Duration::from_secs(1);
/// After trouble it is tried again so much later.
const TROUBLE: Duration = Duration::from_secs(5);

/// What the actor is asked.
#[derive(Debug)]
pub enum DeriveRequest {
    /// Derive everything of an account anew; answered when that is durable.
    Again(AccountId, ReplyTo<Result<(), Failure>>),
    /// Make rows so from now on; those that are made otherwise are made anew.
    Make(Made),
    /// The process ends: what is under way is ended, and nothing is begun any more.
    Settle(ReplyTo<()>),
}

/// What it is told: that, and what it tells itself.
#[derive(Debug)]
pub enum DeriveMsg {
    /// What others ask.
    Asked(Queued<DeriveRequest>),
    /// Something has come, or a turn is due.
    Woken,
    /// The next turn, behind what others ask.
    Turn,
}

impl From<Queued<DeriveRequest>> for DeriveMsg {
    fn from(asked: Queued<DeriveRequest>) -> Self {
        Self::Asked(asked)
    }
}

impl Served for DeriveMsg {
    type Request = DeriveRequest;
}

/// What the actor is made with.
#[derive(Clone, Debug)]
pub struct DeriveArgs {
    /// Where it is seen.
    pub path: String,
    /// Reads what is owed, and what is derived.
    pub reader: Reader,
    /// Keeps what was read.
    pub store: Handle<StoreMsg>,
    /// Tells what has come.
    pub arrivals: Arrivals,
    /// Where the packs are.
    pub bodies: PathBuf,
    /// Octets that may be in use at a time.
    pub bytes: u64,
    /// What rows are to be made by.
    pub made: Made,
    /// Time.
    pub clock: Clock,
    /// The process ends: what is being read is given up.
    pub leaving: Arc<AtomicBool>,
    /// An actor of this process has begun already.
    pub has_begun: Arc<AtomicBool>,
    /// Where it is seen.
    pub registry: Registry,
}

/// The actor.
#[derive(Debug, Default)]
pub struct DeriveActor;

/// What it holds.
#[derive(Debug)]
pub struct DeriveState {
    args: DeriveArgs,
    owed: OwedReader,
    mails: MailReader,
    /// Where what is stored is looked through.
    looking: BTreeMap<AccountId, Looking>,
    turns: Turns,
    /// The accounts are known.
    is_loaded: bool,
    /// Whose row says that something is read now.
    asking: BTreeSet<AccountId>,
    /// Of which mails are to be moved to other threads.
    moving: Moving,
    /// Of which all was read anew, and what is of no mail is to go.
    ending: BTreeSet<AccountId>,
    is_end_next: bool,
    size: PieceSize,
    /// When it is woken by itself.
    due: Option<Duration>,
    /// The next turn is on its way.
    is_going: bool,
    /// History comes in: between two turns everything rests.
    is_beside_history: bool,
}

impl Actor for DeriveActor {
    type Msg = DeriveMsg;
    type State = DeriveState;
    type Arguments = DeriveArgs;

    async fn pre_start(
        &self,
        me: ActorRef<DeriveMsg>,
        args: DeriveArgs,
    ) -> Result<DeriveState, ActorProcessingErr> {
        let woken = me.clone();
        // One that has ended needs no waking.
        args.arrivals.wakes(move || drop(woken.cast(DeriveMsg::Woken)));
        me.cast(DeriveMsg::Woken)?;
        Ok(DeriveState {
            mails: mails(&args),
            owed: OwedReader::new(args.reader.clone()),
            looking: BTreeMap::new(),
            args,
            turns: Turns::default(),
            is_loaded: false,
            asking: BTreeSet::new(),
            moving: Moving::default(),
            ending: BTreeSet::new(),
            is_end_next: false,
            size: PieceSize::of(PIECE),
            due: None,
            is_going: false,
            is_beside_history: false,
        })
    }

    async fn handle(
        &self,
        me: ActorRef<DeriveMsg>,
        message: DeriveMsg,
        state: &mut DeriveState,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            DeriveMsg::Asked(asked) => match asked.open() {
                DeriveRequest::Again(account, reply) => reply.send(state.again(account).await),
                DeriveRequest::Make(made) => state.makes(made),
                DeriveRequest::Settle(reply) => {
                    state.settle().await;
                    reply.send(());
                    return Ok(());
                }
            },
            // It takes up what has come.
            DeriveMsg::Woken if state.is_going => return Ok(()),
            DeriveMsg::Woken => {}
            DeriveMsg::Turn => state.is_going = false,
        }
        fault::pass("panic.derive");
        let (registry, path) = (state.args.registry.clone(), state.args.path.clone());
        let wait = match state.turn().await {
            Ok(Some(wait)) => wait,
            Ok(None) => {
                registry.does(&path, Activity::Running.as_str(), "reads what comes", None);
                return Ok(());
            }
            Err(failure) => {
                registry.failed(&path, &failure);
                registry.does(&path, Activity::Running.as_str(), "tries again", None);
                tracing::warn!("nothing is derived now: {}", failure.chain());
                TROUBLE
            }
        };
        let due = state.args.clock.now().mono + wait;
        if wait.is_zero() {
            if !std::mem::replace(&mut state.is_going, true) {
                me.cast(DeriveMsg::Turn)?;
            }
        } else if state.due.is_none_or(|before| due < before) {
            state.due = Some(due);
            me.send_after(wait, || DeriveMsg::Woken);
        }
        Ok(())
    }
}

fn mails(args: &DeriveArgs) -> MailReader {
    MailReader::new(&args.bodies, args.made.words, Arc::clone(&args.leaving))
}

impl DeriveState {
    /// One turn; how long until the next one, or none before something comes.
    async fn turn(&mut self) -> Result<Option<Duration>, Failure> {
        if self.is_leaving() {
            return Ok(None);
        }
        let mono = self.args.clock.now().mono;
        self.due = self.due.filter(|due| *due > mono);
        let arrived = self.args.arrivals.take();
        self.is_loaded &= !arrived.is_unsure;
        if !self.is_loaded {
            self.load().await?;
            self.is_loaded = true;
        }
        for (account, newest) in arrived.more {
            let live = arrived.live.get(&account).cloned().unwrap_or_default();
            self.turns.came(account, newest, &live, self.args.made);
        }
        let (turn, rests) =
            (self.turns.next(mono, arrived.history_at), self.turns.rests(mono, arrived.history_at));
        self.is_beside_history = self.turns.is_beside(mono, arrived.history_at);
        match turn {
            Turn::Read(work) if work.is_live => self.work(work).await?,
            _ if let Some(until) = rests.filter(|_| turn != Turn::Rest || self.has_more()) => {
                return Ok(Some(until.saturating_sub(mono)));
            }
            _ if let Some(account) = self.moving.next(mono) => self.move_some(account).await,
            _ if let Some(account) = self.next_end(matches!(turn, Turn::Read(_))) => {
                self.end(account).await?;
                let now = self.args.clock.now().mono;
                self.turns.worked(now, now.saturating_sub(mono));
            }
            Turn::Read(work) => self.work(work).await?,
            Turn::Wait(until) => return Ok(self.or_moves(Some(until.saturating_sub(mono)), mono)),
            Turn::Rest => return Ok(self.or_moves(None, mono)),
        }
        Ok(Some(Duration::ZERO))
    }

    async fn work(&mut self, work: Work) -> Result<(), Failure> {
        let began = self.args.clock.now().mono;
        let (path, state) = (&self.args.path, Activity::Running.as_str());
        self.args.registry.does(path, state, "reads stored mail", None);
        let done = self.read(work).await;
        if done.is_err() {
            self.turns.failed(work);
        }
        let now = self.args.clock.now().mono;
        self.turns.took(work, now, now.saturating_sub(began));
        done
    }

    /// Every account, as it is stored; what has come meanwhile is in the rows, too.
    async fn load(&mut self) -> Result<(), Failure> {
        for FoundAccount { id, derive, newest, moves } in self.owed.accounts().await? {
            // Only what another process was reading when it ended can have ended it; and until its row has begun that
            // stays so, however often the rows are read.
            let begins = self.turns.known(id).is_some_and(|(.., begins)| begins);
            let derive = if self.args.has_begun.load(Ordering::Relaxed) && !begins {
                derive.map(|derive| derive.asks(None))
            } else {
                derive
            };
            self.ends(id, derive.as_ref(), newest);
            self.turns.found(id, derive, newest, self.args.made);
            self.moving.are(id, moves);
        }
        self.args.has_begun.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Reads a range, in pieces: while one is written the next one is read. New mail breaks it off.
    async fn read(&mut self, work: Work) -> Result<(), Failure> {
        let Work { account, span, is_live } = work;
        let Some((derive, seen, begins)) = self.turns.known(account) else { return Ok(()) };
        let (is_asked, left_out) = (derive.asked() == Some(span), derive.left_out().clone());
        if begins {
            return self.begin(account).await;
        }
        let look = derive.looks().filter(|look| *look == Look::Before && !is_live);
        if let Some(look) = look {
            return self.look(account, look).await;
        }
        let mut mails = self.owed.mails(account, span, MOST + 1).await?;
        let count = i64::try_from(mails.len()).unwrap_or(i64::MAX);
        self.turns.found_messages(account, count);
        // One that has too many is narrower the next time.
        let is_ready = count <= MOST && (is_asked || mails.is_empty());
        if count > MOST || !(is_ready || self.ask(account, Some(span)).await?) {
            return Ok(());
        }
        // Of what has ended the process twice nothing is derived.
        mails.retain(|mail| !left_out.contains(mail.message.0));
        let (mut before, mut is_cut) = (None, false);
        let begun = self.args.clock.now().mono;
        for Piece { span: mut part, mails } in self.pieces(span, mails) {
            let began = self.args.clock.now().mono;
            let has_live = !is_live && self.args.arrivals.has_live();
            if is_cut || before.is_some() && (has_live || began.saturating_sub(begun) > TURN) {
                break;
            }
            let rest = Some(Span { low: part.low, high: span.high });
            let count_of = mails.len();
            let stored = mails.iter().map(|mail| mail.stored_at).collect();
            let (kept, rows) =
                tokio::join!(self.keep(account, before.take(), seen, rest), self.mails.read(mails));
            if !self.kept(account, kept?) {
                return self.ask(account, None).await.map(drop);
            }
            let rows = rows?;
            if self.is_leaving() {
                return Ok(());
            }
            if rows.len() < count_of {
                // What lies in them is enough for one write.
                is_cut = true;
                let Some(last) = rows.last() else { return Ok(()) };
                part.high = last.message.0;
            }
            before = Some(ReadPiece { span: part, rows, stored, is_live });
            let took = self.args.clock.now().mono.saturating_sub(began);
            self.size = self.size.after(took);
        }
        let next = before.as_ref().and_then(|read| self.turns.after(account, read.span));
        // Nothing is said to be read while everything rests.
        let next = next.filter(|_| !self.is_beside_history);
        let kept = self.keep(account, before, seen, next).await?;
        if !self.kept(account, kept) {
            // Nothing has died over it.
            self.ask(account, None).await?;
        }
        Ok(())
    }

    /// A range as pieces: of so many messages as are written in time, and fit into what may be in use: one is read
    /// while another is written.
    fn pieces(&self, span: Span, mails: Vec<OwedMail>) -> Vec<Piece> {
        let (most, room) = (usize::try_from(self.size.rows()).unwrap_or(1), self.args.bytes / 2);
        let mut pieces = vec![Piece { span, mails: Vec::new() }];
        let mut takes = 0;
        for mail in mails {
            let octets = (MAIL_LEAST + mail.length.saturating_mul(MAIL_TIMES)).min(MAIL_MOST);
            let low = mail.message.0;
            if let Some(piece) = pieces.last_mut()
                && !piece.mails.is_empty()
                && (piece.mails.len() >= most || takes + octets > room)
            {
                piece.span.high = low - 1;
                takes = 0;
                pieces.push(Piece { span: Span { low, high: span.high }, mails: Vec::new() });
            }
            takes += octets;
            if let Some(piece) = pieces.last_mut() {
                piece.mails.push(mail);
            }
        }
        pieces
    }

    /// Has a piece kept.
    async fn keep(
        &self,
        account: AccountId,
        read: Option<ReadPiece>,
        seen: i64,
        next: Option<Span>,
    ) -> Result<Option<Kept>, Failure> {
        let Some(ReadPiece { span, rows, stored, is_live }) = read else { return Ok(None) };
        let parses = rows.iter().map(DerivedMail::parse).collect();
        let stands = self.order(account, DeriveChange::Take { span, seen, rows, next }).await?;
        let stored = if is_live { stored } else { Vec::new() };
        Ok(Some(Kept { stands, parses, stored }))
    }

    /// A piece is kept, or was refused; whether the next one fits.
    fn kept(&mut self, account: AccountId, kept: Option<Kept>) -> bool {
        let Some(Kept { stands, parses, stored }) = kept else { return true };
        let is_kept = self.stands(account, stands);
        if is_kept {
            for parse in parses {
                metrics::counter!(names::DERIVED_MESSAGES, "parse" => parse).increment(1);
            }
            let wall = self.args.clock.now().wall;
            for at in stored {
                metrics::histogram!(names::DERIVE_LAG).record(wall.since(at).as_secs_f64());
            }
        }
        is_kept
    }

    /// As the store answers; whether it was not refused.
    fn stands(&mut self, account: AccountId, stands: Option<DeriveStands>) -> bool {
        let Some(DeriveStands { derive, is_refused, moves }) = stands else {
            self.asking.remove(&account);
            self.moving.are(account, false);
            self.ending.remove(&account);
            self.turns.gone(account);
            return false;
        };
        let newest = self.turns.known(account).map_or(i64::MAX, |(_, newest, _)| newest);
        self.ends(account, Some(&derive), newest);
        if moves || !is_refused {
            self.moving.are(account, moves);
        }
        if derive.asked().is_some() {
            self.asking.insert(account);
        } else {
            self.asking.remove(&account);
        }
        let is_other = derive.made() != self.args.made;
        self.turns.stands(account, derive, is_other);
        !is_refused
    }

    async fn order(
        &self,
        account: AccountId,
        change: DeriveChange,
    ) -> Result<Option<DeriveStands>, Failure> {
        let (done, answer) = oneshot::channel();
        let reply = ReplyTo::new(move |answer: Option<DeriveAnswer>| drop(done.send(answer)));
        let order = DeriveOrder { account, made: self.args.made, change };
        self.args.store.send(StoreRequest::Derive(order, reply));
        let ended = || Failure::storage("the store ended before it answered");
        answer.await.ok().flatten().unwrap_or_else(|| Err(ended()))
    }

    /// Its row says what is read now; whether it does.
    async fn ask(&mut self, account: AccountId, span: Option<Span>) -> Result<bool, Failure> {
        let stands = self.order(account, DeriveChange::Ask(span)).await?;
        Ok(self.stands(account, stands))
    }

    /// Its row is what a process begins with.
    async fn begin(&mut self, account: AccountId) -> Result<(), Failure> {
        let stands = self.order(account, DeriveChange::Begin).await?;
        let left_out = stands.as_ref().map(|stands| stands.derive.left_out().clone());
        if let Some(numbers) = left_out.filter(|numbers| !numbers.is_empty()) {
            tracing::warn!(
                account.row = account.0,
                "the process has ended twice while it read these messages: nothing is derived of {}",
                first_of(&numbers)
            );
        }
        self.stands(account, stands);
        Ok(())
    }

    /// Each account begins anew, where its rows are made otherwise.
    fn makes(&mut self, made: Made) {
        self.args.made = made;
        (self.mails, self.is_loaded) = (mails(&self.args), false);
        self.looking.clear();
    }

    fn is_leaving(&self) -> bool {
        self.args.leaving.load(Ordering::Relaxed)
    }

    /// Nothing is read any more, and the rows say so.
    async fn settle(&mut self) {
        for account in std::mem::take(&mut self.asking) {
            if let Err(failure) = self.order(account, DeriveChange::Ask(None)).await {
                // What was read then is read alone the next time.
                tracing::debug!("what was being read is not forgotten: {}", failure.chain());
            }
        }
    }
}
