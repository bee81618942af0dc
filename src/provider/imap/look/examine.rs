//! EXAMINE: a folder is opened, its counters are read, and what has changed since.

use crate::provider::imap::conn::{Conn, MAX_UNSOLICITED};
use crate::provider::imap::failure::{During, refusal};
use crate::provider::imap::hints::notices::Sought;
use crate::provider::imap::look::changes::{Changes, index_limit};
use crate::provider::imap::look::opened::Selected;
use crate::provider::imap::look::parts::whole;
use crate::provider::imap::wire::quote::{Said, say};
use crate::provider::imap::wire::response::{Condition, Response};
use postrider_core::failure::{Class, Failure, Provenance, Reach};
use postrider_core::mail::folder::WireName;
use postrider_core::mail::id::{MailboxId, UidValidity};
use postrider_core::provider::Tells;
use postrider_core::provider::folders::{Changed, Examined, Since};

/// What the answer shows of the folder, as it comes.
#[derive(Debug, Default)]
struct Showing {
    exists: Option<u32>,
    uidvalidity: Option<u32>,
    uidnext: Option<u32>,
    modseq: u64,
    mailbox: Option<MailboxId>,
    /// Its UIDs do not last.
    is_fleeting: bool,
    /// The server has said where this answer begins.
    is_apart: bool,
}

impl Showing {
    fn hear(&mut self, code: &str, value: Option<&str>) {
        let number = || value.and_then(|value| value.parse::<u32>().ok());
        match code {
            "UIDVALIDITY" => self.uidvalidity = number(),
            "UIDNEXT" => self.uidnext = number(),
            "HIGHESTMODSEQ" => self.modseq = value.and_then(|v| v.parse().ok()).unwrap_or(0),
            "UIDNOTSTICKY" => self.is_fleeting = true,
            _ => {}
        }
    }
}

impl Conn {
    /// EXAMINE: the counters now. Source: RFC 3501 §6.3.2.
    pub(in crate::provider::imap) async fn examine(
        &mut self,
        remote_id: &WireName,
    ) -> Result<Examined, Failure> {
        Ok(self.examine_since(remote_id, None).await?.0)
    }

    /// The same, with what has changed since then, where the server can tell. Source: RFC 7162
    /// §3.1.4 (flags) and §3.2.5 (what went, too, and all of it in one answer).
    pub(in crate::provider::imap) async fn examine_since(
        &mut self,
        remote_id: &WireName,
        since: Option<Since>,
    ) -> Result<(Examined, Option<Changed>), Failure> {
        let tells_uids = self.ask_for_uids().await?;
        let since = since.filter(|since| since.modseq > 0);
        let in_one = since.filter(|_| tells_uids);
        let mut changes = Changes::up_to(MAX_UNSOLICITED);
        self.open.asks_flags(true);
        let examined = self.opened(remote_id, in_one, &mut changes).await;
        self.open.asks_flags(false);
        let examined = examined?;
        let same = since.filter(|since| since.uidvalidity == examined.uidvalidity);
        let Some(since) = same.filter(|_| examined.modseq > 0) else { return Ok((examined, None)) };
        // It may have refused to tell, and was opened without.
        if in_one.is_some() && self.offered.tells_uids() == Some(true) {
            return Ok((examined, changes.told(true)));
        }
        if !self.has("CONDSTORE") || examined.modseq < since.modseq {
            return Ok((examined, None));
        }
        if examined.modseq > since.modseq {
            let command = format!("UID FETCH 1:* (UID FLAGS) (CHANGEDSINCE {})", since.modseq);
            let tag = self.send(command.as_bytes(), false).await?;
            changes = Changes::up_to(index_limit(examined.exists));
            self.open.asks_flags(true);
            let told = self.until_more(&tag, |response| changes.take(response)).await;
            self.open.asks_flags(false);
            // Whoever refuses that is asked for all of it.
            if whole(&told?).is_err() {
                return Ok((examined, None));
            }
        }
        Ok((examined, changes.told(false)))
    }

    /// Asks once whether what goes is told by UID from here on.
    async fn ask_for_uids(&mut self) -> Result<bool, Failure> {
        if let Some(tells) = self.offered.tells_uids() {
            return Ok(tells);
        }
        let mut tells = false;
        if self.offered.proof().tells == Tells::Went {
            let tag = self.send(b"ENABLE QRESYNC", false).await?;
            tells = self.tagged(&tag).await?.status == Condition::Ok;
        }
        self.offered.told_uids(tells);
        Ok(tells)
    }

    /// What else an EXAMINE says: from there on the folder's modseq is kept (RFC 7162 §3.1).
    pub(in crate::provider::imap) fn keeps(&self, since: Option<Since>) -> String {
        match since {
            Some(Since { uidvalidity, modseq }) => format!(" (QRESYNC ({uidvalidity} {modseq}))"),
            None if self.has("CONDSTORE") => " (CONDSTORE)".to_owned(),
            None => String::new(),
        }
    }

