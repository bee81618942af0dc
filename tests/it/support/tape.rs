//! A third provider: it tells the changes of a mailbox in memory by message id, as ids that were
//! touched or as records with versions.

use crate::support::mail::{Mail, Mailbox};
use postrider::provider::{
    Asks, Coming, Endpoint, GuardedCredential, Leash, Opening, Session, Sink, Watching,
};
use postrider_core::budget::Quota;
use postrider_core::failure::{Class, Failure};
use postrider_core::mail::body::BodySink;
use postrider_core::mail::feed::{FeedCursor, MailVersion, PageToken, PlaceId};
use postrider_core::mail::flags::Flags;
use postrider_core::mail::folder::Role;
use postrider_core::mail::id::Identity;
use postrider_core::mail::room::Room;
use postrider_core::mime::header_facts;
use postrider_core::provider::feeds::{
    FeedAnswer, FeedItem, FeedRequest, FeedWord, FlagLabel, FoundMail, Got, ListedMail,
    ListedPlace, Onward, SeenState, WantedMail, Within,
};
use postrider_core::provider::{Answer, Request};
use postrider_core::provider::{Capabilities, Family, FeedTraits};
use postrider_core::time::Micros;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Its clock stands still, between the old mail of the tests and the new.
const CLOCK: Micros = Micros(1_800_000_000_000_000);
/// Ids in a page.
const PAGE: usize = 40;

/// A mailbox at one time: its messages by id.
type Sight = BTreeMap<String, (SeenState, Mail)>;

/// A provider that tells changes by message id.
#[derive(Clone, Debug)]
pub(crate) struct Tape {
    mailbox: Mailbox,
    /// What it has shown: a cursor is a place in it.
    past: Arc<Mutex<Vec<Sight>>>,
    /// It tells records, and its lists show ids alone.
    records: bool,
    /// What came after cursors below this is forgotten.
    pub(crate) floor: Arc<AtomicUsize>,
    /// Mail that begins with `X-Spoilt` cannot be read.
    pub(crate) spoilt: Arc<AtomicBool>,
    /// That mail is in lists, and not there for who asks.
    pub(crate) hidden: Arc<AtomicBool>,
    /// It does not answer for that mail.
    pub(crate) mute: Arc<AtomicBool>,
    /// Its pages show nothing, and go on.
    pub(crate) endless: Arc<AtomicBool>,
    /// Bodies that were read.
    pub(crate) bodies: Arc<AtomicUsize>,
    /// What was asked, in short.
    pub(crate) log: Arc<Mutex<Vec<String>>>,
}

/// Alike but for their versions.
fn is_alike(a: &SeenState, b: &SeenState) -> bool {
    (&a.places, &a.flags) == (&b.places, &b.flags)
}

/// A session of it.
struct Playing {
    tape: Tape,
    sink: Sink,
}

impl Tape {
    pub(crate) fn of(mailbox: &Mailbox) -> Self {
        Self {
            mailbox: mailbox.clone(),
            past: Arc::default(),
            records: false,
            floor: Arc::default(),
            spoilt: Arc::default(),
            hidden: Arc::default(),
            mute: Arc::default(),
            endless: Arc::default(),
            bodies: Arc::default(),
            log: Arc::default(),
        }
    }

    /// One that tells records.
    pub(crate) fn of_records(mailbox: &Mailbox) -> Self {
        Self { records: true, ..Self::of(mailbox) }
    }

    /// Its cursor of now.
    pub(crate) fn now(&self) -> usize {
        self.sight().0
    }

    /// The mailbox now. A message is its bytes where they lie in memory: moved, it is the same.
    fn sight(&self) -> (usize, Sight) {
        let mut sight = Sight::new();
        let mut times: BTreeMap<usize, u32> = BTreeMap::new();
        for (folder, _, mail) in self.mailbox.all() {
            let at = Arc::as_ptr(&mail.raw) as usize;
            let nth = times.entry(at).or_default();
            *nth += 1;
            let flags = Flags::new(mail.flags.iter().map(String::as_str));
            let state = SeenState { places: [PlaceId(folder)].into(), flags, version: None };
            sight.insert(format!("tp:{at:x}.{nth}"), (state, mail));
        }
        let mut past = self.past.lock().unwrap();
        let same = |last: &Sight| {
            last.len() == sight.len()
                && last
                    .iter()
                    .all(|(id, (state, _))| sight.get(id).is_some_and(|s| is_alike(&s.0, state)))
        };
        if !past.last().is_some_and(same) {
            // Who differs from before has got a version.
            let version = MailVersion::new(&past.len().to_string());
            for (id, (state, _)) in &mut sight {
                let before = past.last().and_then(|last: &Sight| last.get(id));
                let same = before.filter(|(was, _)| is_alike(was, state));
                state.version = Some(
                    same.and_then(|(was, _)| was.version.clone())
                        .unwrap_or_else(|| version.clone()),
                );
            }
            past.push(sight);
        }
        (past.len() - 1, past.last().cloned().unwrap_or_default())
    }
}

