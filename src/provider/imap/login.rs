//! From a connected stream to a logged-in session.

pub(super) mod bearer;
pub(super) mod distrust;
pub(super) mod mechanisms;
pub(super) mod offered;
pub(super) mod scram;

use crate::provider::imap::conn::{Conn, Reply};
use crate::provider::imap::failure::{During, refusal};
use crate::provider::imap::link::Link;
use crate::provider::imap::link::stream::{ImapEndpoint, Stream, late};
use crate::provider::imap::login::bearer::{Mechanism, Word};
use crate::provider::imap::login::distrust::{distrusted, view};
use crate::provider::imap::login::scram::{SCRAM, Scram};
use crate::provider::imap::wire::quote::{Said, say};
use crate::provider::imap::wire::response::{Condition, Response, Told, capabilities_of};
use crate::provider::sink::NoSink;
use crate::provider::{Login, Secret};
use crate::telemetry::wire::WireLog;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use postrider_core::failure::{Class, Failure, Provenance, Reach, When};
use postrider_core::provider::server::Security;
use secrecy::{ExposeSecret, SecretString};
use std::sync::atomic::Ordering;

fn config(text: &str) -> Failure {
    Failure::new(Class::Config, Reach::Account, Provenance::Server, text).when(When::AfterChange)
}

/// Why nobody is logged in.
#[derive(Debug)]
pub(super) struct Unopened {
    pub(super) failure: Failure,
    /// The token was refused as if its time were over: another one may do.
    pub(super) may_be_over: bool,
    /// A proof of the password was refused, which says little of the password: it is shown otherwise.
    otherwise: bool,
}

impl From<Failure> for Unopened {
    fn from(failure: Failure) -> Self {
        Self { failure, may_be_over: false, otherwise: false }
    }
}

/// What a mechanism shows first, as it goes over the wire.
fn response(mechanism: Mechanism, login: &Login, token: &str, endpoint: &ImapEndpoint) -> String {
    let server = &endpoint.server;
    STANDARD.encode(mechanism.response(&login.username, token, &server.host, server.port))
}

/// Connects, protects, logs in.
///
/// # Errors
/// Network and timeout (reach endpoint), auth, config, and whatever the server's words mean.
pub(super) async fn open(
    endpoint: &ImapEndpoint,
    login: &Login,
    account: &str,
    wire: WireLog,
) -> Result<Conn, Unopened> {
    match open_once(endpoint, login, account, wire.clone()).await {
        // It is asked once more before that counts, on another session.
        Err(unopened) if unopened.otherwise => open_once(endpoint, login, account, wire).await,
        opened => opened,
    }
}

async fn open_once(
    endpoint: &ImapEndpoint,
    login: &Login,
    account: &str,
    wire: WireLog,
) -> Result<Conn, Unopened> {
    let mut conn = greeted(endpoint, account, wire).await?;
    if endpoint.server.security == Security::StartTls {
        conn = start_tls(conn, endpoint).await?;
    }
    let host = &endpoint.server.host;
    conn.offered.distrust(&distrusted(host));
    let deadline = endpoint.server.timeouts.login;
    let logging_in = async {
        log_in(&mut conn, login, endpoint).await?;
        let view = view(host, conn.has("X-GM-EXT-1"));
        conn.offered.shows(view);
        if endpoint.server.compress { Ok(compress(conn).await?) } else { Ok(conn) }
    };
    let logged_in = tokio::time::timeout(deadline, logging_in).await;
    // The server is there: this login hangs, and nobody else's need.
    let alone = |_| Failure { reach: Reach::Session, ..late("logging in", deadline) };
    logged_in.map_err(alone)?
}

