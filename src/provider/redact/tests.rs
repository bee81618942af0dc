//! Every form in which a secret may come back.

use super::*;
use postrider_core::failure::{Class, Provenance, Reach};

const PASSWORD: &str = "s3cr3t/hunter \"2\"";
const TOKEN: &str = "ya29.a0AfB_byC-x7Kk3lQ9vN2mZ8tR5wY1uE4iO6pL0sD3fG7hJ";

fn hiding(secret: &str) -> Redactor {
    let redactor = Redactor::default();
    redactor.hide(secret);
    redactor
}

#[test]
fn a_secret_is_found_in_every_form() {
    for secret in [PASSWORD, TOKEN] {
        let hidden = hiding(secret);
        let form = oauth2::url::form_urlencoded::byte_serialize(secret.as_bytes());
        let percent: String = secret.bytes().map(|b| format!("%{b:02X}")).collect();
        let mut texts = vec![
            secret.to_owned(),
            secret.to_uppercase(),
            form.collect(),
            serde_json::to_string(secret).unwrap(),
            secret.replace('"', "\\\"").replace('/', "\\/"),
            secret.bytes().map(|b| format!("{b:02X}")).collect(),
            // Any of its signs, escaped in any way, once and again.
            secret.bytes().map(|b| format!("\\u{b:04x}")).collect(),
            secret.bytes().map(|b| format!("&#{b};")).collect(),
            secret.bytes().map(|b| format!("&#x{b:X};")).collect(),
            secret.bytes().map(|b| format!("={b:02X}")).collect(),
            secret.replace('3', "\\u0033"),
            serde_json::to_string(&serde_json::to_string(secret).unwrap()).unwrap(),
            percent.replace('%', "%25"),
            percent,
        ];
        for before in ["", "x", "xy", "user=me\x01auth=Bearer "] {
            for after in ["", "\x01\x01", "tail"] {
                let whole = format!("{before}{secret}{after}");
                texts.push(STANDARD.encode(&whole));
                texts.push(URL_SAFE_NO_PAD.encode(&whole));
            }
        }
        let (front, tail) = (secret.len() * 3 / 4, secret.len() / 4);
        texts.extend([secret.split_at(front).0, secret.split_at(tail).1].map(str::to_owned));
        for text in &texts {
            let said = format!("BAD cannot read <{text}> here");
            assert_eq!(hidden.text(&said), REPEATED, "{said}");
        }
        for text in ["Invalid credentials (Failure)", "user=me ", "AUTHENTICATE failed", ""] {
            assert_eq!(hidden.text(text), text);
        }
    }
}

#[test]
fn causes_are_looked_at_too_and_no_length_hides_it() {
    let hidden = hiding(TOKEN);
    let cause = std::io::Error::other(format!("header {TOKEN}"));
    let failure =
        Failure::new(Class::Network, Reach::Session, Provenance::Local, "a question was cut off")
            .caused_by(cause);
    assert_eq!(hidden.failure(failure).chain(), REPEATED);
    let far = format!("{}{TOKEN}", "x ".repeat(LOOKED_AT));
    assert!(!hidden.text(&far).contains("ya29"));
    let at_the_edge = format!("{}{TOKEN}", "x".repeat(LOOKED_AT - 20));
    assert!(!hidden.text(&at_the_edge).contains("ya29"));
}

#[test]
fn what_is_taken_out_of_a_text_hides_nothing() {
    let torn: Vec<String> =
        TOKEN.as_bytes().chunks(9).map(|c| String::from_utf8_lossy(c).into_owned()).collect();
    for between in ["\u{7}", "\u{202e}", "\0"] {
        assert_eq!(hiding(TOKEN).text(&torn.join(between)), REPEATED);
    }
}

#[test]
fn a_password_that_steers_a_terminal_is_one_all_the_same() {
    let hidden = hiding("se\u{1b}cret\u{7}s");
    assert_eq!(hidden.text("NO <se\u{1b}cret\u{7}s>"), REPEATED);
    assert_eq!(hidden.text("NO <secrets>"), REPEATED, "as a text for people has it");
    assert_eq!(hidden.text("NO <se\\u001bcret\\u0007s>"), REPEATED);
}

#[test]
fn a_secret_that_looks_like_an_escape_is_found_in_quotes() {
    let hidden = hiding("k=4fR8\"wq");
    assert_eq!(hidden.text("BAD LOGIN \"u\" \"k=4fR8\\\"wq\""), REPEATED);
    let hidden = hiding("p&ss\"word\t1");
    assert_eq!(hidden.text("<b>p&amp;ss&quot;word\\t1</b>"), REPEATED);
}

#[test]
fn a_long_text_costs_little_however_many_are_hidden() {
    let hidden = Redactor::default();
    (0..HIDDEN).for_each(|n| hidden.hide(&format!("{n}{TOKEN}").repeat(40)));
    // Some 6,000 pieces are looked for in one pass over it, not each by itself.
    let text = "the server refuses %41 this ".repeat(2000);
    assert!(hidden.text(&text).starts_with("the server refuses"));
    let needles = {
        let hidden = hidden.0.lock().unwrap();
        Needles::of(hidden.iter().map(ExposeSecret::expose_secret))
    };
    assert!(needles.short.len() <= 1, "{}", needles.short.len());
}

#[test]
fn the_newest_are_hidden() {
    let hidden = hiding("the first of them");
    for n in 0..HIDDEN {
        assert_eq!(hidden.text("the first of them"), REPEATED, "{n}");
        hidden.hide(&format!("number {n} {n} {n} {n}"));
    }
    assert_ne!(hidden.text("the first of them"), REPEATED);
    // Whoever is shown again is new again.
    hidden.hide("number 0 0 0 0");
    hidden.hide("another one of them");
    assert_eq!(hidden.text("number 0 0 0 0"), REPEATED);
    assert_ne!(hidden.text("number 1 1 1 1"), REPEATED);
    (0..3).for_each(|n| hidden.hide(&n.to_string().repeat(10_000)));
    assert_eq!(hidden.0.lock().unwrap().len(), 2, "they are bounded by octets");
}

#[test]
fn short_secrets_are_found_whole() {
    let hidden = hiding("pw");
    assert_eq!(hidden.text("NO pw is wrong"), REPEATED);
    assert_eq!(hidden.text("NO, wrong"), "NO, wrong");
}
