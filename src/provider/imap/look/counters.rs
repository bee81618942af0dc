//! The counters of folders that are not open: told along with LIST, or asked for one by one.

use crate::provider::imap::conn::{Conn, MAX_UNSOLICITED};
use crate::provider::imap::failure::{During, ends_session, refusal, telling};
use crate::provider::imap::hints::notices::{Sought, SoughtCounters};
use crate::provider::imap::wire::quote::{Said, say};
use crate::provider::imap::wire::response::{Condition, Response, Told};
use crate::provider::imap::wire::utf7::wire_name;
use postrider_core::failure::Failure;
use postrider_core::mail::folder::WireName;
use postrider_core::mail::id::UidValidity;
use postrider_core::provider::folders::Examined;
use std::collections::{BTreeMap, BTreeSet};

/// Octets of commands that are sent before the first answer is read: what any server takes in
/// while nobody reads what it says.
const AHEAD: usize = 4096;

/// What is asked, where folders have a modseq.
pub(in crate::provider::imap) const ITEMS: &str = "(MESSAGES UIDNEXT UIDVALIDITY HIGHESTMODSEQ)";

/// STATUS of each of these folders, many at a time. Who is refused, or has a name that needs a
/// literal, is left out: it is opened. Source: RFC 3501 §6.3.10, RFC 7162 §3.1.7.
pub(in crate::provider::imap) async fn counters_of(
    conn: &mut Conn,
    names: &BTreeSet<&WireName>,
) -> Result<BTreeMap<WireName, Examined>, Failure> {
    let mut counters = BTreeMap::new();
    let mut commands = names.iter().filter_map(|name| match say(name) {
        Said::Quoted(name) => Some([b"STATUS ", name.as_slice(), b" ", ITEMS.as_bytes()].concat()),
        Said::Literal(_) => None,
    });
    let sought = names.iter().copied().cloned().collect();
    conn.asks(Sought { counters: SoughtCounters::Of(sought), ..Sought::default() });
    let mut next = commands.next();
    while next.is_some() && conn.offered.counts_apart() {
        let (mut batch, mut octets) = (Vec::new(), 0);
        while let Some(command) = next.take_if(|_| octets <= AHEAD) {
            octets += command.len();
            batch.push(command);
            next = commands.next();
        }
        let tags = conn.send_all(&batch).await?;
        // Some answer what was sent together in an order of their own; what no command of ours
        // was sent with is nobody's.
        let mut open: BTreeSet<String> = tags.iter().cloned().collect();
        let mut over: BTreeMap<String, Told> = BTreeMap::new();
        for tag in tags {
            let mut lines = 0;
            open.remove(&tag);
            let told = match over.remove(&tag) {
                Some(told) => told,
                None => {
                    let each = |response| {
                        match response {
                            Response::Counters { name, items } => {
                                let name = wire_name(name);
                                let shown = examined(&items).filter(|_| names.contains(&name));
                                counters.extend(shown.map(|shown| (name, shown)));
                            }
                            Response::Tagged(of, told) if open.remove(&of) => {
                                over.insert(of, told);
                            }
                            _ => {}
                        }
                        lines += 1;
                        lines <= MAX_UNSOLICITED
                    };
                    conn.until_more(&tag, each).await?
                }
            };
            if told.status == Condition::Ok {
                continue;
            }
            // Who asks for less, or shows us out, says so once.
            if telling(&told).is_some_and(|failure| ends_session(failure.class)) {
                return Err(refusal(&told, During::Other));
            }
            if told.status == Condition::Bad {
                // It does not know what it has offered.
                conn.offered.distrust(&["STATUS"]);
            }
        }
    }
    conn.asks(Sought::default());
    Ok(counters)
}

/// A folder's counters, where all of them are told.
pub(in crate::provider::imap) fn examined(items: &BTreeMap<String, u64>) -> Option<Examined> {
    let number = |item: &str| u32::try_from(*items.get(item)?).ok();
    let modseq = items.get("HIGHESTMODSEQ").copied().unwrap_or(0);
    Some(Examined {
        uidvalidity: UidValidity(number("UIDVALIDITY").filter(|v| *v > 0)?),
        uidnext: number("UIDNEXT").filter(|uidnext| *uidnext > 0)?,
        exists: number("MESSAGES")?,
        inferred: false,
        modseq,
        mailbox: None,
    })
}
