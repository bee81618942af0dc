//! The door to providers: a second provider, without a network, gives the mirror that IMAP gives.
//! Whatever either has, a run, a lease, a pool or a page cannot tell which it is.

use crate::support::binary::{Postrider, SHORT, account};
use crate::support::check::{ask, equal, state};
use crate::support::mail::{Mail, Mailbox, note, seed, serve_well};
use postrider::account::args::Unseen;
use postrider::boot::wiring::Engine;
use postrider::config::{Config, load};
use postrider::provider::{
    Ask, Coming, Credential, Endpoint, Leash, Opening, Session, Sink, Watching,
};
use postrider::reply::ReplyTo;
use postrider::supervision::root::RootMsg;
use postrider::telemetry::wire::WireLog;
use postrider_core::failure::{Class, Failure, Provenance, Reach};
use postrider_core::mail::body::BodySink;
use postrider_core::mail::flags::Flags;
use postrider_core::mail::folder::{ListedFolder, Role};
use postrider_core::mail::id::{Identity, UidValidity};
use postrider_core::mail::message::Fetched;
use postrider_core::mail::page::Page;
use postrider_core::mail::uid_flags::UidFlags;
use postrider_core::mail::uid_set::UidSet;
use postrider_core::mime::header_facts;
use postrider_core::provider::Capabilities;
use postrider_core::provider::folders::{Answer, Examined, Request, Sampled};
use postrider_core::standing::Outcome;
use postrider_core::time::Micros;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::{mpsc::UnboundedReceiver, oneshot};

/// A provider that reads a mailbox out of memory.
#[derive(Clone, Debug)]
struct Shelf {
    mailbox: Mailbox,
    bodies: Arc<AtomicUsize>,
}

/// A session of it.
struct Reading {
    shelf: Shelf,
    sink: Sink,
}

impl Endpoint for Shelf {
    fn kind(&self) -> &'static str {
        "shelf"
    }

    fn patience(&self) -> Duration {
        Duration::from_secs(10)
    }

    fn open<'a>(
        &'a self,
        credential: &'a dyn Credential,
        opening: Opening,
    ) -> Coming<'a, Result<Box<dyn Session>, Failure>> {
        let known = credential.username() == "u";
        let session: Box<dyn Session> =
            Box::new(Reading { shelf: self.clone(), sink: opening.sink });
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
        mut asks: UnboundedReceiver<Ask>,
        _watching: Watching,
    ) -> Coming<'static, Result<(), Failure>> {
        Box::pin(async move {
            while let Some(mut ask) = asks.recv().await {
                let answer = self.one(&ask.request).await;
                (ask.answer)(answer);
            }
            Ok(())
        })
    }

    fn close(self: Box<Self>) -> Coming<'static, ()> {
        Box::pin(async {})
    }
}

/// INTERNALDATE to the year.
fn date(mail: &Mail) -> Micros {
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

    async fn one(&mut self, request: &Request) -> Result<Answer, Failure> {
        let remote_id = request.remote_id().unwrap_or_default().to_vec();
        match request {
            Request::List => {
                let role = |name: &str, folder: &postrider_imapd::Folder| match name {
                    "INBOX" => Some(Role::Inbox),
                    _ => Role::from_word(&folder.role.trim_start_matches('\\').to_lowercase()),
                };
                let mailbox = self.shelf.mailbox.lock();
                let listed = mailbox.iter().map(|(name, folder)| ListedFolder {
                    remote_id: name.clone().into_bytes(),
                    path: name.clone(),
                    delimiter: Some('/'),
                    role: role(name, folder),
                });
                Ok(Answer::Listed { folders: listed.collect(), unreadable: None })
            }
            Request::Examine { .. } => {
                let folder = self.folder(&remote_id)?;
                let examined = Examined {
                    uidvalidity: UidValidity(folder.uidvalidity),
                    uidnext: folder.uidnext,
                    inferred: false,
                    exists: u32::try_from(folder.mail.len()).unwrap(),
                    modseq: 0,
                };
                Ok(Answer::Examined { remote_id, examined })
            }
            Request::Index { .. } => {
                let folder = self.folder(&remote_id)?;
                let mut rows = UidFlags::default();
                for (uid, mail) in &folder.mail {
                    rows.push(*uid, Flags::new(mail.flags.iter().map(String::as_str)));
                }
                let exists = u32::try_from(folder.mail.len()).unwrap();
                Ok(Answer::Indexed { remote_id, rows: rows.finished(), exists })
            }
            Request::Sizes { .. } => {
                let sizes = self
                    .folder(&remote_id)?
                    .mail
                    .iter()
                    .map(|(uid, mail)| (*uid, mail.raw.len() as u64))
                    .collect();
                Ok(Answer::Sized(sizes))
            }
            Request::Sample { uids, .. } => self.sampled(remote_id, uids),
            Request::Newest { .. } => {
                let newest =
                    self.folder(&remote_id)?.mail.keys().last().copied().into_iter().collect();
                self.sampled(remote_id, &newest)
            }
            Request::Fetch { uids, .. } => self.page(&remote_id, uids).await,
            Request::Watch { .. } => {
                Err(Failure::bug("a server without push is not asked to watch"))
            }
        }
    }

    fn sampled(&self, remote_id: Vec<u8>, uids: &UidSet) -> Result<Answer, Failure> {
        let folder = self.folder(&remote_id)?;
        let row = |uid| {
            Some(Sampled {
                uid,
                size: folder.mail.get(&uid)?.raw.len() as u64,
                internal_date: Some(date(folder.mail.get(&uid)?)),
            })
        };
        let rows = uids.iter().filter_map(row).collect();
        Ok(Answer::Sampled { remote_id, rows })
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
                uid: *uid,
                identity: Identity(format!("h:{}", body.hash())),
                body,
                flags: Flags::new(mail.flags.iter().map(String::as_str)),
                modseq: None,
                internal_date: Some(date(mail)),
                header: header_facts(&mail.raw),
                announced: None,
            };
        let rows: Vec<Fetched> = found.iter().zip(bodies).map(row).collect();
        let gone = uids.minus(&found.iter().map(|(uid, _)| *uid).collect());
        Ok(Answer::Fetched { page: Page { rows, gone, ..Page::default() }, last: true })
    }
}

