//! From a connected stream to a logged-in session.

use crate::provider::Secret;
use crate::provider::imap::failure::{During, refusal};
use crate::provider::imap::session::Conn;
use crate::provider::imap::stream::{ImapEndpoint, Stream, late};
use crate::provider::imap::wire::quote::{Said, say};
use crate::provider::imap::wire::response::{Condition, Response, Told, capabilities_of};
use crate::provider::sink::NoSink;
use crate::telemetry::wire::WireLog;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use postrider_core::failure::{Class, Failure, Provenance, Reach, When};
use postrider_core::provider::server::Security;
use secrecy::{ExposeSecret, SecretString};

fn config(text: &str) -> Failure {
    Failure::new(Class::Config, Reach::Account, Provenance::Server, text).when(When::AfterChange)
}

/// Every form in which the password goes over the wire.
fn needles(secret: &Secret) -> Vec<SecretString> {
    let password = secret.password.expose_secret();
    let coded = STANDARD.encode(format!("\0{}\0{password}", secret.username));
    let alone = STANDARD.encode(password);
    let mut forms = vec![password.to_owned(), coded, alone.trim_end_matches('=').to_owned()];
    // The quoted form, without its quotes.
    if let Said::Quoted(quoted) = say(password.as_bytes()) {
        let inner = quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default();
        forms.push(String::from_utf8_lossy(inner).into_owned());
    }
    forms.retain(|form| !form.is_empty());
    forms.into_iter().map(SecretString::from).collect()
}

impl Conn {
    /// Connects, protects, logs in.
    ///
    /// # Errors
    /// Network and timeout (reach endpoint), auth, config, and whatever the server's words mean.
    pub(super) async fn open(
        endpoint: &ImapEndpoint,
        secret: &Secret,
        account: &str,
        wire: WireLog,
    ) -> Result<Self, Failure> {
        let mut conn = Self::greeted(endpoint, account, wire).await?;
        if endpoint.server.security == Security::StartTls {
            conn = conn.start_tls(endpoint).await?;
        }
        conn.keep_quiet_about(needles(secret));
        let deadline = endpoint.server.timeouts.login;
        let logged_in = tokio::time::timeout(deadline, conn.log_in(secret)).await;
        // The server is there: this login hangs, and nobody else's need.
        let alone = |_| Failure { reach: Reach::Session, ..late("logging in", deadline) };
        logged_in.map_err(alone)??;
        Ok(conn)
    }

    /// Connects, and hears the greeting.
    pub(super) async fn greeted(
        endpoint: &ImapEndpoint,
        account: &str,
        wire: WireLog,
    ) -> Result<Self, Failure> {
        let stream = endpoint.connect().await?;
        let mut conn = Self::new(stream, endpoint.server.timeouts, account.to_owned(), wire);
        let deadline = endpoint.server.timeouts.greeting;
        let greeted = tokio::time::timeout(deadline, conn.greeting()).await;
        // Who does not even greet is not there for anybody.
        let of_all = |e: Failure| match e.class {
            Class::Network | Class::Timeout => Failure { reach: Reach::Endpoint, ..e },
            _ => e,
        };
        // A port that waits for TLS says nothing either.
        let mute = match endpoint.server.security {
            Security::Implicit => "the greeting",
            Security::StartTls | Security::Plain => {
                "the greeting (is this a TLS port? then write tls = \"implicit\"): it"
            }
        };
        greeted.unwrap_or_else(|_| Err(late(mute, deadline))).map_err(of_all)?;
        Ok(conn)
    }

    async fn greeting(&mut self) -> Result<(), Failure> {
        loop {
            match self.next(None::<&mut NoSink>).await? {
                Response::Status(told) if told.status == Condition::Ok => {
                    self.learn(&told);
                    return Ok(());
                }
                // PREAUTH would let whoever stripped the TLS choose the mailbox.
                Response::Status(told) if told.status == Condition::Preauth => {
                    return Err(config("the server greets with PREAUTH, which is refused"));
                }
                Response::Status(told) => return Err(refusal(&told, During::Other)),
                _ => {}
            }
        }
    }

