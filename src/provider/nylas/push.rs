//! Webhooks of Nylas v3 ("Webhook notifications", "Notification schemas"): what they tell. They are
//! known by the first two words of their type; what comes behind those (`.truncated`, `.transformed`, `.cleaned`) tells how
//! a payload was cut, of which nothing is used here but ids.

use crate::provider::nylas::endpoint::KIND;
use crate::provider::nylas::places::identity;
use crate::provider::nylas::wire::is_id;
use crate::provider::push::{PushAbout, PushChallenge, PushRefusal, PushSource, Pushed, ToldPush};
use postrider_core::commit::change::feed::Hinted;
use postrider_core::provider::push::PushHint;
use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::io::Read;

/// Signs of a challenge.
const CHALLENGE: std::ops::RangeInclusive<usize> = 1..=256;

/// What is pushed, as far as it is read.
#[derive(Deserialize)]
struct Notification {
    #[serde(default)]
    id: Word,
    #[serde(rename = "type")]
    kind: Word,
    data: Option<NotifiedOf>,
}

#[derive(Default, Deserialize)]
struct NotifiedOf {
    object: Option<NotifiedObject>,
    #[serde(default)]
    grant_id: Word,
}

#[derive(Default, Deserialize)]
struct NotifiedObject {
    #[serde(default)]
    id: Word,
    #[serde(default)]
    grant_id: Word,
    #[serde(default)]
    account_id: Word,
}

/// A word, or something else that stands where one may.
#[derive(Default)]
struct Word(Option<String>);

impl Word {
    fn id(self) -> Option<String> {
        self.0.filter(|id| is_id(id))
    }
}

impl<'de> Deserialize<'de> for Word {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Words;

        impl<'de> Visitor<'de> for Words {
            type Value = Word;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("anything")
            }
            fn visit_str<E>(self, text: &str) -> Result<Word, E> {
                Ok(Word(Some(text.to_owned())))
            }
            fn visit_bool<E>(self, _: bool) -> Result<Word, E> {
                Ok(Word(None))
            }
            fn visit_i64<E>(self, _: i64) -> Result<Word, E> {
                Ok(Word(None))
            }
            fn visit_u64<E>(self, _: u64) -> Result<Word, E> {
                Ok(Word(None))
            }
            fn visit_f64<E>(self, _: f64) -> Result<Word, E> {
                Ok(Word(None))
            }
            fn visit_unit<E>(self) -> Result<Word, E> {
                Ok(Word(None))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, all: A) -> Result<Word, A::Error> {
                IgnoredAny.visit_seq(all).map(|_| Word(None))
            }
            fn visit_map<A: MapAccess<'de>>(self, all: A) -> Result<Word, A::Error> {
                IgnoredAny.visit_map(all).map(|_| Word(None))
            }
        }

        deserializer.deserialize_any(Words)
    }
}

/// What a type means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NotifiedKind {
    /// A message is new, another or gone.
    Message { is_touched: bool },
    /// Folders are others.
    Folders,
    /// The grant is another.
    Grant,
    /// Nothing that is mirrored.
    Other,
}

impl NotifiedKind {
    fn of(kind: &str) -> Self {
        let mut words = kind.split('.');
        match (words.next(), words.next()) {
            (Some("message"), Some("created" | "deleted")) => Self::Message { is_touched: false },
            (Some("message"), Some("updated")) => Self::Message { is_touched: true },
            (Some("folder"), Some(_)) => Self::Folders,
            // The first are those of v3, the second the older ones.
            (Some("grant" | "account"), Some(_)) => Self::Grant,
            _ => Self::Other,
        }
    }
}

/// Those of an application.
#[derive(Debug)]
pub(in crate::provider) struct NylasPushes {
    application: String,
    name: String,
}

impl NylasPushes {
    /// Of the application that the config calls so.
    pub(in crate::provider) fn of(application: &str) -> Self {
        Self { application: application.to_owned(), name: format!("{KIND}/{application}") }
    }
}

impl PushSource for NylasPushes {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn application(&self) -> Option<&str> {
        Some(&self.application)
    }

    fn read(&self, from: &mut dyn Read) -> Result<Option<Pushed>, PushRefusal> {
        let unreadable = || PushRefusal::Unreadable("it is no notification of Nylas's");
        let told: Notification = serde_json::from_reader(from).map_err(|_| unreadable())?;
        told.pushed().map_err(|()| unreadable())
    }

    fn is_known(&self, _: &str, _: &str) -> bool {
        false
    }

    fn wants_ok(&self) -> bool {
        true
    }

    fn challenged(&self, query: &str) -> Option<PushChallenge> {
        let told = query.split('&').find_map(|pair| pair.strip_prefix("challenge="));
        let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
        // What would have to be decoded is none.
        let told =
            told.filter(|text| CHALLENGE.contains(&text.len()) && text.bytes().all(is_plain));
        Some(told.map_or(PushChallenge::Refused, |text| PushChallenge::Answer(text.to_owned())))
    }
}