/// One run of the only account of a config, its endpoint replaced by another, if so.
async fn run(config: &Config, endpoint: Option<Arc<dyn Endpoint>>) -> Outcome {
    let engine = Engine::start(config, "a test", WireLog::default(), false).await.unwrap();
    let password = engine.given(&config.accounts[0]).await.unwrap().credential();
    let mut args = engine
        .account_args(&config.accounts[0], config, true, Arc::new(Unseen), password)
        .await
        .unwrap();
    if let Some(endpoint) = endpoint {
        args.endpoint = endpoint;
    }
    let (done, finished) = oneshot::channel();
    let reply = ReplyTo::new(move |summaries: Option<Vec<_>>| drop(done.send(summaries)));
    engine.root().cast(RootMsg::RunOnce(vec![args], reply)).unwrap();
    let summaries =
        tokio::time::timeout(Duration::from_secs(60), finished).await.unwrap().unwrap().unwrap();
    engine.stop().await;
    let (_, summary) = summaries.into_iter().next().unwrap();
    summary.outcome
}

/// What every folder provider must do: mirror, find nothing to do, follow what happens.
async fn mirrors(mailbox: Mailbox, port: u16, endpoint: Option<Arc<dyn Endpoint>>) {
    let postrider = Postrider::new(&format!("{SHORT}{}", account("u", port, "pw")));
    let config = load(&postrider.path("config.toml"), std::iter::empty()).unwrap();
    let go = async || run(&config, endpoint.clone()).await;

    assert_eq!(go().await, Outcome::Success);
    let database = postrider.database();
    equal(&postrider, "u", &mailbox);
    let before = state(&database);
    assert_eq!(go().await, Outcome::Success);
    assert_eq!(state(&database), before, "nothing to do");

    let first = |folder: &str| *mailbox.lock()[folder].mail.keys().next().unwrap();
    mailbox.append("INBOX", note("new").dated("01-Feb-2031 10:00:00 +0000"));
    mailbox.set_flags("INBOX", first("INBOX"), &["\\Flagged", "done"]);
    mailbox.expunge("Archive", first("Archive"));
    mailbox.relocate("Sent", first("Sent"), "Trash");
    mailbox.append("Fresh", note("in a folder that appeared"));
    mailbox.delete("Junk");
    assert_eq!(go().await, Outcome::Partial, "a folder ends at the second look");
    assert_eq!(go().await, Outcome::Success);
    equal(&postrider, "u", &mailbox);
    let kinds = |kind: &str| {
        ask(
            &database,
            &format!(
                "SELECT count(*) AS x FROM event WHERE kind = 'message.{kind}' AND NOT backfill"
            ),
        )
    };
    assert_eq!(
        (kinds("moved").as_str(), kinds("created").as_str()),
        ("1", "1"),
        "a move is a move"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_provider_mirrors_through_the_door() {
    let mailbox = seed::mailbox(91, 150);
    let server = serve_well("u", &mailbox).await;
    mirrors(mailbox, server.port(), None).await;

    let mailbox = seed::mailbox(91, 150);
    let bodies = Arc::new(AtomicUsize::new(0));
    let shelf = Shelf { mailbox: mailbox.clone(), bodies: Arc::clone(&bodies) };
    // Nobody listens there: nothing but the door is asked.
    mirrors(mailbox, 1, Some(Arc::new(shelf))).await;
    assert!(bodies.load(Ordering::SeqCst) > 100, "it was the shelf that was read");
}
