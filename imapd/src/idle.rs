//! IDLE (RFC 2177): tells what happens to the open folder.

use crate::serve::{After, Connection};
use crate::view::{View, lines};
use std::io;
use tokio::io::AsyncBufReadExt;

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