impl Endpoint for Tape {
    fn kind(&self) -> &'static str {
        "tape"
    }

    fn family(&self) -> Family {
        Family::Feed
    }

    fn patience(&self) -> Duration {
        Duration::from_secs(10)
    }

    fn quota(&self) -> Quota {
        Quota::default()
    }

    fn open<'a>(
        &'a self,
        _: GuardedCredential,
        opening: Opening,
    ) -> Coming<'a, Result<Box<dyn Session>, Failure>> {
        let session: Box<dyn Session> =
            Box::new(Playing { tape: self.clone(), sink: opening.sinks.sink() });
        Box::pin(async move { Ok(session) })
    }

    fn probe(&self) -> Coming<'_, Result<(), Failure>> {
        Box::pin(async { Ok(()) })
    }
}

impl Session for Playing {
    fn capabilities(&self) -> Capabilities {
        let feed = FeedTraits { shows_state: !self.tape.records, ..FeedTraits::default() };
        Capabilities { feed, ..Capabilities::default() }
    }

    fn leash(&self) -> Leash {
        Leash::default()
    }

    fn answer<'a>(&'a mut self, request: &'a Request) -> Coming<'a, Result<Answer, Failure>> {
        Box::pin(async move {
            match request {
                Request::Feed(request) => self.one(request).await.map(Answer::Feed),
                _ => Err(Failure::bug("it knows no folders")),
            }
        })
    }

    fn run(
        mut self: Box<Self>,
        mut asks: Asks,
        _watching: Watching,
    ) -> Coming<'static, Result<(), Failure>> {
        Box::pin(async move {
            while let Some(mut ask) = asks.recv().await {
                let answer = self.answer(&ask.request).await;
                let fatal = answer.as_ref().err().cloned();
                (ask.answer)(answer);
                if let Some(failure) = fatal {
                    return Err(failure);
                }
            }
            Ok(())
        })
    }

    fn close(self: Box<Self>) -> Coming<'static, ()> {
        Box::pin(async {})
    }
}

impl Playing {
    async fn one(&mut self, request: &FeedRequest) -> Result<FeedAnswer, Failure> {
        let said = format!("{request:?}");
        let word = said.split([' ', '{']).next().unwrap_or_default().to_owned();
        self.tape.log.lock().unwrap().push(word);
        let (now, sight) = self.tape.sight();
        let cursor = FeedCursor(now.to_string());
        let endless = self.tape.endless.load(Ordering::SeqCst).then(|| PageToken("0".to_owned()));
        Ok(match request {
            FeedRequest::Places => {
                let role = |name: &str, folder: &postrider_imapd::Folder| match name {
                    "INBOX" => Some(Role::Inbox),
                    _ => Role::from_word(&folder.role.trim_start_matches('\\').to_lowercase()),
                };
                let mailbox = self.tape.mailbox.lock();
                let places = mailbox.iter().map(|(name, folder)| ListedPlace {
                    id: PlaceId(name.clone()),
                    path: name.clone(),
                    role: role(name, folder),
                });
                let places = places.collect();
                let label = |flag: &str| FlagLabel {
                    id: PlaceId(flag.to_owned()),
                    flag: Flags::new([flag]),
                    inverted: false,
                };
                // Every flag that a compare is to find.
                let labels = ["\\Flagged", "\\Seen", "work"].map(label).to_vec();
                FeedAnswer::Placed { places, labels, derived: None, clock: CLOCK }
            }
            FeedRequest::Head { .. } => FeedAnswer::Headed { cursor, clock: CLOCK },
            FeedRequest::Counts => FeedAnswer::Counted(Some(sight.len() as u64)),
            FeedRequest::Changes { since, .. } => {
                let since: usize = since.as_ref().unwrap().0.parse().unwrap();
                if since < self.tape.floor.load(Ordering::SeqCst) {
                    return Ok(FeedAnswer::Expired);
                }
                if let Some(token) = endless {
                    let next = Onward::Page(token);
                    return Ok(FeedAnswer::Changed { items: Vec::new(), next });
                }
                if self.tape.records {
                    return Ok(self.records(since, now));
                }
                let before = self.tape.past.lock().unwrap()[since].clone();
                let mut items = Vec::new();
                let mut tell = |id: &String, word| {
                    items.push(FeedItem { id: Identity(id.clone()), word });
                };
                for (id, (state, _)) in &sight {
                    match before.get(id) {
                        None => tell(id, FeedWord::New { version: None, places: None }),
                        Some((was, _)) if !is_alike(was, state) => tell(id, FeedWord::Touched),
                        Some(_) => {}
                    }
                }
                for id in before.keys().filter(|id| !sight.contains_key(*id)) {
                    tell(id, FeedWord::Gone(None));
                }
                FeedAnswer::Changed { items, next: Onward::Cursor { cursor, more: false } }
            }
            FeedRequest::List { .. } if endless.is_some() => {
                FeedAnswer::Page { rows: Vec::new(), next: endless }
            }
            FeedRequest::List { within, token } => {
                let from: usize = token.as_ref().map_or(0, |token| token.0.parse().unwrap());
                let is_in = |state: &SeenState| match within {
                    Within::Place(place) => state.places.contains(place),
                    Within::Label(label) => state.flags.names().any(|name| name == label.0),
                    Within::All => true,
                };
                let all: Vec<_> = sight.iter().filter(|(_, (state, _))| is_in(state)).collect();
                let page = all.iter().skip(from).take(PAGE);
                let rows = page
                    .map(|(id, (state, _))| {
                        let shown = (!self.tape.records).then(|| self.told(state));
                        ListedMail { id: Identity((*id).clone()), state: shown, thread: None }
                    })
                    .collect();
                let next = (from + PAGE < all.len()).then(|| PageToken((from + PAGE).to_string()));
                FeedAnswer::Page { rows, next }
            }
            FeedRequest::Get { wanted, .. } => self.get(wanted, &sight, &cursor).await?,
        })
    }

