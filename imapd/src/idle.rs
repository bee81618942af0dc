//! IDLE (RFC 2177): tells what happens to the open folder.

use crate::serve::{After, Connection};
use std::io;
use tokio::io::AsyncBufReadExt;

/// A folder as a connection has been told of it: UIDs with their flags, in their order.
pub(crate) type View = Vec<(u32, Vec<String>)>;

/// The lines that lead from one view to another: EXPUNGE from the end, FETCH for flags, EXISTS for
/// what came.
fn lines(before: &View, after: &View) -> String {
    let mut out = String::new();
    let mut left = before.clone();
    for at in (0..before.len()).rev() {
        let gone =
            before.get(at).is_some_and(|(uid, _)| !after.iter().any(|(other, _)| other == uid));
        if gone {
            left.remove(at);
            out.push_str(&format!("* {} EXPUNGE\r\n", at + 1));
        }
    }
    for (at, (uid, flags)) in left.iter().enumerate() {
        if let Some((_, now)) = after.iter().find(|(other, _)| other == uid)
            && now != flags
        {
            out.push_str(&format!("* {} FETCH (FLAGS ({}))\r\n", at + 1, now.join(" ")));
        }
    }
    if after.len() > left.len() {
        out.push_str(&format!("* {} EXISTS\r\n* 0 RECENT\r\n", after.len()));
    }
    out
}

impl Connection {
    /// The open folder as it is now.
    pub(crate) fn look(&self) -> View {
        let (Some(mailbox), Some(name)) = (&self.mailbox, &self.folder) else { return View::new() };
        let folders = mailbox.lock();
        let Some(folder) = folders.get(name) else { return View::new() };
        folder.mail.iter().map(|(uid, mail)| (*uid, mail.flags.clone())).collect()
    }

    /// Idles until the client's next line.
    pub(crate) async fn idle(&mut self, tag: &str) -> io::Result<After> {
        let Some(mut changes) = self.mailbox.as_ref().map(crate::mailbox::Mailbox::changes) else {
            return Ok(After::Close);
        };
        self.send(b"+ idling\r\n").await?;
        loop {
            changes.borrow_and_update();
            let now = self.look();
            let told = lines(&self.view, &now);
            self.view = now;
            if !told.is_empty() {
                self.send(told.as_bytes()).await?;
            }
            tokio::select! {
                waiting = self.stream.fill_buf() => {
                    if waiting?.is_empty() {
                        return Ok(After::Close);
                    }
                    break;
                }
                changed = changes.changed() => {
                    if changed.is_err() {
                        return Ok(After::Close);
                    }
                }
            }
        }
        let Some(line) = self.line().await? else { return Ok(After::Close) };
        let status = if line.eq_ignore_ascii_case("DONE") { "OK" } else { "BAD" };
        self.send(format!("{tag} {status} idle is over\r\n").as_bytes()).await?;
        Ok(After::Go)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_what_came_went_and_changed() {
        let view = |uids: &[(u32, &str)]| {
            uids.iter().map(|(uid, flag)| (*uid, vec![(*flag).to_owned()])).collect::<View>()
        };
        let before = view(&[(1, "a"), (2, "a"), (4, "a")]);
        let after = view(&[(2, "b"), (4, "a"), (5, "a")]);
        assert_eq!(
            lines(&before, &after),
            "* 1 EXPUNGE\r\n* 1 FETCH (FLAGS (b))\r\n* 3 EXISTS\r\n* 0 RECENT\r\n"
        );
        assert_eq!(lines(&after, &after), "");
    }
}
