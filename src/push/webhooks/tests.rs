//! Who is asked about a webhook, and what is believed.

use super::*;
use crate::config::load;
use crate::provider::PushSigner;
use crate::push::whose::AskFor;
use crate::push::whose::scripted::Somebody;
use postrider_core::failure::{Class, Provenance, Reach, When};
use postrider_core::provider::push::{ShownWebhook, WebhookStanding};
use postrider_core::provider::subscription::SubscriptionState;
use postrider_core::standing::Standing;
use std::collections::BTreeSet;

const SOURCE: &str = "nylas/main";

fn shown(id: &str) -> ShownWebhook {
    let (is_here, is_whole) = (Some(true), Some(true));
    ShownWebhook { id: id.into(), is_here, is_whole, standing: WebhookStanding::Active }
}

/// What is believed.
#[derive(Debug, Default)]
struct Signer(Mutex<Option<String>>);

impl PushSigner for Signer {
    fn signs_with(&self, secret: Option<&str>) {
        *self.0.lock().unwrap() = secret.map(str::to_owned);
    }
}

/// Two accounts of an application, and one of another.
fn whose(there: &[&str], registry: &Registry) -> Arc<Whose> {
    let dir = tempfile::tempdir().unwrap();
    let mut text = String::new();
    for name in ["main", "other"] {
        text += &format!("[nylas.{name}]\napi_key_file = \"key\"\n");
    }
    let mut asks: BTreeMap<String, AskFor> = BTreeMap::new();
    for id in there {
        let application = if *id == "other" { "other" } else { "main" };
        text += &format!(
            "[[account]]\nid = \"{id}\"\nprovider = \"nylas\"\napplication = \"{application}\"\ngrant_id = \"g-{id}\"\nusername = \"{id}@x.org\"\n"
        );
        registry.account(id, |line| line.standing = Standing::Idle);
        asks.insert((*id).to_owned(), ("nylas", Arc::new(Somebody((*id).to_owned()))));
    }
    std::fs::write(dir.path().join("key"), "x").unwrap();
    std::fs::write(dir.path().join("config.toml"), text).unwrap();
    let config = load(&dir.path().join("config.toml"), std::iter::empty()).unwrap();
    Arc::new(Whose::of(&config.accounts, &asks))
}

fn vault(octet: u8) -> Option<Arc<Vault>> {
    let key = STANDARD.encode([octet; 32]);
    Some(Arc::new(Vault::with(&key.into()).unwrap()))
}

struct Town {
    all: Webhooks,
    signer: Arc<Signer>,
    registry: Registry,
}

impl Town {
    fn of(stored: Option<Subscription>, key: u8) -> Self {
        let registry = Registry::new(Clock::start());
        let signer = Arc::new(Signer::default());
        let asked = AskedWebhook {
            application: "main".into(),
            url: "https://in.example.org/nylas/main".into(),
            signer: Arc::<Signer>::clone(&signer),
        };
        let asked = [(SOURCE.to_owned(), asked)];
        let all = Webhooks::of(asked, vault(key), Policy::default(), registry.clone());
        let town = Self { all, signer, registry };
        assert!(town.due(&whose(&["a"], &town.registry)).is_empty(), "what is stored is not read");
        let other = ("gmail".to_owned(), "x".to_owned());
        let row = Subscription::none("topic", "");
        let mut rows = BTreeMap::from([(other.clone(), row)]);
        rows.extend(stored.map(|row| ((SOURCE.to_owned(), String::new()), row)));
        town.all.read(&mut rows);
        assert_eq!(rows.keys().collect::<Vec<_>>(), [&other], "others' rows are others'");
        town
    }

    fn due(&self, whose: &Arc<Whose>) -> Vec<(WebhookQuestion, String)> {
        let due = self.all.due(whose);
        due.into_iter().map(|due| (due.question, due.ask.username().to_owned())).collect()
    }

    fn answers(&self, question: &WebhookQuestion, answer: WebhookAnswer<FreshSecret>) {
        self.all.answered(SOURCE, question, Some(Ok(PushReply::Webhook(answer))));
    }

