//! A second provider: it reads a mailbox out of memory, and may take a toll for it.

use crate::support::mail::{Mail, Mailbox};
use postrider::provider::{
    Asks, Coming, Denied, Endpoint, GuardedCredential, Leash, Opening, Purse, Session, Sink,
    Watching,
};
use postrider_core::budget::{Lane, Quota};
use postrider_core::failure::{Class, Failure, Provenance, Reach};
use postrider_core::mail::body::BodySink;
use postrider_core::mail::flags::Flags;
use postrider_core::mail::folder::WireName;
use postrider_core::mail::folder::{ListedFolder, Role};
use postrider_core::mail::id::{Identity, UidValidity};
use postrider_core::mail::message::Fetched;
use postrider_core::mail::page::Page;
use postrider_core::mail::uid_flags::UidFlags;
use postrider_core::mail::uid_set::UidSet;
use postrider_core::mime::header_facts;
use postrider_core::provider::Capabilities;
use postrider_core::provider::folders::{Examined, FolderAnswer, FolderRequest, Sampled};
use postrider_core::provider::watch::WatchRequest;
use postrider_core::provider::{Answer, Request};
use postrider_core::time::Micros;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A provider that reads a mailbox out of memory.
#[derive(Clone, Debug)]
pub(crate) struct Shelf {
    pub(crate) mailbox: Mailbox,
    pub(crate) bodies: Arc<AtomicUsize>,
    pub(crate) toll: Option<Arc<Toll>>,
}

/// What reading costs, and what was charged.
#[derive(Debug)]
pub(crate) struct Toll {
    pub(crate) quota: Quota,
    pub(crate) log: Mutex<Vec<Charge>>,
    /// Whether the question of this number is refused, and with which words.
    pub(crate) refuses: fn(usize) -> Option<Failure>,
}

/// A question that was charged.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Charge {
    pub(crate) at: Instant,
    /// Tells accounts from each other.
    pub(crate) account: u64,
    pub(crate) lane: Lane,
    pub(crate) units: u64,
    pub(crate) waited: Duration,
}

/// A session of it.
struct Reading {
    shelf: Shelf,
    sink: Sink,
    purse: Purse,
    account: u64,
}

/// The table of costs.
fn cost(request: &Request) -> u64 {
    match request {
        Request::Folders(FolderRequest::List { .. }) => 1,
        Request::Folders(FolderRequest::Examine { .. })
        | Request::Folders(FolderRequest::Sample { .. })
        | Request::Folders(FolderRequest::Newest { .. }) => 2,
        Request::Folders(FolderRequest::Index { .. })
        | Request::Folders(FolderRequest::Uids { .. })
        | Request::Folders(FolderRequest::Keys { .. })
        | Request::Folders(FolderRequest::Sizes { .. }) => 5,
        Request::Folders(FolderRequest::Fetch { .. }) => 20,
        Request::Watch(WatchRequest { .. }) | Request::Feed(_) | Request::Push(_) => 0,
    }
}

impl Endpoint for Shelf {
    fn kind(&self) -> &'static str {
        "shelf"
    }

    fn patience(&self) -> Duration {
        Duration::from_secs(10)
    }

    fn quota(&self) -> Quota {
        self.toll.as_ref().map(|toll| toll.quota).unwrap_or_default()
    }

    fn open<'a>(
        &'a self,
        credential: GuardedCredential,
        opening: Opening,
    ) -> Coming<'a, Result<Box<dyn Session>, Failure>> {
        let known = credential.username().starts_with('u');
        let account = opening.account.trim_start_matches('u').parse().unwrap_or(0);
        let Opening { sinks, purse, .. } = opening;
        let sink = sinks.sink();
        let session: Box<dyn Session> =
            Box::new(Reading { shelf: self.clone(), sink, purse, account });
        let refused =
            || Failure::new(Class::Auth, Reach::Account, Provenance::Server, "nobody of this name");
        Box::pin(async move { if known { Ok(session) } else { Err(refused()) } })
    }

    fn probe(&self) -> Coming<'_, Result<(), Failure>> {
        Box::pin(async { Ok(()) })
    }
}

