//! What is asked about a webhook, and what is believed.

use super::*;
use crate::config::Config;
use crate::config::load;
use crate::provider::PushSigner;
use postrider_core::failure::{Class, Provenance, Reach, When};
use postrider_core::provider::push::{ShownWebhook, WebhookStanding};
use postrider_core::provider::server::PushWay;
use postrider_core::provider::subscription::SubscriptionState;

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

/// Two applications that are asked for webhooks, and these accounts: of the first one, but for that which is called otherwise.
fn config(there: &[&str]) -> Config {
    let dir = tempfile::tempdir().unwrap();
    let mut text = "account = []\n".to_owned();
    text += "[webhooks]\nlisten = \"127.0.0.1:0\"\npublic_url = \"https://in.example.org\"\n[credentials]\nkey_env = \"KEY\"\n";
    for name in ["main", "other"] {
        text += &format!("[nylas.{name}]\napi_key_file = \"key\"\n");
    }
    for id in there {
        text = text.replace("account = []\n", "");
        let application = if *id == "other" { "other" } else { "main" };
        text += &format!(
            "[[account]]\nid = \"{id}\"\nprovider = \"nylas\"\napplication = \"{application}\"\ngrant_id = \"g-{id}\"\nusername = \"{id}@x.org\"\n"
        );
    }
    std::fs::write(dir.path().join("key"), "x").unwrap();
    std::fs::write(dir.path().join("config.toml"), text).unwrap();
    load(&dir.path().join("config.toml"), std::iter::empty()).unwrap()
}

/// Accounts like these.
fn whose(there: &[&str]) -> Arc<Whose> {
    Arc::new(Whose::of(&config(there).accounts, &BTreeMap::new()))
}

fn vault(octet: u8) -> Option<Arc<Vault>> {
    let key = STANDARD.encode([octet; 32]);
    Some(Arc::new(Vault::with(&key.into()).unwrap()))
}

struct Town {
    all: Webhooks,
    signer: Arc<Signer>,
}

impl Town {
    fn of(stored: Option<Subscription>, key: u8) -> Self {
        let signer = Arc::new(Signer::default());
        let mut sources = config(&[]).webhooks.sources.into_iter();
        let place = sources.find_map(|place| match place.way {
            PushWay::Asked(place) if place.application == "main" => Some(place),
            _ => None,
        });
        let asked = AskedWebhook { place: place.unwrap(), signer: Arc::<Signer>::clone(&signer) };
        let asked = [(SOURCE.to_owned(), asked)];
        let all = Webhooks::of(asked, vault(key), Policy::default(), Clock::start());
        let town = Self { all, signer };
        assert!(town.due(&whose(&["a"])).is_empty(), "what is stored is not read");
        let other = ("gmail".to_owned(), "x".to_owned());
        let row = Subscription::none("topic", "");
        let mut rows = BTreeMap::from([(other.clone(), row)]);
        rows.extend(stored.map(|row| ((SOURCE.to_owned(), String::new()), row)));
        town.all.read(&mut rows);
        assert_eq!(rows.keys().collect::<Vec<_>>(), [&other], "others' rows are others'");
        town
    }

    fn due(&self, whose: &Arc<Whose>) -> Vec<WebhookQuestion> {
        self.all.due(whose).into_iter().map(|(_, question)| question).collect()
    }

    fn answers(&self, question: &WebhookQuestion, answer: WebhookAnswer<FreshSecret>) {
        self.all.answered(SOURCE, question, Ok(answer));
    }

    fn fails(&self, question: &WebhookQuestion) {
        let why = Failure::new(Class::Config, Reach::Account, Provenance::Server, "no")
            .when(When::After(Duration::ZERO));
        self.all.answered(SOURCE, question, Err(why));
    }