/// Connects, and hears the greeting.
pub(super) async fn greeted(
    endpoint: &ImapEndpoint,
    account: &str,
    wire: WireLog,
) -> Result<Conn, Failure> {
    let stream = endpoint.connect().await?;
    let timeouts = endpoint.server.timeouts;
    let mut conn = Conn::new(Link::new(stream, timeouts, account.to_owned(), wire));
    let deadline = endpoint.server.timeouts.greeting;
    let greeted = tokio::time::timeout(deadline, greeting(&mut conn)).await;
    // Who does not even greet is not there for anybody.
    let of_all = |e: Failure| match e.class {
        Class::Network | Class::Timeout => Failure { reach: Reach::Endpoint, ..e },
        _ => e,
    };
    // A port that waits for TLS says nothing either.
    let mute = match endpoint.server.security {
        Security::StartTls | Security::Plain if !endpoint.greeted.load(Ordering::Relaxed) => {
            "the greeting (is this a TLS port? then write tls = \"implicit\"): it"
        }
        _ => "the greeting",
    };
    greeted.unwrap_or_else(|_| Err(late(mute, deadline))).map_err(of_all)?;
    endpoint.greeted.store(true, Ordering::Relaxed);
    Ok(conn)
}

async fn greeting(conn: &mut Conn) -> Result<(), Failure> {
    loop {
        match conn.next(None::<&mut NoSink>).await? {
            Response::Status(told) if told.status == Condition::Ok => {
                learn(conn, &told);
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

pub(super) async fn start_tls(mut conn: Conn, endpoint: &ImapEndpoint) -> Result<Conn, Failure> {
    conn.command("STARTTLS", During::Other).await.map_err(|e| match e.class {
        Class::Unknown => {
            config("the server refuses STARTTLS: write tls = \"implicit\" and its TLS port (993)")
        }
        _ => e,
    })?;
    if conn.link().has_leftover() {
        return Err(config(
            "the server sent data before the TLS handshake: somebody is in between",
        ));
    }
    let (stream, timeouts, account, wire) = conn.into_link().into_parts();
    let Stream::Plain(tcp) = stream else { return Err(Failure::bug("STARTTLS inside TLS")) };
    // Nothing that was learned in the clear counts.
    Ok(Conn::new(Link::new(endpoint.handshake(tcp).await?, timeouts, account, wire)))
}

/// RFC 4978, where the server knows it. A server that refuses is heard as it is.
async fn compress(mut conn: Conn) -> Result<Conn, Failure> {
    let mut why = "the server does not offer it";
    if conn.has("COMPRESS=DEFLATE") {
        let tag = conn.send(b"COMPRESS DEFLATE", false).await?;
        let told = conn.tagged(&tag).await?;
        if told.status == Condition::Ok {
            return Ok(conn.deflated());
        }
        why = "the server refuses it";
    }
    tracing::info!("compress = true, but what comes is not compressed: {why}");
    Ok(conn)
}

async fn log_in(conn: &mut Conn, login: &Login, endpoint: &ImapEndpoint) -> Result<(), Unopened> {
    if conn.offered.is_unknown() {
        conn.command("CAPABILITY", During::Other).await?;
    }
    let told = match &login.secret {
        Secret::Password(password) => show_password(conn, login, password, endpoint).await?,
        Secret::Token(token) => show_token(conn, login, token, endpoint).await?,
    };
    if told.status != Condition::Ok {
        let mut failure = refusal(&told, During::Login);
        let takes_tokens = Mechanism::of(|word| conn.has(word)).is_some();
        if failure.class == Class::Auth
            && takes_tokens
            && matches!(login.secret, Secret::Password(_))
        {
            let advice =
                "it offers OAuth2 logins: where it takes no passwords, write access_token_file";
            failure.text = format!("{}; {advice}", failure.text).into();
        }
        return Err(failure.into());
    }
    // Capabilities differ after login, and only these count.
    conn.offered.learn(Vec::new());
    learn(conn, &told);
    if conn.offered.is_unknown() {
        conn.command("CAPABILITY", During::Other).await?;
    }
    if conn.has("ID") {
        let id =
            format!("ID (\"name\" \"postrider\" \"version\" \"{}\")", env!("CARGO_PKG_VERSION"));
        match conn.command(&id, During::Other).await {
            // A server that refuses ID is used without.
            Err(e) if e.class == Class::Unknown => {}
            other => other.map(|_| ())?,
        }
    }
    Ok(())
}

async fn show_password(
    conn: &mut Conn,
    login: &Login,
    password: &SecretString,
    endpoint: &ImapEndpoint,
) -> Result<Told, Unopened> {
    let (username, mark) = (login.username.as_str(), login.mark.as_str());
    // The password is shown to nobody who can do without.
    let is_plain = username.is_ascii() && password.expose_secret().is_ascii();
    if conn.has("AUTH=SCRAM-SHA-256")
        && (is_plain || !conn.has("AUTH=PLAIN"))
        && (endpoint.mechanisms.may_prove(mark) || !takes_passwords(conn))
    {
        let (told, is_challenged) = authenticate_scram(conn, username, password).await?;
        if told.status == Condition::Ok || !takes_passwords(conn) {
            return Ok(told);
        }
        // It may know only another form of this password.
        let (failure, is_safe) = (refusal(&told, During::Login), endpoint.is_protected());
        let is_auth = failure.class == Class::Auth;
        if is_auth && is_safe {
            endpoint.mechanisms.refused(mark, None);
        }
        if is_challenged {
            let otherwise = is_auth && is_safe;
            return if otherwise {
                Err(Unopened { otherwise, ..failure.into() })
            } else {
                Ok(told)
            };
        }
    }
    if conn.has("AUTH=PLAIN") {
        Ok(authenticate_plain(conn, username, password).await?)
    } else if conn.has("LOGINDISABLED") && Mechanism::of(|word| conn.has(word)).is_some() {
        Err(config(
            "this server takes only OAuth2 logins: write access_token_file instead of the password, or give it an app \
             password if it has them",
        )
        .into())
    } else if conn.has("LOGINDISABLED") {
        let text = "the server allows no login on this connection (LOGINDISABLED): use TLS";
        Err(config(text).into())
    } else {
        Ok(login_plainly(conn, username, password).await?)
    }
}

/// Whether it can be shown the password itself.
fn takes_passwords(conn: &Conn) -> bool {
    conn.has("AUTH=PLAIN") || !conn.has("LOGINDISABLED")
}

/// XOAUTH2 or OAUTHBEARER. A server that refuses a token says why in a challenge of its own,
/// and waits for an answer to it.
async fn show_token(
    conn: &mut Conn,
    login: &Login,
    token: &SecretString,
    endpoint: &ImapEndpoint,
) -> Result<Told, Unopened> {
    let Some(mechanism) = Mechanism::of(|word| conn.has(word)) else {
        return Err(config(
            "the server offers neither XOAUTH2 nor OAUTHBEARER: write password_file instead of access_token_file",
        )
        .into());
    };
    let response = response(mechanism, login, token.expose_secret(), endpoint);
    let begin = format!("AUTHENTICATE {}", mechanism.word());
    let tag = if conn.has("SASL-IR") {
        conn.send(format!("{begin} {response}").as_bytes(), true).await?
    } else {
        let tag = conn.send(begin.as_bytes(), false).await?;
        if let Some(told) = conn.continued(&tag).await? {
            return Ok(told);
        }
        conn.write_line(response.as_bytes()).await?;
        tag
    };
    let mut word = Word::Nothing;
    let told = loop {
        match conn.reply(&tag).await? {
            Reply::Over(told) => break told,
            Reply::More(challenge) if word == Word::Nothing => {
                word = bearer::read(&challenge);
                conn.write_line(mechanism.farewell()).await?;
            }
            Reply::More(_) => conn.write_line(b"*").await?,
        }
    };
    let failure = refusal(&told, During::Login);
    // What the server says of itself in plain words counts more than what it says of a token.
    if told.status != Condition::No || failure.class != Class::Auth {
        return Ok(told);
    }
    let (text, may_be_over) = word.judged();
    let text = format!("{text}: {}", failure.text).into();
    let failure = Failure { text, ..failure };
    Err(Unopened { failure, may_be_over, otherwise: false })
}

fn learn(conn: &mut Conn, told: &Told) {
    if let Some(capabilities) = told.code.as_deref().and_then(capabilities_of) {
        conn.offered.learn(capabilities);
    }
}

/// What the server says to SCRAM; and whether it has challenged before.
async fn authenticate_scram(
    conn: &mut Conn,
    username: &str,
    password: &SecretString,
) -> Result<(Told, bool), Failure> {
    let mut scram = Scram::begin(username, password)?;
    let first = scram.answer(None)?;
    let begin = format!("AUTHENTICATE {SCRAM}");
    let (tag, over) = if conn.has("SASL-IR") {
        (conn.send(format!("{begin} {first}").as_bytes(), true).await?, None)
    } else {
        let tag = conn.send(begin.as_bytes(), false).await?;
        let over = conn.continued(&tag).await?;
        if over.is_none() {
            conn.write_line(first.as_bytes()).await?;
        }
        (tag, over)
    };
    let mut is_challenged = false;
    let told = loop {
        if let Some(told) = over {
            break told;
        }
        match conn.reply(&tag).await? {
            Reply::Over(told) => break told,
            Reply::More(_) if scram.is_proved => conn.write_line(b"*").await?,
            Reply::More(challenge) => {
                is_challenged = true;
                let answer = scram.answer(Some(&challenge))?;
                conn.write_line(answer.as_bytes()).await?;
            }
        }
    };
    if told.status == Condition::Ok && !scram.is_proved {
        let text = "the server accepts the login and does not prove that it knows the password";
        return Err(Failure::new(Class::Auth, Reach::Account, Provenance::Inferred, text));
    }
    Ok((told, is_challenged))
}

async fn authenticate_plain(
    conn: &mut Conn,
    username: &str,
    password: &SecretString,
) -> Result<Told, Failure> {
    let clear = format!("\0{username}\0{}", password.expose_secret());
    let response = STANDARD.encode(clear);
    if conn.has("SASL-IR") {
        let tag = conn.send(format!("AUTHENTICATE PLAIN {response}").as_bytes(), true).await?;
        // A server that asks on after the whole answer is told that there is no more (RFC 3501
        // §6.2.2).
        return match conn.continued(&tag).await? {
            Some(told) => Ok(told),
            None => {
                conn.write_line(b"*").await?;
                conn.tagged(&tag).await
            }
        };
    }
    let tag = conn.send(b"AUTHENTICATE PLAIN", false).await?;
    if let Some(told) = conn.continued(&tag).await? {
        return Ok(told);
    }
    conn.write_line(response.as_bytes()).await?;
    conn.tagged(&tag).await
}

async fn login_plainly(
    conn: &mut Conn,
    username: &str,
    password: &SecretString,
) -> Result<Told, Failure> {
    let mut line = b"LOGIN".to_vec();
    let mut tag = None;
    for word in [username, password.expose_secret()] {
        line.push(b' ');
        match say(word.as_bytes()) {
            Said::Quoted(quoted) => line.extend_from_slice(&quoted),
            Said::Literal(bytes) => {
                line.extend_from_slice(format!("{{{}}}", bytes.len()).as_bytes());
                let sent = match tag.take() {
                    None => conn.send(&line, true).await?,
                    Some(tag) => {
                        conn.write_line(&line).await?;
                        tag
                    }
                };
                if let Some(told) = conn.continued(&sent).await? {
                    return Ok(told);
                }
                tag = Some(sent);
                line = bytes;
            }
        }
    }
    let tag = match tag {
        None => conn.send(&line, true).await?,
        Some(tag) => {
            conn.write_line(&line).await?;
            tag
        }
    };
    conn.tagged(&tag).await
}