    fn fails(&self, question: &WebhookQuestion) {
        let why = Failure::new(Class::Config, Reach::Account, Provenance::Server, "no")
            .when(When::After(Duration::ZERO));
        self.all.answered(SOURCE, question, Some(Err(why)));
    }

    /// What waits need not wait any more.
    fn goes_on(&self) {
        self.all
            .book()
            .all
            .values_mut()
            .for_each(|kept| kept.it.put_off(Duration::ZERO, Now::default()));
    }

    fn believes(&self) -> Option<String> {
        self.signer.0.lock().unwrap().clone()
    }

    /// Made, and written down.
    fn made(&self, whose: &Arc<Whose>) -> Subscription {
        self.due(whose);
        self.answers(&WebhookQuestion::List, WebhookAnswer::Listed(vec![]));
        self.due(whose);
        let made = WebhookAnswer::Made("w1".into(), FreshSecret("the secret".into()));
        self.answers(&WebhookQuestion::Make, made);
        let work = self.all.unstored();
        self.all.stored(&work);
        work.rows.into_iter().next().unwrap().1
    }
}

#[test]
fn what_it_signs_with_is_believed_when_it_is_written_down() {
    let town = Town::of(None, 1);
    let all = whose(&["a", "b", "other"], &town.registry);
    assert!(town.due(&whose(&["other"], &town.registry)).is_empty(), "that is another's");
    assert!(town.all.unproved().is_empty());
    assert_eq!(town.due(&all), [(WebhookQuestion::List, "a".to_owned())]);
    town.answers(&WebhookQuestion::List, WebhookAnswer::Listed(vec![]));
    assert_eq!(town.due(&all), [(WebhookQuestion::Make, "a".to_owned())]);
    let made = WebhookAnswer::Made("w1".into(), FreshSecret("the secret".into()));
    town.answers(&WebhookQuestion::Make, made);
    assert_eq!(town.believes(), None);
    assert_eq!(town.all.unproved().len(), 1);
    let work = town.all.unstored();
    let [((source, account), row)] = work.rows.as_slice() else { panic!("{work:?}") };
    assert_eq!((source.as_str(), account.as_str(), row.remote_id.as_str()), (SOURCE, "", "w1"));
    assert!(!format!("{work:?}").contains("the secret"));
    town.all.not_stored(&work);
    assert_eq!(town.believes(), None);
    let work = town.all.unstored();
    town.all.stored(&work);
    assert_eq!(town.believes().as_deref(), Some("the secret"));
    assert_eq!(town.all.unstored(), SubscriptionWork::default());
    let (url, seen) = town.all.seen(SOURCE).unwrap();
    assert_eq!(
        (url.as_str(), seen.state),
        ("https://in.example.org/nylas/main", SubscriptionState::Active)
    );
    assert_eq!(town.all.unproved().len(), 1);
}

#[test]
fn what_is_stored_is_believed_at_once_where_it_opens() {
    let town = Town::of(None, 1);
    let row = town.made(&whose(&["a"], &town.registry));
    let again = Town::of(Some(row.clone()), 1);
    assert_eq!(again.believes().as_deref(), Some("the secret"));
    let other = Town::of(Some(row), 2);
    assert_eq!(other.believes(), None);
    let all = whose(&["a"], &other.registry);
    other.due(&all);
    other.answers(&WebhookQuestion::List, WebhookAnswer::Listed(vec![shown("w1")]));
    let [(WebhookQuestion::Remove(id), _)] = &other.due(&all)[..] else {
        panic!("another is made")
    };
    assert_eq!(id, "w1");
}

