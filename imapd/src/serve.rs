//! Connections: greeting, login, one command after the other.
#![expect(
    clippy::disallowed_methods,
    reason = "a connection's task, and answers that come late on purpose"
)]

use crate::command::{Command, Misbehaviour};
use crate::fetch;
use crate::mailbox::Mailbox;
use crate::utf7;
use crate::view::View;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

const CAPABILITIES: &str = "IMAP4rev1 SASL-IR AUTH=PLAIN SPECIAL-USE IDLE UIDPLUS MOVE";
/// A line longer than this ends the connection.
const LINE_LIMIT: usize = 64 * 1024;

/// Who may log in, and to which mailbox.
#[derive(Clone, Debug)]
pub struct User {
    /// Password.
    pub password: String,
    /// The folders.
    pub mailbox: Mailbox,
}

type Script = Arc<dyn Fn(&str, &str) -> Option<Misbehaviour> + Send + Sync>;

/// A running server. Dropping it closes it.
pub struct Server {
    address: SocketAddr,
    log: Arc<Mutex<Vec<String>>>,
    frozen: Arc<watch::Sender<bool>>,
    task: JoinHandle<()>,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    /// Starts on a free port of loopback. The script is asked for every command: user, and the
    /// command without its tag (`UID FETCH 1:5 (…)`; the greeting is the command `GREETING`); it
    /// may keep state of its own.
    ///
    /// # Errors
    /// Whatever the system says about the port.
    pub async fn start(
        users: BTreeMap<String, User>,
        script: impl Fn(&str, &str) -> Option<Misbehaviour> + Send + Sync + 'static,
    ) -> io::Result<Self> {
        Self::start_with("", users, script).await
    }

    /// The same; `more` is what it can do besides: `OBJECTID` (RFC 8474), `X-GM-EXT-1` (Gmail's ids), `ENABLE
    /// CONDSTORE QRESYNC` (RFC 7162, of a server that keeps no modseq).
    ///
    /// # Errors
    /// Whatever the system says about the port.
    pub async fn start_with(
        more: &str,
        users: BTreeMap<String, User>,
        script: impl Fn(&str, &str) -> Option<Misbehaviour> + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let capabilities = format!("{CAPABILITIES} {more}").trim_end().to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let log = Arc::new(Mutex::new(Vec::new()));
        let frozen = Arc::new(watch::Sender::new(false));
        let shared = Arc::new(Shared {
            users,
            capabilities,
            script: Arc::new(script),
            log: Arc::clone(&log),
            frozen: Arc::clone(&frozen),
        });
        let task = tokio::spawn(async move {
            // The connections live in here: they end with the server.
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                // Answers are small and waited for.
                drop(stream.set_nodelay(true));
                let shared = Arc::clone(&shared);
                connections.spawn(async move {
                    // A client that goes away in the middle is none of the server's trouble.
                    drop(Connection::new(stream, shared).run().await);
                });
                while connections.try_join_next().is_some() {}
            }
        });
        Ok(Self { address, log, frozen, task })
    }

    /// The port it listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Says nothing more to anybody, or goes on: what a machine does that has lost its network.
    pub fn freeze(&self, frozen: bool) {
        self.frozen.send_replace(frozen);
    }

    /// Every command received so far, without tags and secrets.
    #[must_use]
    pub fn log(&self) -> Vec<String> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

struct Shared {
    users: BTreeMap<String, User>,
    capabilities: String,
    script: Script,
    log: Arc<Mutex<Vec<String>>>,
    frozen: Arc<watch::Sender<bool>>,
}

pub(crate) struct Connection {
    pub(crate) stream: BufReader<TcpStream>,
    shared: Arc<Shared>,
    user: String,
    pub(crate) mailbox: Option<Mailbox>,
    pub(crate) folder: Option<String>,
    /// The open folder as the client knows it.
    pub(crate) view: View,
    zero: bool,
    /// The answer is to end where it does, and the connection with it.
    cut: bool,
    /// Octets of data sent under `CutAfter`.
    sent: usize,
}

pub(crate) enum After {
    Go,
    Close,
}