impl Session for Reading {
    fn capabilities(&self) -> Capabilities {
        Capabilities::default()
    }

    fn leash(&self) -> Leash {
        Leash::default()
    }

    fn answer<'a>(&'a mut self, request: &'a Request) -> Coming<'a, Result<Answer, Failure>> {
        Box::pin(async move { self.one(request).await })
    }

    fn run(
        mut self: Box<Self>,
        mut asks: Asks,
        _watching: Watching,
    ) -> Coming<'static, Result<(), Failure>> {
        Box::pin(async move {
            while let Some(mut ask) = asks.recv().await {
                let answer = self.charged(&ask.request).await;
                let fatal = answer.as_ref().err().filter(|e| e.reach != Reach::Folder).cloned();
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

/// INTERNALDATE to the year.
pub(crate) fn date(mail: &Mail) -> Micros {
    let year: i64 = mail.date.split(['-', ' ']).nth(2).unwrap().parse().unwrap();
    Micros::from_seconds((year - 1970) * 31_557_600)
}

fn gone() -> Failure {
    Failure::new(Class::Provider, Reach::Folder, Provenance::Server, "there is no such folder")
}

impl Reading {
    fn folder(&self, remote_id: &[u8]) -> Result<postrider_imapd::Folder, Failure> {
        let name = String::from_utf8(remote_id.to_vec()).unwrap();
        self.shelf.mailbox.lock().get(&name).cloned().ok_or_else(gone)
    }

    /// Pays first; the server notes what it charges, also for what it refuses.
    async fn charged(&mut self, request: &Request) -> Result<Answer, Failure> {
        let Some(toll) = self.shelf.toll.clone() else { return self.one(request).await };
        let (asked, lane, units) = (Instant::now(), request.lane(), cost(request));
        let paid = match self.purse.ask(lane, units).await {
            Ok(paid) => paid,
            Err(Denied::Later(wait)) => return Ok(Answer::Deferred(wait)),
            Err(Denied::Over(failure)) => return Err(failure),
        };
        // A folder that is gone by now is not asked about.
        if request.remote_id().is_some_and(|name| self.folder(name).is_err()) {
            paid.unspent();
            return Err(gone());
        }
        let (at, waited) = (Instant::now(), asked.elapsed());
        let number = {
            let mut log = toll.log.lock().unwrap();
            log.push(Charge { at, account: self.account, lane, units, waited });
            log.len()
        };
        if let Some(refused) = (toll.refuses)(number) {
            return Err(refused);
        }
        self.one(request).await
    }

    async fn one(&mut self, request: &Request) -> Result<Answer, Failure> {
        let remote_id = request.remote_id().cloned().unwrap_or_default();
        match request {
            Request::Folders(FolderRequest::List { .. }) => {
                let role = |name: &str, folder: &postrider_imapd::Folder| match name {
                    "INBOX" => Some(Role::Inbox),
                    _ => Role::from_word(&folder.role.trim_start_matches('\\').to_lowercase()),
                };
                let mailbox = self.shelf.mailbox.lock();
                let listed = mailbox.iter().map(|(name, folder)| ListedFolder {
                    remote_id: name.clone().into_bytes().into(),
                    path: name.clone(),
                    delimiter: Some('/'),
                    role: role(name, folder),
                });
                let folders = listed.collect();
                Ok(Answer::Folders(FolderAnswer::Listed {
                    folders,
                    unreadable: None,
                    counters: BTreeMap::new(),
                }))
            }
            Request::Folders(FolderRequest::Examine { .. }) => {
                let folder = self.folder(&remote_id)?;
                let examined = Examined {
                    uidvalidity: UidValidity(folder.uidvalidity),
                    uidnext: folder.uidnext,
                    inferred: false,
                    exists: u32::try_from(folder.mail.len()).unwrap(),
                    modseq: 0,
                    mailbox: None,
                };
                Ok(Answer::Folders(FolderAnswer::Examined {
                    remote_id,
                    examined,
                    changed: None,
                    told: None,
                }))
            }
            Request::Folders(FolderRequest::Index { .. }) => {
                let folder = self.folder(&remote_id)?;
                let mut rows = UidFlags::default();
                for (uid, mail) in &folder.mail {
                    rows.push(*uid, Flags::new(mail.flags.iter().map(String::as_str)));
                }
                let exists = u32::try_from(folder.mail.len()).unwrap();
                Ok(Answer::Folders(FolderAnswer::Indexed {
                    remote_id,
                    rows: rows.finished(),
                    exists,
                }))
            }
            Request::Folders(FolderRequest::Sizes { .. }) => {
                let sizes = self
                    .folder(&remote_id)?
                    .mail
                    .iter()
                    .map(|(uid, mail)| (*uid, mail.raw.len() as u64))
                    .collect();
                Ok(Answer::Folders(FolderAnswer::Sized(sizes)))
            }
            Request::Folders(FolderRequest::Sample { uids, .. }) => self.sampled(remote_id, uids),
            Request::Folders(FolderRequest::Newest { .. }) => {
                let newest =
                    self.folder(&remote_id)?.mail.keys().last().copied().into_iter().collect();
                self.sampled(remote_id, &newest)
            }
            Request::Folders(FolderRequest::Fetch { uids, .. }) => {
                self.page(&remote_id, uids).await
            }
            Request::Folders(FolderRequest::Uids { .. }) => {
                Err(Failure::bug("it tells no changes"))
            }
            Request::Folders(FolderRequest::Keys { .. }) => {
                Err(Failure::bug("its UIDs never begin anew"))
            }
            Request::Watch(WatchRequest { .. }) | Request::Feed(_) | Request::Push(_) => {
                Err(Failure::bug("a server without push is not asked to watch"))
            }
        }
    }

    fn sampled(&self, remote_id: WireName, uids: &UidSet) -> Result<Answer, Failure> {
        let folder = self.folder(&remote_id)?;
        let row = |uid| {
            Some(Sampled {
                uid,
                size: folder.mail.get(&uid)?.raw.len() as u64,
                internal_date: Some(date(folder.mail.get(&uid)?)),
            })
        };
        let rows = uids.iter().filter_map(row).collect();
        Ok(Answer::Folders(FolderAnswer::Sampled { remote_id, rows, threads: BTreeMap::new() }))
    }

    async fn page(&mut self, remote_id: &[u8], uids: &UidSet) -> Result<Answer, Failure> {
        let folder = self.folder(remote_id)?;
        let found: Vec<(u32, &Mail)> =
            uids.iter().filter_map(|uid| Some((uid, folder.mail.get(&uid)?))).collect();
        for (_, mail) in &found {
            self.sink.begin(mail.raw.len() as u64).await?;
            self.sink.write(&mail.raw).await?;
            self.sink.finish().await?;
        }
        self.shelf.bodies.fetch_add(found.len(), Ordering::SeqCst);
        let bodies = self.sink.seal().await?;
        let row =
            |((uid, mail), body): (&(u32, &Mail), postrider_core::mail::body::BodyRef)| Fetched {
                thread: None,
                uid: *uid,
                identity: Identity(format!("h:{}", body.hash())),
                body,
                flags: Flags::new(mail.flags.iter().map(String::as_str)),
                modseq: None,
                internal_date: Some(date(mail)),
                header: header_facts(&mail.raw),
                announced: None,
                held: false,
            };
        let rows: Vec<Fetched> = found.iter().zip(bodies).map(row).collect();
        let gone = uids.minus(&found.iter().map(|(uid, _)| *uid).collect());
        Ok(Answer::Folders(FolderAnswer::Fetched {
            page: Page { rows, gone, ..Page::default() },
            last: true,
        }))
    }
}
