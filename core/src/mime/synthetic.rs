//! Mail of which a provider tells what it is, and hands out no bytes: what it tells (JSON, of Nylas's shape) stands in
//! their place, and is read as the mail that says the same.

use crate::mime::facts::{HeaderFacts, header_facts};
use crate::time::Micros;
use serde::Deserialize;
use serde::de::IgnoredAny;

/// Fields of a header that are taken over, where they are told.
const FIELDS: [&str; 4] = ["Message-ID", "In-Reply-To", "References", "List-Id"];

/// What is told of it; whatever is of another kind is not.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Told {
    subject: Lenient<String>,
    date: Lenient<i64>,
    from: Lenient<Vec<Lenient<Named>>>,
    to: Lenient<Vec<Lenient<Named>>>,
    cc: Lenient<Vec<Lenient<Named>>>,
    bcc: Lenient<Vec<Lenient<Named>>>,
    reply_to: Lenient<Vec<Lenient<Named>>>,
    headers: Lenient<Vec<Lenient<Field>>>,
    body: Lenient<String>,
}

/// Somebody.
#[derive(Deserialize)]
struct Named {
    #[serde(default)]
    name: Lenient<String>,
    email: String,
}

/// A field of its header.
#[derive(Deserialize)]
struct Field {
    name: String,
    value: String,
}

/// A value, or something else.
#[derive(Deserialize)]
#[serde(untagged)]
enum Lenient<T> {
    Good(T),
    Other(IgnoredAny),
}

impl<T> Default for Lenient<T> {
    fn default() -> Self {
        Self::Other(IgnoredAny)
    }
}

impl<T> Lenient<T> {
    fn good(&self) -> Option<&T> {
        if let Self::Good(good) = self { Some(good) } else { None }
    }
}

impl Told {
    fn read(json: &[u8]) -> Self {
        serde_json::from_slice(json).unwrap_or_default()
    }

    fn mail(&self) -> Vec<u8> {
        let mut mail = String::new();
        let mut field = |name: &str, value: &str| {
            if !value.is_empty() {
                mail.push_str(&format!("{name}: {value}\r\n"));
            }
        };
        for (people, name) in [
            (&self.from, "From"),
            (&self.to, "To"),
            (&self.cc, "Cc"),
            (&self.bcc, "Bcc"),
            (&self.reply_to, "Reply-To"),
        ] {
            let people = people.good().into_iter().flatten().filter_map(Lenient::good);
            let people: Vec<String> = people.map(person).collect();
            // Long lines are folded where people end.
            field(name, &people.join(",\r\n "));
        }
        field("Subject", &line(self.subject.good().map_or("", String::as_str)));
        for header in self.headers.good().into_iter().flatten().filter_map(Lenient::good) {
            if let Some(name) =
                FIELDS.into_iter().find(|name| name.eq_ignore_ascii_case(&header.name))
            {
                field(name, &line(&header.value));
            }
        }
        mail.push_str("MIME-Version: 1.0\r\nContent-Type: text/html; charset=utf-8\r\n");
        mail.push_str("Content-Transfer-Encoding: 8bit\r\n\r\n");
        mail.push_str(self.body.good().map_or("", String::as_str));
        mail.into_bytes()
    }
}

/// A text on one line of a header.
fn line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// `"Name" <address>`.
fn person(told: &Named) -> String {
    let address = line(&told.email);
    let address: String = address.chars().filter(|c| !matches!(c, '<' | '>' | ' ')).collect();
    let name = told.name.good().map(|name| line(name)).unwrap_or_default();
    let name: String = name.chars().filter(|c| !matches!(c, '"' | '\\')).collect();
    match name.trim().is_empty() {
        true => format!("<{address}>"),
        false => format!("\"{name}\" <{address}>"),
    }
}

/// The mail that says what is told; what is no JSON says nothing.
#[must_use]
pub fn as_mail(json: &[u8]) -> Vec<u8> {
    Told::read(json).mail()
}

/// What its header would say.
#[must_use]
pub fn told_facts(json: &[u8]) -> HeaderFacts {
    let told = Told::read(json);
    let date = told.date.good().and_then(|at| at.checked_mul(1_000_000));
    HeaderFacts { synthetic: true, date: date.map(Micros), ..header_facts(&told.mail()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_is_read_as_a_mail() {
        let json = r#"{"id":"1","subject":"Grüße\r\nBcc: x@y","from":[{"name":"Ann \"A\"","email":"ann@example.org"}],
            "to":[{"email":"b@example.org"},{"name":"C","email":"c@example.org"},{"name":7}],"date":1700000000,
            "headers":[{"name":"message-id","value":"<m@x>"},{"name":"X","value":"y"}],"body":"<p>Hello</p>"}"#;
        let facts = told_facts(json.as_bytes());
        assert_eq!(facts.subject.as_deref(), Some("Grüße  Bcc: x@y"));
        assert_eq!(facts.from.as_deref(), Some("Ann A <ann@example.org>"));
        assert_eq!(facts.to.as_deref(), Some("b@example.org, C <c@example.org>"));
        assert_eq!(
            (facts.message_id.as_deref(), facts.date),
            (Some("m@x"), Some(Micros(1_700_000_000_000_000)))
        );
        assert!(facts.synthetic);
        let mail = String::from_utf8(as_mail(json.as_bytes())).unwrap();
        assert!(mail.ends_with("\r\n\r\n<p>Hello</p>") && !mail.contains("\nBcc"), "{mail}");
    }

    #[test]
    fn what_is_no_json_says_nothing() {
        for json in ["", "[]", "{\"from\":{},\"subject\":[],\"body\":1}", "\u{0}"] {
            let facts = told_facts(json.as_bytes());
            assert_eq!((facts.subject, facts.from, facts.date), (None, None, None), "{json}");
        }
    }
}
