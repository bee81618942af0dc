//! What `verify` has found, for people and for programs.

use crate::cli::args::VerifyArgs;
use crate::derive::check::Checked;
use crate::verify::{StoreReport, Verified};

/// Differences of one account that are printed one by one, of each folder.
const SHOWN: usize = 10;

/// All of it.
pub(super) fn text(args: &VerifyArgs, all: &[Verified], store: Option<&StoreReport>) -> String {
    let Some(store) = store else {
        return all.iter().map(|one| whole(one, args.offline, SHOWN)).collect();
    };
    // Whoever asks for everything is told everything.
    let mut out = String::new();
    for one in all {
        out.push_str(&format!("account {}\n", one.name));
        out.push_str(&whole(one, args.offline, usize::MAX));
    }
    let verdict = if store.differences.is_empty() { "fits" } else { "DIFFERENT" };
    out.push_str(&format!("what is of no account: {verdict}\n"));
    out.push_str(&lines(&store.differences, usize::MAX));
    out
}

/// The same as one JSON object.
pub(super) fn json(args: &VerifyArgs, all: &[Verified], store: Option<&StoreReport>) -> String {
    let mut each = all.iter().map(|one| account_json(one, args.offline));
    let value = match store {
        None => each.next().unwrap_or_default(),
        Some(store) => serde_json::json!({
            "accounts": each.collect::<Vec<_>>(), "differences": *store.differences,
        }),
    };
    value.to_string()
}

/// So many lines, and how many more there are.
fn lines(all: &[String], most: usize) -> String {
    let mut out: String = all.iter().take(most).map(|line| format!("  {line}\n")).collect();
    if all.len() > most {
        out.push_str(&format!("  and {} more differences\n", all.len() - most));
    }
    out
}

fn whole(one: &Verified, offline: bool, most: usize) -> String {
    let derived = one.derived.as_ref().map(|checked| derived_text(checked, most));
    account_text(one, offline, most) + &derived.unwrap_or_default()
}

fn derived_text(checked: &Checked, most: usize) -> String {
    let Checked { messages, behind, differences, unproved } = checked;
    let verdict = if differences.is_empty() { "fits" } else { "DIFFERENT" };
    let mut out = format!("what is derived: {verdict}; {messages} messages");
    if *messages == 0 && *behind > 0 && differences.is_empty() {
        out = "what is derived: nothing yet".to_owned();
    }
    if *behind > 0 {
        out.push_str(&format!(", {behind} still to be read"));
    }
    out.push('\n');
    for line in unproved.iter().chain(differences.iter().take(most)) {
        out.push_str(&format!("  {line}\n"));
    }
    if differences.len() > most {
        out.push_str(&format!("  and {} more differences\n", differences.len() - most));
    }
    if !differences.is_empty() {
        out.push_str("  `postrider reindex` reads it anew\n");
    }
    out
}

fn account_text(one: &Verified, offline: bool, most: usize) -> String {
    let (mut out, reports) = (String::new(), &one.reports);
    // What is so of every folder is said once.
    let of_all = |line: &&String| {
        reports.len() > 1 && reports.values().all(|report| report.unproved.contains(line))
    };
    let common: Vec<&String> =
        reports.values().take(1).flat_map(|r| r.unproved.iter().filter(of_all)).collect();
    for r in reports.values() {
        let path = &r.path;
        let verdict = match (r.differences.is_empty(), r.is_proved(), offline) {
            (false, ..) => "DIFFERENT",
            (true, false, _) => "not proved",
            (true, true, true) => "bodies proved",
            (true, true, false) => "proved",
        };
        // Of what nobody hands out the bytes of, nothing says that it is exact.
        let but = match r.synthetic {
            0 => String::new(),
            n => format!(", but for {n} synthetic (no bytes of them are handed out)"),
        };
        out.push_str(&format!(
            "{path}: {verdict}{but}; {} messages, {} failures in the ledger\n",
            r.messages, r.failures
        ));
        for mail in r.left_out.iter().take(most) {
            out.push_str(&format!("  left out: UID {} ({})\n", mail.uid, mail.note));
        }
        if r.left_out.len() > most {
            out.push_str(&format!("  and {} more are left out\n", r.left_out.len() - most));
        }
        let unproved = r.unproved.iter().filter(|line| !common.contains(line));
        for line in unproved.chain(r.differences.iter().take(most)) {
            out.push_str(&format!("  {line}\n"));
        }
        if !r.notes.is_empty() {
            out.push_str(&format!(
                "  the server estimates sizes: {} differ, which says nothing\n",
                r.notes.len()
            ));
        }
        if r.differences.len() > most {
            out.push_str(&format!("  and {} more differences\n", r.differences.len() - most));
        }
    }
    for line in common {
        out.push_str(&format!("every folder: {line}\n"));
    }
    if !one.differences.is_empty() {
        out.push_str("the account: DIFFERENT\n");
    }
    out.push_str(&lines(&one.unproved, usize::MAX));
    out.push_str(&lines(&one.differences, most));
    let (messages, differences) = reports
        .values()
        .fold((0, one.differences.len()), |(m, d), r| (m + r.messages, d + r.differences.len()));
    let proved = reports.values().filter(|r| r.is_proved()).count();
    out.push_str(&format!(
        "{messages} messages (each in every folder that it is in), {proved} of {} folders proved, {differences} differences\n",
        reports.len()
    ));
    out
}

fn account_json(one: &Verified, offline: bool) -> serde_json::Value {
    let folders: Vec<_> = one
        .reports
        .values()
        .map(|r| {
            serde_json::json!({
                "folder": r.path,
                "messages": r.messages,
                "failures": r.failures,
                "left_out": r.left_out.iter().map(|mail| serde_json::json!({ "uid": mail.uid, "note": mail.note })).collect::<Vec<_>>(),
                "remaining": r.remaining,
                "proved": r.is_proved(),
                "unproved": r.unproved,
                "differences": *r.differences,
                "notes": r.notes,
                "synthetic": r.synthetic,
            })
        })
        .collect();
    let proved = one.is_proved();
    let derived = one.derived.as_ref().map(|checked| {
        let Checked { messages, behind, differences, unproved } = checked;
        let fits = differences.is_empty();
        serde_json::json!({
            "messages": messages, "behind": behind, "fits": fits, "differences": differences, "unproved": unproved,
        })
    });
    serde_json::json!({
        "account": one.name, "offline": offline, "proved": proved, "folders": folders, "derived": derived,
        "differences": *one.differences, "unproved": one.unproved,
    })
}
