//! Who is asked to push, and when.

use super::*;
use crate::config::{Account, load};
use crate::push::whose::AskFor;
use crate::push::whose::scripted::Somebody;
use postrider_core::failure::{Class, Provenance, Reach, When};
use postrider_core::provider::push::Pushing;
use std::collections::BTreeSet;

/// Accounts: id and user name.
fn accounts(all: &[(&str, &str)]) -> Vec<Account> {
    let dir = tempfile::tempdir().unwrap();
    let one = |(id, username): &(&str, &str)| {
        format!(
            "[[account]]\nid = \"{id}\"\nprovider = \"gmail\"\nusername = \"{username}\"\naccess_token_file = \"token\"\n"
        )
    };
    let text: String = all.iter().map(one).collect();
    std::fs::write(dir.path().join("token"), "x").unwrap();
    std::fs::write(dir.path().join("config.toml"), text).unwrap();
    load(&dir.path().join("config.toml"), std::iter::empty()).unwrap().accounts
}

/// All that is known, and who of it is there.
struct Town {
    all: Subscriptions,
    registry: Registry,
    asks: BTreeMap<String, AskFor>,
}

impl Town {
    fn new() -> Self {
        let registry = Registry::new(Clock::start());
        let topics = BTreeMap::from([("gmail", "topic".to_owned())]);
        let all = Subscriptions::to(topics, Policy::default(), registry.clone());
        assert!(!all.begins());
        all.read(BTreeMap::new());
        Self { all, registry, asks: BTreeMap::new() }
    }

    fn whose(&mut self, there: &[(&str, &str)]) -> Whose {
        for (id, username) in there {
            self.asks.entry((*id).to_owned()).or_insert_with(|| {
                self.registry.account(id, |line| line.standing = Standing::Idle);
                ("gmail", Arc::new(Somebody((*username).to_owned())))
            });
        }
        Whose::of(&accounts(there), &self.asks)
    }

    fn nobody(&self) -> Whose {
        Whose::of(&[], &self.asks)
    }

    fn due(&self, whose: &Whose) -> Vec<(String, PushRequest)> {
        let due = self.all.due(whose, 8).into_iter();
        due.map(|question| (question.account, question.request)).collect()
    }

    /// It pushes.
    fn subscribed(&self, account: &str) {
        let until = self.registry.clock().now().wall.plus(Duration::from_secs(7 * 86_400));
        let pushing = Pushing { until, from: None };
        self.all.answered(account, &subscribe(), Some(Ok(PushReply::Pushes(pushing))));
        assert_eq!(self.all.seen("gmail")[account].state, SubscriptionState::Active);
    }
}

fn subscribe() -> PushRequest {
    PushRequest::Subscribe("topic".into())
}

fn refused(class: Class) -> PushAnswer {
    let when = if class == Class::Config { When::AfterChange } else { When::BackOff };
    Some(Err(Failure::new(class, Reach::Account, Provenance::Server, "no").when(when)))
}

#[test]
fn everybody_has_a_turn() {
    let mut town = Town::new();
    let names: Vec<String> = (10..30).map(|n| format!("a{n}")).collect();
    let there: Vec<(&str, String)> =
        names.iter().map(|id| (id.as_str(), format!("{id}@example.org"))).collect();
    let there: Vec<(&str, &str)> = there.iter().map(|(id, name)| (*id, name.as_str())).collect();
    let whose = town.whose(&there);
    let mut asked = BTreeSet::new();
    for round in 0..3 {
        let due = town.due(&whose);
        assert_eq!(due.len(), [8, 8, 4][round], "{due:?}");
        for (account, request) in due {
            town.all.answered(&account, &request, None);
            asked.insert(account);
        }
    }
    assert_eq!(asked.len(), 20);
    let why = town.all.seen("gmail")["a10"].reason.clone();
    assert_eq!(why, "no session is to spare for it now");
}

#[test]
fn who_cannot_be_asked_is_not() {
    let mut town = Town::new();
    let whose = town.whose(&[("u", "u@example.org")]);
    for standing in [Standing::Paused, Standing::NeedsReauth, Standing::Waiting, Standing::Starting]
    {
        town.registry.account("u", |line| line.standing = standing);
        assert!(town.due(&whose).is_empty(), "{standing:?}");
    }
    town.registry.account("u", |line| line.standing = Standing::Running);
    assert_eq!(town.due(&whose), [("u".into(), subscribe())]);
    assert!(town.due(&whose).is_empty(), "it is being asked");
    // Whoever asked is gone with a bug.
    assert!(town.all.begins());
    assert_eq!(town.due(&whose), [("u".into(), subscribe())]);
    town.subscribed("u");
    assert!(town.due(&whose).is_empty());
    assert_eq!(town.registry.look("u", |line| line.pushed), Some(true));
}