    /// A state as it is told: versions are for records.
    fn told(&self, state: &SeenState) -> SeenState {
        let version = state.version.clone().filter(|_| self.tape.records);
        SeenState { version, ..state.clone() }
    }

    /// What has happened since, in order; three steps a page.
    fn records(&self, since: usize, now: usize) -> FeedAnswer {
        let past = self.tape.past.lock().unwrap();
        let upto = now.min(since + 3);
        let mut items = Vec::new();
        for step in since + 1..=upto {
            let (before, after) = (&past[step - 1], &past[step]);
            let version = MailVersion::new(&step.to_string());
            let mut tell = |id: &String, word| {
                items.push(FeedItem { id: Identity(id.clone()), word });
            };
            for (id, (state, _)) in after {
                match before.get(id) {
                    None => {
                        let places = Some(state.places.clone());
                        tell(id, FeedWord::New { version: Some(version.clone()), places });
                    }
                    Some((was, _)) if !is_alike(was, state) => tell(
                        id,
                        FeedWord::Delta {
                            into: &state.places - &was.places,
                            out_of: &was.places - &state.places,
                            set: state.flags.without(&was.flags),
                            cleared: was.flags.without(&state.flags),
                            version: version.clone(),
                        },
                    ),
                    Some(_) => {}
                }
            }
            for id in before.keys().filter(|id| !after.contains_key(*id)) {
                tell(id, FeedWord::Gone(Some(version.clone())));
            }
        }
        let cursor = FeedCursor(upto.to_string());
        FeedAnswer::Changed { items, next: Onward::Cursor { cursor, more: upto < now } }
    }

    async fn get(
        &mut self,
        wanted: &[WantedMail],
        sight: &Sight,
        cursor: &FeedCursor,
    ) -> Result<FeedAnswer, Failure> {
        let marked = |id: &Identity| {
            sight.get(&id.0).is_some_and(|(_, mail)| mail.raw.starts_with(b"X-Spoilt"))
        };
        let spoilt = |id: &Identity| self.tape.spoilt.load(Ordering::SeqCst) && marked(id);
        let hidden = |id: &Identity| self.tape.hidden.load(Ordering::SeqCst) && marked(id);
        let mute = |id: &Identity| self.tape.mute.load(Ordering::SeqCst) && marked(id);
        let wanted: Vec<_> = wanted.iter().filter(|wanted| !mute(&wanted.id)).collect();
        let there = |wanted: &&&WantedMail| {
            wanted.bytes
                && sight.contains_key(&wanted.id.0)
                && !spoilt(&wanted.id)
                && !hidden(&wanted.id)
        };
        let read: Vec<_> = wanted.iter().filter(there).collect();
        for wanted in &read {
            let raw = &sight[&wanted.id.0].1.raw;
            self.sink.begin(raw.len() as u64).await?;
            self.sink.write(raw).await?;
            self.sink.finish().await?;
        }
        self.tape.bodies.fetch_add(read.len(), Ordering::SeqCst);
        let mut bodies = self.sink.seal().await?.into_iter();
        let mut found = Vec::new();
        for WantedMail { id, bytes, .. } in wanted {
            let Some((state, mail)) = sight.get(&id.0).filter(|_| !hidden(id)) else {
                found.push((id.clone(), Got::Missing));
                continue;
            };
            if *bytes && spoilt(id) {
                let (class, text) = (Class::InvalidData, "it is spoilt".to_owned());
                found.push((id.clone(), Got::Failed { class, text: text.into(), came: None }));
                continue;
            }
            let bytes = if *bytes { bodies.next() } else { None };
            let mail = FoundMail {
                thread: None,
                state: self.told(state),
                stamp: (!self.tape.records).then(|| cursor.clone()),
                date: Some(crate::support::shelf::date(mail)),
                bytes: bytes.map(|body| (body, header_facts(&mail.raw))),
                room: Room::default(),
            };
            found.push((id.clone(), Got::Found(Box::new(mail))));
        }
        Ok(FeedAnswer::Got { found, last: true })
    }
}