impl Connection {
    fn new(stream: TcpStream, shared: Arc<Shared>) -> Self {
        Self {
            stream: BufReader::with_capacity(1024, stream),
            shared,
            user: String::new(),
            mailbox: None,
            folder: None,
            view: View::new(),
            zero: false,
            cut: false,
            sent: 0,
        }
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut frozen = self.shared.frozen.subscribe();
        // A server that has gone lets everything wait.
        if frozen.wait_for(|frozen| !*frozen).await.is_err() {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        self.stream.write_all(bytes).await?;
        self.stream.flush().await
    }

    async fn run(mut self) -> io::Result<()> {
        let greeting = (self.shared.script)("", "GREETING");
        let hello = format!("* OK [CAPABILITY {}] postrider-imapd\r\n", self.shared.capabilities);
        if let After::Close = self.respond("*", hello.into_bytes(), "", greeting).await? {
            return Ok(());
        }
        loop {
            let Some(line) = self.line().await? else { return Ok(()) };
            let Some(command) = Command::parse(&line) else {
                self.send(b"* BAD what?\r\n").await?;
                continue;
            };
            if let After::Close = self.command(command).await? {
                return Ok(());
            }
        }
    }

    /// A line with its literals put in as quoted strings.
    pub(crate) async fn line(&mut self) -> io::Result<Option<String>> {
        let mut whole = String::new();
        loop {
            let mut line = Vec::new();
            let limit = u64::try_from(LINE_LIMIT).unwrap_or(u64::MAX);
            (&mut self.stream).take(limit).read_until(b'\n', &mut line).await?;
            if line.last() != Some(&b'\n') {
                return Ok(None);
            }
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            let literal = text
                .strip_suffix('}')
                .and_then(|t| t.rsplit_once('{'))
                .map(|(a, n)| (a.to_owned(), n.to_owned()));
            let Some((before, Ok(length))) = literal.map(|(a, n)| (a, n.parse::<usize>())) else {
                whole.push_str(&text);
                return Ok(Some(whole));
            };
            self.send(b"+ go on\r\n").await?;
            let mut bytes = vec![0; length.min(LINE_LIMIT)];
            self.stream.read_exact(&mut bytes).await?;
            whole.push_str(&before);
            whole.push('"');
            whole.push_str(
                &String::from_utf8_lossy(&bytes).replace('\\', "\\\\").replace('"', "\\\""),
            );
            whole.push('"');
        }
    }

    fn log(&self, command: &Command) -> String {
        let secret = matches!(command.name.as_str(), "LOGIN" | "AUTHENTICATE");
        let shown = if secret { String::new() } else { command.arguments.join(" ") };
        let line = format!("{} {shown}", command.name).trim_end().to_owned();
        self.shared.log.lock().unwrap_or_else(PoisonError::into_inner).push(line.clone());
        line
    }

    async fn command(&mut self, command: Command) -> io::Result<After> {
        let line = self.log(&command);
        let misbehaviour = (self.shared.script)(&self.user, &line);
        let (data, status) = match command.name.as_str() {
            "CAPABILITY" => (
                format!("* CAPABILITY {}\r\n", self.shared.capabilities).into_bytes(),
                "OK".to_owned(),
            ),
            // Who may tell of every folder tells of none: a script does.
            "NOOP" | "NOTIFY" => (Vec::new(), "OK".into()),
            "ENABLE" => (b"* ENABLED QRESYNC\r\n".to_vec(), "OK".into()),
            "LOGOUT" => {
                let bye = format!("* BYE\r\n{} OK\r\n", command.tag);
                self.send(bye.as_bytes()).await?;
                return Ok(After::Close);
            }
            "LOGIN" => {
                (Vec::new(), self.log_in(command.arguments.first(), command.arguments.get(1)))
            }
            "AUTHENTICATE" => {
                let response = match command.arguments.get(1) {
                    Some(response) => response.clone(),
                    None => {
                        self.send(b"+ \r\n").await?;
                        self.line().await?.unwrap_or_default()
                    }
                };
                (Vec::new(), self.authenticate(&response))
            }
            _ if self.mailbox.is_none() => (Vec::new(), "NO log in first".into()),
            "LIST" => (self.list(misbehaviour.as_ref()), "OK".into()),
            "EXAMINE" | "SELECT" => self.examine(&command, misbehaviour.as_ref()),
            "IDLE" if misbehaviour.is_none() => return self.idle(&command.tag).await,
            "STATUS" => self.status(&command),
            "UID FETCH" => self.fetch(&command, misbehaviour.as_ref()),
            "FETCH" => {
                let mut by_uid = command.clone();
                if let Some(set) = by_uid.arguments.first_mut() {
                    *set = self.uids_of(set);
                }
                self.fetch(&by_uid, misbehaviour.as_ref())
            }
            _ => {
                self.change(&command).unwrap_or_else(|| (Vec::new(), "BAD unknown command".into()))
            }
        };
        self.respond(&command.tag, data, &status, misbehaviour).await
    }

    fn log_in(&mut self, user: Option<&String>, password: Option<&String>) -> String {
        let known = user
            .and_then(|name| self.shared.users.get(name).filter(|u| Some(&u.password) == password));
        let Some(known) = known else {
            return "NO [AUTHENTICATIONFAILED] wrong user or password".into();
        };
        self.mailbox = Some(known.mailbox.clone());
        self.user = user.cloned().unwrap_or_default();
        "OK".into()
    }

    fn authenticate(&mut self, response: &str) -> String {
        let clear = STANDARD.decode(response).unwrap_or_default();
        let mut parts = clear.split(|b| *b == 0).map(|p| String::from_utf8_lossy(p).into_owned());
        let (_, user, password) = (parts.next(), parts.next(), parts.next());
        self.log_in(user.as_ref(), password.as_ref())
    }

    fn list(&self, misbehaviour: Option<&Misbehaviour>) -> Vec<u8> {
        let mut out = String::new();
        let Some(mailbox) =
            self.mailbox.as_ref().filter(|_| misbehaviour != Some(&Misbehaviour::EmptyList))
        else {
            return Vec::new();
        };
        for (n, (name, folder)) in mailbox.lock().iter().enumerate() {
            if matches!(misbehaviour, Some(Misbehaviour::LoseEvery(every)) if (n + 1) % every == 0)
            {
                continue;
            }
            let wire = utf7::encode(name).replace('\\', "\\\\").replace('"', "\\\"");
            out.push_str(&format!("* LIST ({}) \"/\" \"{wire}\"\r\n", folder.role));
        }
        out.into_bytes()
    }

    pub(crate) fn named(&self, wire: Option<&String>) -> Option<String> {
        let folders = self.mailbox.as_ref()?.lock();
        folders.keys().find(|name| Some(&utf7::encode(name)) == wire).cloned()
    }

    fn examine(
        &mut self,
        command: &Command,
        misbehaviour: Option<&Misbehaviour>,
    ) -> (Vec<u8>, String) {
        let before = self.folder.take().filter(|_| self.shared.capabilities.contains("QRESYNC"));
        self.folder = self.named(command.arguments.first());
        self.zero = misbehaviour == Some(&Misbehaviour::ZeroExists);
        let folders = self.mailbox.as_ref().map(|m| m.lock().clone()).unwrap_or_default();
        let Some(folder) = self.folder.as_ref().and_then(|name| folders.get(name)) else {
            return (Vec::new(), "NO [NONEXISTENT] no such mailbox".into());
        };
        let exists = match misbehaviour {
            Some(Misbehaviour::ZeroExists) => 0,
            Some(Misbehaviour::MoreExists(n)) => {
                folder.mail.len() + usize::try_from(*n).unwrap_or(0)
            }
            _ => folder.mail.len(),
        };
        let uidvalidity = if let Some(Misbehaviour::UidValidity(v)) = misbehaviour {
            *v
        } else {
            folder.uidvalidity
        };
        let uidnext =
            if let Some(Misbehaviour::UidNext(n)) = misbehaviour { *n } else { folder.uidnext };
        let closed = before.map_or("", |_| "* OK [CLOSED] the one before\r\n");
        let mut out = format!(
            "{closed}* FLAGS ()\r\n* {exists} EXISTS\r\n* 0 RECENT\r\n* OK [UIDVALIDITY {uidvalidity}]\r\n"
        );
        if misbehaviour != Some(&Misbehaviour::NoUidNext) {
            out.push_str(&format!("* OK [UIDNEXT {uidnext}] next\r\n"));
        }
        if self.shared.capabilities.contains("OBJECTID") {
            out.push_str(&format!("* OK [MAILBOXID (F{:x})] id\r\n", folder.id));
        }
        self.view = self.look();
        (
            out.into_bytes(),
            if command.name == "SELECT" {
                "OK [READ-WRITE]".into()
            } else {
                "OK [READ-ONLY]".into()
            },
        )
    }

    fn status(&self, command: &Command) -> (Vec<u8>, String) {
        let folders = self.mailbox.as_ref().map(|m| m.lock().clone()).unwrap_or_default();
        let name = self.named(command.arguments.first());
        let Some((name, folder)) = name.as_ref().and_then(|n| folders.get(n).map(|f| (n, f)))
        else {
            return (Vec::new(), "NO [NONEXISTENT] no such mailbox".into());
        };
        let counters = format!(
            "MESSAGES {} UIDNEXT {} UIDVALIDITY {}",
            folder.mail.len(),
            folder.uidnext,
            folder.uidvalidity
        );
        (format!("* STATUS \"{}\" ({counters})\r\n", utf7::encode(name)).into_bytes(), "OK".into())
    }

    /// The UIDs of messages by their numbers, as this connection has been told of them.
    fn uids_of(&self, set: &str) -> String {
        let last = u32::try_from(self.view.len()).unwrap_or(u32::MAX);
        let numbered = (1..).zip(&self.view);
        let held = numbered.filter(|(number, _)| fetch::holds(set, *number, last));
        held.map(|(_, (uid, _))| uid.to_string()).collect::<Vec<_>>().join(",")
    }

    fn fetch(
        &mut self,
        command: &Command,
        misbehaviour: Option<&Misbehaviour>,
    ) -> (Vec<u8>, String) {
        let mut out = Vec::new();
        let folders = self.mailbox.as_ref().map(Mailbox::lock);
        let folder = self.folder.as_ref().and_then(|name| folders.as_ref()?.get(name));
        let (Some(folder), [set, items, ..]) = (folder, command.arguments.as_slice()) else {
            return (out, "BAD no mailbox is open".into());
        };
        if !self.zero {
            self.cut = !fetch::lines(folder, set, items, misbehaviour, &mut out);
        }
        (out, "OK".into())
    }

    /// Sends data and status, or does what the script says instead.
    async fn respond(
        &mut self,
        tag: &str,
        data: Vec<u8>,
        status: &str,
        misbehaviour: Option<Misbehaviour>,
    ) -> io::Result<After> {
        let mut status = status.to_owned();
        match misbehaviour {
            Some(Misbehaviour::Close) => return Ok(After::Close),
            Some(Misbehaviour::CutInLiteral) => {
                self.send(data.get(..data.len() / 2).unwrap_or_default()).await?;
                return Ok(After::Close);
            }
            Some(Misbehaviour::Silence) => {
                // Until the client gives up.
                while self.line().await?.is_some() {}
                return Ok(After::Close);
            }
            Some(Misbehaviour::Delay(wait)) => tokio::time::sleep(wait).await,
            Some(Misbehaviour::Refuse(line)) => {
                self.send(format!("{tag} {line}\r\n").as_bytes()).await?;
                return Ok(After::Go);
            }
            Some(Misbehaviour::RefuseAfter(line)) => status = line,
            Some(Misbehaviour::Bye(text)) => {
                self.send(format!("* BYE {text}\r\n").as_bytes()).await?;
                return Ok(After::Close);
            }
            Some(Misbehaviour::Inject(bytes)) => self.send(&bytes).await?,
            Some(Misbehaviour::Flood(line, times)) => {
                let block = format!("{line}\r\n").repeat(times.min(1000));
                for _ in 0..times.div_ceil(1000) {
                    self.send(block.as_bytes()).await?;
                }
            }
            Some(Misbehaviour::CutAt(_)) if self.cut => {
                self.send(&data).await?;
                return Ok(After::Close);
            }
            Some(Misbehaviour::CutAfter(octets)) if self.sent + data.len() > octets => {
                self.send(data.get(..octets.saturating_sub(self.sent)).unwrap_or_default()).await?;
                return Ok(After::Close);
            }
            Some(Misbehaviour::CutAfter(_)) => self.sent += data.len(),
            Some(Misbehaviour::Announce(octets)) => {
                self.send(format!("* 1 FETCH (UID 1 BODY[] {{{octets}}}\r\n").as_bytes()).await?;
                return Ok(After::Close);
            }
            _ => {}
        }
        self.send(&data).await?;
        if !status.is_empty() {
            let done = if status.starts_with("OK") { " done" } else { "" };
            self.send(format!("{tag} {status}{done}\r\n").as_bytes()).await?;
        }
        Ok(After::Go)
    }
}
