//! mbsync, where it is installed.

use crate::PASSWORD;
use crate::mailboxes::Mailbox;
use crate::measure::{Cost, run as measured};
use std::fs;
use std::path::Path;
use std::process::Command;

/// A first sync of every user into files of this folder.
pub(crate) fn run(dir: &Path, port: u16, mailbox: &Mailbox, compress: bool) -> Option<Cost> {
    Command::new("mbsync").arg("--version").output().ok()?;
    let without = if compress { "" } else { "DisableExtension COMPRESS=DEFLATE\n" };
    let at = dir.display();
    let mut config = "SyncState *\n\n".to_owned();
    for user in mailbox.users() {
        config += &format!(
            "IMAPAccount {user}\nHost 127.0.0.1\nPort {port}\nUser {user}\nPass {PASSWORD}\nSSLType None\nAuthMechs LOGIN\n{without}\n\
             IMAPStore {user}-far\nAccount {user}\n\nMaildirStore {user}-near\nPath {at}/{user}/\nInbox {at}/{user}/INBOX\nSubFolders Verbatim\n\n\
             Channel {user}\nFar :{user}-far:\nNear :{user}-near:\nPatterns *\nCreate Near\nSync Pull\n\n"
        );
        fs::create_dir(dir.join(&user)).unwrap();
    }
    fs::write(dir.join("rc"), config).unwrap();
    Some(measured(Command::new("mbsync").args(["-q", "-a", "-c"]).arg(dir.join("rc"))))
}
