//! A provider that says what it was shown, wherever it says anything: nothing in it looks at its own
//! texts.

use postrider::provider::{
    Asks, Coming, Endpoint, GuardedCredential, Leash, Opening, Session, Watching,
};
use postrider_core::budget::Quota;
use postrider_core::failure::{Class, Failure, Provenance, Reach};
use postrider_core::mail::folder::{ListedFolder, Role};
use postrider_core::provider::Capabilities;
use postrider_core::provider::folders::{FolderAnswer, FolderRequest};
use postrider_core::provider::{Answer, Request};
use secrecy::ExposeSecret;
use std::time::Duration;

/// Where it says so.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Says {
    /// When it is asked to log in.
    AtLogin,
    /// In answer to LIST.
    AtList,
    /// Of a line of it, and of its only folder.
    OfAFolder,
}

#[derive(Clone, Debug)]
pub(crate) struct Parrot(pub(crate) Says);

struct Talking {
    says: Says,
    words: String,
}

fn said(reach: Reach, words: &str) -> Failure {
    let cause = std::io::Error::other(format!("behind it {words}"));
    Failure::new(Class::Provider, reach, Provenance::Server, format!("I was told {words}"))
        .caused_by(cause)
}

impl Endpoint for Parrot {
    fn kind(&self) -> &'static str {
        "parrot"
    }

    fn patience(&self) -> Duration {
        Duration::from_secs(10)
    }

    fn quota(&self) -> Quota {
        Quota::default()
    }

    fn open<'a>(
        &'a self,
        credential: GuardedCredential,
        _: Opening,
    ) -> Coming<'a, Result<Box<dyn Session>, Failure>> {
        Box::pin(async move {
            let words = credential.secret().await?.text().expose_secret().to_owned();
            if self.0 == Says::AtLogin {
                return Err(said(Reach::Account, &words));
            }
            Ok(Box::new(Talking { says: self.0, words }) as Box<dyn Session>)
        })
    }

    fn probe(&self) -> Coming<'_, Result<(), Failure>> {
        Box::pin(async { Ok(()) })
    }
}

impl Talking {
    fn one(&self, request: &Request) -> Result<Answer, Failure> {
        match (request, self.says) {
            (Request::Folders(FolderRequest::List { .. }), Says::OfAFolder) => {
                Ok(Answer::Folders(FolderAnswer::Listed {
                    folders: vec![ListedFolder {
                        remote_id: b"INBOX".into(),
                        path: "INBOX".into(),
                        delimiter: Some('/'),
                        role: Some(Role::Inbox),
                    }],
                    unreadable: Some(self.words.clone().into()),
                    counters: std::collections::BTreeMap::new(),
                }))
            }
            (Request::Folders(FolderRequest::List { .. }), _) => {
                Err(said(Reach::Session, &self.words))
            }
            _ => Err(said(Reach::Folder, &self.words)),
        }
    }
}

impl Session for Talking {
    fn capabilities(&self) -> Capabilities {
        Capabilities::default()
    }

    fn leash(&self) -> Leash {
        Leash::default()
    }

    fn answer<'a>(&'a mut self, request: &'a Request) -> Coming<'a, Result<Answer, Failure>> {
        Box::pin(async move { self.one(request) })
    }

    fn run(
        self: Box<Self>,
        mut asks: Asks,
        _watching: Watching,
    ) -> Coming<'static, Result<(), Failure>> {
        Box::pin(async move {
            while let Some(mut ask) = asks.recv().await {
                let answer = self.one(&ask.request);
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