/// What was refused is asked again once an edit may have mended it.
#[test]
fn an_edit_is_another_try() {
    let mut town = Town::new();
    let whose = town.whose(&[("u", "u@example.org")]);
    town.due(&whose);
    town.all.answered("u", &subscribe(), refused(Class::Config));
    assert!(town.due(&whose).is_empty());
    town.asks.clear();
    let whose = town.whose(&[("u", "u@example.org")]);
    assert_eq!(town.due(&whose), [("u".into(), subscribe())]);
}

#[test]
fn who_leaves_is_told_unless_another_one_is_there() {
    let mut town = Town::new();
    let (u, twin) = (("u", "first.last@gmail.com"), ("twin", "FirstLast@googlemail.com"));
    let both = town.whose(&[u, twin]);
    assert_eq!(both.named("gmail", "firstlast@gmail.com"), ["u", "twin"]);
    town.due(&both);
    ["u", "twin"].iter().for_each(|id| town.subscribed(id));
    town.all.unstored();
    let one = town.whose(&[twin]);
    assert!(town.due(&one).is_empty());
    assert_eq!(town.all.unstored().gone, [("gmail".to_owned(), "u".to_owned())]);
    let nobody = town.nobody();
    assert_eq!(town.due(&nobody), [("twin".into(), PushRequest::Unsubscribe)]);
    assert!(town.due(&nobody).is_empty(), "it is being told");
    // Another one of the mailbox comes meanwhile, and is pushed to: the stop may have ended that.
    let back = town.whose(&[u]);
    assert_eq!(town.due(&back), [("u".into(), subscribe())]);
    town.subscribed("u");
    town.all.answered("twin", &PushRequest::Unsubscribe, Some(Ok(PushReply::Ended)));
    assert_eq!(town.due(&back), [("u".into(), subscribe())]);
    assert_eq!(town.all.unstored().gone, [("gmail".to_owned(), "twin".to_owned())]);
    // It may come back itself.
    town.subscribed("u");
    town.due(&town.nobody());
    assert!(town.due(&back).is_empty());
    town.all.answered("u", &PushRequest::Unsubscribe, None);
    assert_eq!(town.due(&back), [("u".into(), subscribe())]);
    // No session is to spare: it is told another time, and at last no more.
    town.subscribed("u");
    for n in 0..=20 {
        let _ = town.due(&town.nobody());
        assert!(town.all.seen("gmail").contains_key("u"), "{n}");
        town.all.answered("u", &PushRequest::Unsubscribe, None);
    }
    assert!(town.all.seen("gmail").is_empty());
    assert_eq!(town.due(&back), [("u".into(), subscribe())]);
    // Who was refused, or never was pushed to, is not logged in for that.
    town.subscribed("u");
    town.registry.account("u", |line| line.standing = Standing::NeedsReauth);
    town.due(&back);
    assert!(town.due(&town.nobody()).is_empty());
    assert!(town.all.seen("gmail").is_empty());
}

/// What cannot be written is written then, and proofs alone are no reason to write each second.
#[test]
fn what_is_not_written_is_written_then() {
    let mut town = Town::new();
    let whose = town.whose(&[("u", "u@example.org")]);
    town.due(&whose);
    town.subscribed("u");
    let work = town.all.unstored();
    assert_eq!(work.rows.len(), 1);
    assert_eq!(town.all.unstored(), SubscriptionWork::default());
    town.all.not_stored(work.clone());
    assert_eq!(town.all.unstored(), work);
    town.all.not_stored(SubscriptionWork { gone: vec![("gmail".into(), "x".into())], ..work });
    assert_eq!(town.all.unstored().gone.len(), 1);
    // A row of who is here no more, and one whose topic is no more.
    let row = town.all.seen("gmail")["u"].clone();
    let next = Town::new();
    let of = |source: &str, account: &str| ((source.to_owned(), account.to_owned()), row.clone());
    next.all.read(BTreeMap::from([of("gmail", "gone"), of("other", "u")]));
    assert!(next.due(&whose).is_empty(), "nobody is followed yet");
    assert_eq!(next.all.unstored().gone.len(), 2);
}