    pub(super) async fn start_tls(mut self, endpoint: &ImapEndpoint) -> Result<Self, Failure> {
        self.command("STARTTLS", During::Other).await.map_err(|e| match e.class {
            Class::Unknown => config("the server refuses STARTTLS"),
            _ => e,
        })?;
        if self.has_leftover() {
            return Err(config(
                "the server sent data before the TLS handshake: somebody is in between",
            ));
        }
        let (stream, timeouts, account, wire) = self.into_parts();
        let Stream::Plain(tcp) = stream else { return Err(Failure::bug("STARTTLS inside TLS")) };
        // Nothing that was learned in the clear counts.
        Ok(Self::new(endpoint.handshake(tcp).await?, timeouts, account, wire))
    }

    async fn log_in(&mut self, secret: &Secret) -> Result<(), Failure> {
        if self.capabilities.is_empty() {
            self.command("CAPABILITY", During::Other).await?;
        }
        let told = if self.has("AUTH=PLAIN") {
            self.authenticate_plain(secret).await?
        } else if self.takes_only_oauth() {
            return Err(config(
                "this server takes only OAuth2, which is not supported yet: give it an app password if it has them",
            ));
        } else if self.has("LOGINDISABLED") {
            return Err(config(
                "the server allows no login on this connection (LOGINDISABLED): use TLS",
            ));
        } else {
            self.login(secret).await?
        };
        if told.status != Condition::Ok {
            return Err(refusal(&told, During::Login));
        }
        // Capabilities differ after login, and only these count.
        self.capabilities.clear();
        self.learn(&told);
        if self.capabilities.is_empty() {
            self.command("CAPABILITY", During::Other).await?;
        }
        if self.has("ID") {
            let id = format!(
                "ID (\"name\" \"postrider\" \"version\" \"{}\")",
                env!("CARGO_PKG_VERSION")
            );
            match self.command(&id, During::Other).await {
                // A server that refuses ID is used without.
                Err(e) if e.class == Class::Unknown => {}
                other => other.map(|_| ())?,
            }
        }
        Ok(())
    }

    fn takes_only_oauth(&self) -> bool {
        let oauth = self.has("AUTH=XOAUTH2") || self.has("AUTH=OAUTHBEARER");
        oauth && !self.has("AUTH=PLAIN") && self.has("LOGINDISABLED")
    }

    fn learn(&mut self, told: &Told) {
        if let Some(capabilities) = told.code.as_deref().and_then(capabilities_of) {
            self.capabilities = capabilities;
        }
    }

    async fn authenticate_plain(&mut self, secret: &Secret) -> Result<Told, Failure> {
        let clear = format!("\0{}\0{}", secret.username, secret.password.expose_secret());
        let response = STANDARD.encode(clear);
        if self.has("SASL-IR") {
            let tag = self.send(format!("AUTHENTICATE PLAIN {response}").as_bytes(), true).await?;
            // A server that asks on after the whole answer is told that there is no more (RFC 3501
            // §6.2.2).
            return match self.continued(&tag).await? {
                Some(told) => Ok(told),
                None => {
                    self.write_line(b"*").await?;
                    self.tagged(&tag).await
                }
            };
        }
        let tag = self.send(b"AUTHENTICATE PLAIN", false).await?;
        if let Some(told) = self.continued(&tag).await? {
            return Ok(told);
        }
        self.write_line(response.as_bytes()).await?;
        self.tagged(&tag).await
    }

    async fn login(&mut self, secret: &Secret) -> Result<Told, Failure> {
        let mut line = b"LOGIN".to_vec();
        let mut tag = None;
        for word in [secret.username.as_str(), secret.password.expose_secret()] {
            line.push(b' ');
            match say(word.as_bytes()) {
                Said::Quoted(quoted) => line.extend_from_slice(&quoted),
                Said::Literal(bytes) => {
                    line.extend_from_slice(format!("{{{}}}", bytes.len()).as_bytes());
                    let sent = match tag.take() {
                        None => self.send(&line, true).await?,
                        Some(tag) => {
                            self.write_line(&line).await?;
                            tag
                        }
                    };
                    if let Some(told) = self.continued(&sent).await? {
                        return Ok(told);
                    }
                    tag = Some(sent);
                    line = bytes;
                }
            }
        }
        let tag = match tag {
            None => self.send(&line, true).await?,
            Some(tag) => {
                self.write_line(&line).await?;
                tag
            }
        };
        self.tagged(&tag).await
    }
}