    /// What waits need not wait any more.
    fn goes_on(&self) {
        self.all.book().all.values_mut().for_each(|kept| kept.it.may_be_had());
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
    let all = whose(&["a", "b", "other"]);
    assert!(town.due(&whose(&["other"])).is_empty(), "that is another's");
    assert!(town.all.unproved().is_empty());
    assert_eq!(town.due(&all), [WebhookQuestion::List]);
    town.answers(&WebhookQuestion::List, WebhookAnswer::Listed(vec![]));
    assert_eq!(town.due(&all), [WebhookQuestion::Make]);
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
    let row = town.made(&whose(&["a"]));
    let again = Town::of(Some(row.clone()), 1);
    assert_eq!(again.believes().as_deref(), Some("the secret"));
    let other = Town::of(Some(row), 2);
    assert_eq!(other.believes(), None);
    let all = whose(&["a"]);
    other.due(&all);
    other.answers(&WebhookQuestion::List, WebhookAnswer::Listed(vec![shown("w1")]));
    let [WebhookQuestion::Remove(id)] = &other.due(&all)[..] else { panic!("another is made") };
    assert_eq!(id, "w1");
}

#[test]
fn it_is_removed_with_the_last_account() {
    let town = Town::of(None, 1);
    let all = whose(&["a"]);
    town.made(&all);
    let none = whose(&["other"]);
    let remove = WebhookQuestion::Remove("w1".into());
    assert_eq!(town.due(&none), std::slice::from_ref(&remove));
    town.answers(&remove, WebhookAnswer::Removed);
    assert_eq!(town.believes(), None);
    let work = town.all.unstored();
    assert_eq!((work.rows.len(), work.gone.len()), (0, 1));
    assert_eq!(town.all.seen(SOURCE), None);

    // Who cannot be told so for long is given up, and said.
    town.all.stored(&work);
    let all = whose(&["a"]);
    assert_eq!(town.due(&all), [WebhookQuestion::Make]);
    let made = WebhookAnswer::Made("w2".into(), FreshSecret("another secret".into()));
    town.answers(&WebhookQuestion::Make, made);
    town.all.stored(&town.all.unstored());
    assert_eq!(town.believes().as_deref(), Some("another secret"));
    let none = whose(&["other"]);
    for n in 0..TRIED {
        town.goes_on();
        let [question] = &town.due(&none)[..] else { panic!("{n}") };
        if *question == WebhookQuestion::List {
            let shown = shown("w2");
            town.answers(question, WebhookAnswer::Listed(vec![shown]));
            town.goes_on();
            let due = town.due(&none);
            town.fails(&due[0]);
        } else {
            town.fails(question);
        }
    }
    town.goes_on();
    assert!(town.due(&none).is_empty());
    assert_eq!((town.believes(), town.all.unstored().gone.len()), (None, 1));
    assert_eq!(town.all.seen(SOURCE), None);
}

/// What was asked for and not answered may have been done.
#[test]
fn what_fails_waits_longer_each_time() {
    let town = Town::of(None, 1);
    let all = whose(&["a"]);
    town.due(&all);
    town.answers(&WebhookQuestion::List, WebhookAnswer::Listed(vec![]));
    town.due(&all);
    let why = Failure::new(Class::Network, Reach::Session, Provenance::Local, "cut");
    town.all.answered(SOURCE, &WebhookQuestion::Make, Err(why));
    assert!(town.due(&all).is_empty(), "it waits");
    town.goes_on();
    let due = town.due(&all);
    assert_eq!(due[0], WebhookQuestion::List, "nobody knows whether it was made");
}

/// The account left while nobody was there to see it: whoever starts then has the key.
#[test]
fn it_is_removed_where_its_account_left_before_the_start() {
    let town = Town::of(None, 1);
    let row = town.made(&whose(&["a"]));
    let again = Town::of(Some(row), 1);
    let none = whose(&["other"]);
    assert_eq!(again.due(&none), [WebhookQuestion::List]);
    again.answers(&WebhookQuestion::List, WebhookAnswer::Listed(vec![shown("w1")]));
    let remove = WebhookQuestion::Remove("w1".into());
    assert_eq!(again.due(&none), std::slice::from_ref(&remove));
    again.answers(&remove, WebhookAnswer::Removed);
    assert_eq!(again.all.unstored().gone.len(), 1);
    assert_eq!(again.believes(), None);
}

/// What was refused for good is asked again where the config is another.
#[test]
fn an_edit_may_have_mended_what_was_refused() {
    let town = Town::of(None, 1);
    let all = whose(&["a"]);
    town.due(&all);
    let why = Failure::new(Class::Config, Reach::Account, Provenance::Server, "no")
        .when(When::AfterChange);
    town.all.answered(SOURCE, &WebhookQuestion::List, Err(why));
    assert!(town.due(&all).is_empty());
    assert_eq!(town.due(&whose(&["a"])), [WebhookQuestion::List]);
}