    async fn opened(
        &mut self,
        remote_id: &WireName,
        since: Option<Since>,
        changes: &mut Changes,
    ) -> Result<Examined, Failure> {
        let was_open = self.open.open();
        let mut line = b"EXAMINE ".to_vec();
        let kept = self.keeps(since);
        let kept = kept.as_bytes();
        let tag = match say(remote_id) {
            Said::Quoted(quoted) => {
                line.extend_from_slice(&quoted);
                line.extend_from_slice(kept);
                self.send(&line, false).await?
            }
            Said::Literal(bytes) => {
                line.extend_from_slice(format!("{{{}}}", bytes.len()).as_bytes());
                let tag = self.send(&line, false).await?;
                if let Some(told) = self.continued(&tag).await? {
                    return Err(refusal(&told, During::Folder));
                }
                self.write_line(&[&bytes, kept].concat()).await?;
                tag
            }
        };
        self.open.forget();
        let (mut showing, has_ids) = (Showing::default(), self.has("OBJECTID"));
        self.asks(Sought { opens: remote_id.to_vec(), ..Sought::default() });
        let told = self
            .until_more(&tag, |response| {
                match response {
                    Response::Exists(n) => {
                        showing.exists = Some(n);
                        if since.is_some() {
                            changes.most = changes.most.max(index_limit(n));
                        }
                    }
                    Response::Status(told) => {
                        let code = told.code.unwrap_or_default();
                        let mut words = code.split(' ');
                        let (name, value) =
                            (words.next().unwrap_or_default().to_ascii_uppercase(), words.next());
                        match (name.as_str(), value) {
                            // What was told before is of the folder that was open (RFC 7162 §3.2.11).
                            ("CLOSED", _) => {
                                showing = Showing { is_apart: true, ..Showing::default() };
                                changes.forget();
                            }
                            // Who never says so may have told it of either.
                            ("UIDVALIDITY", _)
                                if was_open && !showing.is_apart && !changes.is_empty() =>
                            {
                                changes.doubt();
                                showing.hear(&name, value);
                            }
                            ("MAILBOXID", Some(id)) if has_ids => {
                                showing.mailbox = Some(MailboxId::of(id.as_bytes()));
                            }
                            _ => showing.hear(&name, value),
                        }
                    }
                    other => return changes.take(other),
                }
                true
            })
            .await;
        self.asks(Sought::default());
        let told = told?;
        if told.status == Condition::Bad && !kept.is_empty() {
            // It offers what it has not: for the rest of this session it is asked without.
            self.offered.distrust(&["QRESYNC", "CONDSTORE"]);
            self.offered.told_uids(false);
            return Box::pin(self.opened(remote_id, None, changes)).await;
        }
        if told.status != Condition::Ok {
            return Err(refusal(&told, During::Folder));
        }
        let lacks =
            |what: &str| Failure::new(Class::InvalidData, Reach::Folder, Provenance::Server, what);
        // It is no refusal either: whoever asks asks once more elsewhere.
        let untold = |what: &str| Failure { provenance: Provenance::Inferred, ..lacks(what) };
        let Showing { exists, uidvalidity, uidnext, modseq, mailbox, .. } = showing;
        let exists = exists.ok_or_else(|| untold("EXAMINE was answered without EXISTS"))?;
        let uidvalidity = uidvalidity
            .filter(|v| *v > 0)
            .ok_or_else(|| untold("EXAMINE was answered without UIDVALIDITY"))?;
        if showing.is_fleeting {
            return Err(lacks("the folder's UIDs are not persistent (UIDNOTSTICKY)"));
        }
        let (uidnext, inferred) = match uidnext {
            Some(uidnext) if uidnext > 0 => (uidnext, false),
            _ if exists == 0 => (1, true),
            _ => (self.last_uid().await?.saturating_add(1), true),
        };
        let uidvalidity = UidValidity(uidvalidity);
        let examined = Examined { uidvalidity, uidnext, inferred, exists, modseq, mailbox };
        self.open.opened(Selected { remote_id: remote_id.clone(), examined, exists });
        Ok(examined)
    }

    /// The highest UID, for servers that do not tell UIDNEXT.
    async fn last_uid(&mut self) -> Result<u32, Failure> {
        let tag = self.send(b"UID FETCH * (UID)", false).await?;
        let mut last = 0;
        let told = self
            .until(&tag, |response| {
                if let Response::Fetch(line) = response
                    && line.closed
                {
                    last = last.max(line.uid.unwrap_or(0));
                }
            })
            .await?;
        if told.status == Condition::Ok { Ok(last) } else { Err(refusal(&told, During::Folder)) }
    }

    /// Makes sure that the folder is open under the UIDVALIDITY that a question is about.
    pub(in crate::provider::imap) async fn select(
        &mut self,
        remote_id: &WireName,
        uidvalidity: UidValidity,
    ) -> Result<(), Failure> {
        let examined = match self.open.selected() {
            Some(selected) if selected.remote_id == *remote_id => selected.examined,
            _ => self.examine(remote_id).await?,
        };
        if examined.uidvalidity == uidvalidity {
            return Ok(());
        }
        let text = format!("UIDVALIDITY changed from {uidvalidity} to {}", examined.uidvalidity);
        Err(Failure::new(Class::StateLost, Reach::Folder, Provenance::Server, text))
    }
}