impl Notification {
    /// What it tells; an error where that cannot be read.
    fn pushed(self) -> Result<Option<Pushed>, ()> {
        let kind = NotifiedKind::of(&self.kind.0.ok_or(())?);
        if kind == NotifiedKind::Other {
            return Ok(None);
        }
        let NotifiedOf { object, grant_id } = self.data.unwrap_or_default();
        let object = object.unwrap_or_default();
        let grant =
            object.grant_id.id().or_else(|| grant_id.id()).or_else(|| object.account_id.id());
        let (grant, event) = (grant.ok_or(())?, self.id.id().ok_or(())?);
        let (hint, hinted) = match kind {
            NotifiedKind::Message { is_touched } => {
                let id = object.id.id().ok_or(())?;
                let hint = if is_touched { PushHint::Touched } else { PushHint::News };
                (hint, Hinted { ids: [identity(&id)].into(), ..Hinted::default() })
            }
            NotifiedKind::Folders => {
                (PushHint::Places, Hinted { places: true, ..Hinted::default() })
            }
            // Whoever asks for folders asks whether the grant is good.
            _ => (PushHint::Grant, Hinted { places: true, ..Hinted::default() }),
        };
        let told = Some(ToldPush { event, hinted });
        Ok(Some(Pushed { about: PushAbout::Grant(grant), hint, told }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(told: &serde_json::Value) -> Result<Option<Pushed>, PushRefusal> {
        NylasPushes::of("main").read(&mut told.to_string().as_bytes())
    }

    fn message(what: &str) -> String {
        format!("message.{what}")
    }

    fn of(kind: &str) -> serde_json::Value {
        json!({"specversion": "1.0", "id": "e1", "type": kind, "time": 1, "webhook_delivery_attempt": 1,
            "data": {"application_id": "a", "object": {"id": "m1", "grant_id": "g1", "object": "message"}}})
    }

    #[test]
    fn a_type_is_known_by_its_first_words() {
        let hint = |kind: &str| read(&of(kind)).unwrap().map(|pushed| pushed.hint);
        for kind in [
            "message.created.truncated",
            "message.created.cleaned.transformed.truncated",
            "folder.x",
            &message("created"),
            &message("deleted"),
        ] {
            let wants = if kind.starts_with("folder") { PushHint::Places } else { PushHint::News };
            assert_eq!(hint(kind), Some(wants), "{kind}");
        }
        for kind in [message("updated"), message("updated.transformed")] {
            assert_eq!(hint(&kind), Some(PushHint::Touched), "{kind}");
        }
        for kind in [
            "grant.created",
            "grant.updated",
            "grant.expired",
            "grant.deleted",
            "grant.imap_sync_completed",
            "account.connected",
            "account.running",
            "account.stopped",
            "account.invalid",
            "account.sync_error",
        ] {
            assert_eq!(hint(kind), Some(PushHint::Grant), "{kind}");
        }
        for kind in [
            "",
            "message",
            "message.createdx",
            "message.opened",
            "message.send_success",
            "thread.created",
            "thread.replied",
            "event.created",
            "messages.created",
            "x.message.created",
        ] {
            assert_eq!(hint(kind), None, "{kind}");
        }
    }

    #[test]
    fn a_notification_names_a_grant_and_what_is_another() {
        let Pushed { about, told, .. } = read(&of(&message("updated"))).unwrap().unwrap();
        assert_eq!(about, PushAbout::Grant("g1".into()));
        let ids = [identity("m1")].into();
        assert_eq!(
            told,
            Some(ToldPush { event: "e1".into(), hinted: Hinted { ids, ..Hinted::default() } })
        );
        let older =
            json!({"id": "e", "type": "account.invalid", "data": {"object": {"account_id": "g2"}}});
        let Pushed { about, told, .. } = read(&older).unwrap().unwrap();
        assert_eq!(about, PushAbout::Grant("g2".into()));
        assert!(told.unwrap().hinted.places, "the grant is asked with the folders");
        // What is not looked at may be anything.
        for data in [
            json!(null),
            json!({"object": {"id": [7]}}),
            json!({"object": null, "grant_id": {"a": 1.5}}),
        ] {
            let told = json!({"type": "thread.replied", "id": 7, "data": data});
            assert_eq!(read(&told), Ok(None), "{told}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        let without = |path: &str| {
            let mut told = of(&message("created"));
            *told.pointer_mut(path).unwrap() = json!(null);
            told
        };
        for told in [
            json!({}),
            json!([]),
            json!("x"),
            json!({"type": 1}),
            without("/id"),
            without("/data/object/id"),
            without("/data/object/grant_id"),
            json!({"id": "e", "type": message("created"), "data": {"object": {"id": "a b", "grant_id": "g"}}}),
            json!({"id": "e".repeat(513), "type": message("created"), "data": {"object": {"id": "a", "grant_id": "g"}}}),
        ] {
            assert!(matches!(read(&told), Err(PushRefusal::Unreadable(_))), "{told}");
        }
        let cut = of(&message("created")).to_string();
        let cut = cut.as_bytes().split_last().unwrap().1;
        assert!(NylasPushes::of("main").read(&mut &*cut).is_err());
    }

    #[test]
    fn a_challenge_is_answered_exactly_or_not_at_all() {
        let pushes = NylasPushes::of("main");
        let asked = |query: &str| pushes.challenged(query).unwrap();
        let long = "a".repeat(256);
        for text in ["x", "AZaz09._-", &long] {
            assert_eq!(asked(&format!("challenge={text}")), PushChallenge::Answer(text.into()));
        }
        assert_eq!(asked("a=b&challenge=c"), PushChallenge::Answer("c".into()));
        let longer = format!("challenge={long}a");
        for query in [
            "",
            "challenge=",
            "challenge",
            "challenge=%41",
            "challenge=<b>",
            "xchallenge=a",
            &longer,
        ] {
            assert_eq!(asked(query), PushChallenge::Refused, "{query}");
        }
    }
}
