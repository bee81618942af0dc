//! Against a Gmail API that others have written: the `emulate` package, which knows no profile, and
//! history ids of 21 digits.

use crate::support::binary::{OTHER_FAULTS, Postrider, SHORT};
use crate::support::check::{consistent, state};
use crate::support::emulate::Emulator;
use crate::support::gmail::gmail_account;
use crate::support::mail::{blocking, seed};
use serde_json::{Value, json};

fn follow(emulator: &Emulator) -> Postrider {
    let account = gmail_account(&emulator.url());
    let postrider = Postrider::new(&format!("{SHORT}{account}"));
    std::fs::write(postrider.path("token"), "good\n").unwrap();
    postrider
}

fn fill(emulator: &Emulator, dice: &mut seed::Dice, count: usize) {
    let label = emulator.ask("POST", "labels", &json!({"name": "Work/Größe"}));
    let label = label["id"].as_str().unwrap().to_owned();
    let kinds: [&[&str]; 7] = [
        &["INBOX", "UNREAD"],
        &["INBOX", "STARRED", "IMPORTANT"],
        &["INBOX", "CATEGORY_SOCIAL", "UNREAD"],
        &["SENT"],
        &["SPAM", "UNREAD"],
        &["TRASH"],
        &["INBOX", label.as_str()],
    ];
    for n in 0..count {
        let mail = seed::message(dice, n);
        emulator.insert(&mail.raw, kinds[dice.below(kinds.len())]);
    }
}

/// One thing that the owner does.
fn act(emulator: &Emulator, dice: &mut seed::Dice, n: usize) {
    let ids = emulator.ids();
    let one = ids[dice.below(ids.len())].as_str();
    let nothing = Value::Null;
    match dice.below(10) {
        0 | 1 => drop(emulator.insert(&seed::message(dice, 10_000 + n).raw, &["INBOX", "UNREAD"])),
        2 => drop(emulator.ask("POST", &format!("messages/{one}/trash"), &nothing)),
        3 => drop(emulator.ask("POST", &format!("messages/{one}/untrash"), &nothing)),
        4 => drop(emulator.ask("DELETE", &format!("messages/{one}"), &nothing)),
        5 => emulator.modify(one, &["STARRED"], &["UNREAD"]),
        6 => emulator.modify(one, &["UNREAD"], &["INBOX"]),
        7 => {
            let some: Vec<&String> = ids.iter().take(5).collect();
            let body =
                json!({"ids": some, "addLabelIds": ["IMPORTANT"], "removeLabelIds": ["STARRED"]});
            emulator.ask("POST", "messages/batchModify", &body);
        }
        8 => {
            use base64::Engine;
            let raw = base64::engine::general_purpose::URL_SAFE_NO_PAD
                .encode(seed::message(dice, 20_000 + n).raw.as_slice());
            emulator.ask("POST", "drafts", &json!({"message": {"raw": raw}}));
        }
        _ => {
            let drafts = emulator.ask("GET", "drafts", &nothing);
            let Some(draft) = drafts["drafts"][0]["id"].as_str() else { return };
            emulator.ask("POST", "drafts/send", &json!({"id": draft}));
        }
    }
}

fn equal(postrider: &Postrider, emulator: &Emulator, what: &str) {
    let (got, want) = (postrider.manifest("u"), emulator.manifest());
    let missing: Vec<&String> = want.iter().filter(|l| !got.contains(l)).take(3).collect();
    let extra: Vec<&String> = got.iter().filter(|l| !want.contains(l)).take(3).collect();
    assert_eq!(got, want, "{what}: missing {missing:?}, extra {extra:?}");
    consistent(&postrider.database());
}

/// Messages that a run has asked for.
fn gets(postrider: &Postrider) -> usize {
    postrider.run(&["sync", "--once", "--wire-log", "wire"]).exits(0);
    let log = std::fs::read_to_string(postrider.path("wire")).unwrap();
    log.lines().filter(|line| line.contains(" GET messages/")).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_emulated_mailbox_is_followed() {
    blocking(|| {
        let Some(emulator) = Emulator::start() else { return };
        let first: u64 = std::env::var("POSTRIDER_TEST_SEED")
            .ok()
            .and_then(|text| text.parse().ok())
            .unwrap_or(53);
        println!("seed {first}");
        let mut dice = seed::Dice::new(first);
        fill(&emulator, &mut dice, 100);
        let postrider = follow(&emulator);
        assert!(gets(&postrider) >= 100);
        equal(&postrider, &emulator, "at first");
        let before = state(&postrider.database());
        assert_eq!(gets(&postrider), 0, "nothing has changed");
        assert_eq!(state(&postrider.database()), before);
        for round in 0..6 {
            for n in 0..20 {
                act(&emulator, &mut dice, round * 100 + n);
            }
            postrider.sync().exits(0);
            equal(&postrider, &emulator, &format!("round {round}"));
        }
        postrider.run(&["verify", "u"]).exits(0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_emulated_mailbox_survives_kills() {
    blocking(|| {
        let Some(emulator) = Emulator::start() else { return };
        let mut dice = seed::Dice::new(59);
        fill(&emulator, &mut dice, 40);
        let named = Postrider::new("").run(&["faults"]).exits(0).stdout;
        let steps =
            named.lines().filter(|name| !OTHER_FAULTS.iter().any(|kind| name.starts_with(kind)));
        for (n, step) in steps.enumerate() {
            let postrider = follow(&emulator);
            let mut aborted = false;
            for nth in [1, 3] {
                let fault = format!("{step}:{nth}");
                let ran = postrider.run_with(&["sync", "--once"], &[("POSTRIDER_FAULT", &fault)]);
                aborted |= ran.stderr.contains("scripted fault");
                postrider.sync().exits(0);
                equal(&postrider, &emulator, &fault);
                for m in 0..6 {
                    act(&emulator, &mut dice, 1000 + n * 100 + m);
                }
            }
            assert!(aborted, "{step} was never passed");
        }
    })
    .await;
}