#[test]
fn the_last_account_is_asked_to_remove_it() {
    let town = Town::of(None, 1);
    let all = whose(&["a"], &town.registry);
    town.made(&all);
    let none = whose(&["other"], &town.registry);
    let remove = WebhookQuestion::Remove("w1".into());
    assert_eq!(town.due(&none), [(remove.clone(), "a".to_owned())]);
    town.answers(&remove, WebhookAnswer::Removed);
    assert_eq!(town.believes(), None);
    let work = town.all.unstored();
    assert_eq!((work.rows.len(), work.gone.len()), (0, 1));
    assert_eq!(town.all.seen(SOURCE), None);

    // Who cannot be told so for long is given up, and said.
    town.all.stored(&work);
    let all = whose(&["a"], &town.registry);
    assert_eq!(town.due(&all), [(WebhookQuestion::Make, "a".to_owned())]);
    let made = WebhookAnswer::Made("w2".into(), FreshSecret("another secret".into()));
    town.answers(&WebhookQuestion::Make, made);
    town.all.stored(&town.all.unstored());
    assert_eq!(town.believes().as_deref(), Some("another secret"));
    let none = whose(&["other"], &town.registry);
    for n in 0..TRIED {
        town.goes_on();
        let [(question, asked)] = &town.due(&none)[..] else { panic!("{n}") };
        assert_eq!(asked, "a");
        if *question == WebhookQuestion::List {
            let shown = shown("w2");
            town.answers(question, WebhookAnswer::Listed(vec![shown]));
            town.goes_on();
            let due = town.due(&none);
            town.fails(&due[0].0);
        } else {
            town.fails(question);
        }
    }
    town.goes_on();
    assert!(town.due(&none).is_empty());
    assert_eq!((town.believes(), town.all.unstored().gone.len()), (None, 1));
    assert_eq!(town.all.seen(SOURCE), None);
}

/// Whoever was the last can be asked, though another was asked before.
#[test]
fn each_of_the_last_accounts_is_tried() {
    let town = Town::of(None, 1);
    let both = whose(&["a", "b"], &town.registry);
    town.made(&both);
    let mut asked = Vec::new();
    let none = whose(&["other"], &town.registry);
    for _ in 0..8 {
        town.goes_on();
        let due = town.due(&none);
        if due[0].0 == WebhookQuestion::List {
            town.answers(&due[0].0, WebhookAnswer::Listed(vec![shown("w1")]));
        } else {
            asked.push(due[0].1.clone());
            town.fails(&due[0].0);
        }
    }
    assert_eq!(asked.iter().cloned().collect::<BTreeSet<_>>().len(), 2, "{asked:?}");
    // No session to spare is no failure: a day is waited for one.
    for _ in 0..2 * u32::from(TRIED) {
        town.goes_on();
        let due = town.due(&none);
        town.all.answered(SOURCE, &due[0].0, None);
    }
    town.goes_on();
    assert!(!town.due(&none).is_empty());
}

/// What was asked for and not answered may have been done.
#[test]
fn what_fails_waits_longer_each_time() {
    let town = Town::of(None, 1);
    let all = whose(&["a"], &town.registry);
    town.due(&all);
    town.answers(&WebhookQuestion::List, WebhookAnswer::Listed(vec![]));
    town.due(&all);
    let why = Failure::new(Class::Network, Reach::Session, Provenance::Local, "cut");
    town.all.answered(SOURCE, &WebhookQuestion::Make, Some(Err(why)));
    // A secret in another place, or none at all: the config was read, and nothing of this is another.
    assert!(town.due(&Arc::new(Whose::of(&[], &BTreeMap::new()))).is_empty());
    town.goes_on();
    let due = town.due(&all);
    assert_eq!(due[0].0, WebhookQuestion::List, "nobody knows whether it was made");
}

#[test]
fn who_does_not_follow_is_not_asked() {
    let town = Town::of(None, 1);
    let all = whose(&["a", "b"], &town.registry);
    town.registry.account("a", |line| line.standing = Standing::NeedsReauth);
    assert_eq!(town.due(&all), [(WebhookQuestion::List, "b".to_owned())]);
    town.all.answered(SOURCE, &WebhookQuestion::List, None);
    assert!(town.due(&all).is_empty(), "no session is to spare: it waits");
    let none = Town::of(None, 1);
    let all = whose(&["a"], &none.registry);
    none.registry.account("a", |line| line.standing = Standing::NeedsReauth);
    assert!(none.due(&all).is_empty());
}
