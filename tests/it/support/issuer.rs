//! An authorization server of the tests: one client, codes with PKCE, refresh tokens that rotate,
//! access tokens that the private Dovecot believes. What it is told to do, it does until told
//! otherwise.

use crate::support::pusher::openssl;
use crate::support::served::wait_until;
use crate::support::token::token;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as URL;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How it answers at its token endpoint.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Manner {
    /// As it should.
    Well,
    /// `invalid_grant`.
    Revoked,
    /// With this status and no OAuth2 answer.
    Status(u16),
    /// With 429 and a wait of so many seconds.
    TooMany(u64),
    /// With HTML and 200.
    Garbage,
    /// Not at all.
    Silent,
    /// As it should, a second late: it has rotated the token by then.
    Late,
    /// Refuses with this status, and repeats the request in every field.
    Echo(u16),
    /// As it should, but for these members of its answer.
    Odd(&'static str),
}

#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) manner: Manner,
    /// For how many seconds access tokens are said to be good.
    pub(crate) life: i64,
    /// For how many they are (the server believes them so long).
    pub(crate) truly: i64,
    /// Whose mailbox the human granted.
    pub(crate) mailbox: String,
    /// The refresh token that is good now.
    pub(crate) good: String,
    /// Refresh tokens as they were shown.
    pub(crate) shown: Vec<String>,
    /// Scopes that are said to be granted.
    pub(crate) scopes: Option<String>,
    /// What is answered to a device that asks for its tokens, in turn; then it gets them.
    pub(crate) device: Vec<&'static str>,
    /// The public key of the service account, PEM.
    pub(crate) service: String,
    /// Mailboxes that it may open.
    pub(crate) domain: Vec<&'static str>,
    /// For how many seconds a device's code is good.
    pub(crate) code_life: u64,
    number: u64,
    challenges: BTreeMap<String, String>,
}

/// The server; it ends with its value.
#[derive(Debug)]
pub(crate) struct IssuerServer {
    pub(crate) port: u16,
    pub(crate) told: Arc<Mutex<Told>>,
    /// Connections that were taken and are not over.
    serving: Arc<AtomicUsize>,
}

impl IssuerServer {
    pub(crate) fn start(mailbox: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let told = Arc::new(Mutex::new(Told {
            manner: Manner::Well,
            life: 3600,
            truly: 3600,
            mailbox: mailbox.to_owned(),
            good: String::new(),
            shown: Vec::new(),
            scopes: None,
            device: Vec::new(),
            service: String::new(),
            domain: Vec::new(),
            code_life: 60,
            number: 0,
            challenges: BTreeMap::new(),
        }));
        let (served, serving) = (Arc::clone(&told), Arc::new(AtomicUsize::new(0)));
        let counted = Arc::clone(&serving);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (Ok(stream), served) = (stream, Arc::clone(&served)) else { return };
                let counted = Arc::clone(&counted);
                counted.fetch_add(1, Ordering::SeqCst);
                std::thread::spawn(move || {
                    serve(stream, &served);
                    counted.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Self { port, told, serving }
    }

    /// Nothing is asked any more, nor lies in a connection whose other end was killed.
    pub(crate) fn settled(&self) {
        // Connections are taken in their order: behind this one is none.
        let mut last = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        last.shutdown(std::net::Shutdown::Write).unwrap();
        assert_eq!(last.read(&mut [0]).unwrap(), 0);
        wait_until("the issuer has answered", || self.serving.load(Ordering::SeqCst) == 0);
    }

    pub(crate) fn behave(&self, manner: Manner) {
        self.told.lock().unwrap().manner = manner;
    }

    /// `[oauth.google]`, the same as `[oauth.microsoft]`, and `[credentials]`; the key is in the environment, as `KEY`.
    pub(crate) fn config(&self) -> String {
        let port = self.port;
        format!(
            "[credentials]\nkey_env = \"KEY\"\n[oauth.google]\nclient_id = \"client\"\n\
             auth_url = \"http://127.0.0.1:{port}/auth\"\ntoken_url = \"http://127.0.0.1:{port}/token\"\nscopes = [\"mail\"]\n\
             [oauth.microsoft]\nclient_id = \"client\"\n\
             auth_url = \"http://127.0.0.1:{port}/auth\"\ntoken_url = \"http://127.0.0.1:{port}/token\"\nscopes = [\"mail\"]\n\
             device_url = \"http://127.0.0.1:{port}/device\"\n"
        )
    }

    /// What a browser does when the human agrees: returns the address that it ends at.
    pub(crate) fn agree(&self, url: &str) -> String {
        let asked = pairs(url.split_once('?').unwrap().1);
        assert_eq!(asked["code_challenge_method"], "S256");
        assert_eq!((asked["response_type"].as_str(), asked["scope"].as_str()), ("code", "mail"));
        let mut told = self.told.lock().unwrap();
        told.number += 1;
        let code = format!("code-{}", told.number);
        told.challenges.insert(code.clone(), asked["code_challenge"].clone());
        format!("{}?code={code}&state={}", asked["redirect_uri"], asked["state"])
    }
}

/// `a=b&c=d`, decoded.
pub(crate) fn pairs(text: &str) -> BTreeMap<String, String> {
    let pairs = oauth2::url::form_urlencoded::parse(text.as_bytes());
    pairs.map(|(key, value)| (key.into_owned(), value.into_owned())).collect()
}

fn serve(mut stream: TcpStream, told: &Mutex<Told>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let (mut line, mut length) = (String::new(), 0);
    if reader.fill_buf().is_ok_and(<[u8]>::is_empty) {
        return;
    }
    while reader.read_line(&mut line).unwrap_or(0) > 2 {
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        line.clear();
    }
    let mut body = vec![0; length];
    if reader.read_exact(&mut body).is_err() {
        return;
    }
    let late = told.lock().unwrap().manner == Manner::Late;
    let (status, extra, body) = answer(&String::from_utf8(body).unwrap(), told);
    if late {
        std::thread::sleep(Duration::from_secs(1));
    }
    if status == 0 {
        std::thread::sleep(Duration::from_secs(60));
        return;
    }
    let head = format!(
        "HTTP/1.1 {status} x\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n{extra}\r\n",
        body.len()
    );
    drop(stream.write_all((head + &body).as_bytes()));
}

/// What a service account signs, as Google checks it.
fn asserted(assertion: &str, told: &mut Told) -> (u16, String, String) {
    use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
    #[derive(serde::Deserialize)]
    struct Claims {
        iss: String,
        /// None: for what is the service account's own.
        sub: Option<String>,
        aud: String,
        scope: String,
        iat: u64,
        exp: u64,
    }
    let mut rules = Validation::new(Algorithm::RS256);
    rules.validate_aud = false;
    let key = DecodingKey::from_rsa_pem(told.service.as_bytes()).unwrap();
    let error = |word: &str| (400, String::new(), format!(r#"{{"error":"{word}"}}"#));
    let Ok(read) = decode::<Claims>(assertion, &key, &rules) else { return error("invalid_grant") };
    let Claims { iss, sub, aud, scope, iat, exp } = read.claims;
    let wants = if sub.is_some() { "mail" } else { "https://www.googleapis.com/auth/pubsub" };
    assert_eq!((iss.as_str(), scope.as_str(), exp - iat), ("robot@example.org", wants, 3600));
    assert!(aud.ends_with("/token") && read.header.kid.as_deref() == Some("k1"));
    if sub.as_ref().is_some_and(|sub| !told.domain.contains(&sub.as_str())) {
        return error("unauthorized_client");
    }
    let sub = sub.unwrap_or(iss);
    told.number += 1;
    let issued = serde_json::json!({
        "access_token": token(&sub, told.truly), "token_type": "Bearer", "expires_in": told.life,
    });
    (200, String::new(), issued.to_string())
}

/// A refusal that repeats what was sent: as it came, decoded, and coded anew.
fn echo(body: &str, asked: &BTreeMap<String, String>) -> String {
    let coded = asked.values().map(|value| base64::engine::general_purpose::STANDARD.encode(value));
    let said = format!("cannot read {body} {:?} {:?}", asked, coded.collect::<Vec<_>>());
    serde_json::json!({ "error": format!("odd {body}"), "error_description": said }).to_string()
}

impl IssuerServer {
    /// The key of a service account, as a file has it; what it signs is believed from now on.
    pub(crate) fn robot(&self) -> serde_json::Value {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("key.pem").to_str().unwrap().to_owned();
        openssl(&["genrsa", "-out", &file, "2048"]);
        let public = openssl(&["rsa", "-in", &file, "-pubout"]);
        self.told.lock().unwrap().service = String::from_utf8(public).unwrap();
        serde_json::json!({
            "type": "service_account", "client_email": "robot@example.org", "private_key_id": "k1",
            "private_key": std::fs::read_to_string(&file).unwrap(),
            "token_uri": format!("http://127.0.0.1:{}/token", self.port),
        })
    }

    /// Tokens that were issued.
    pub(crate) fn issued(&self) -> u64 {
        self.told.lock().unwrap().number
    }
}

fn answer(body: &str, told: &Mutex<Told>) -> (u16, String, String) {
    let asked = pairs(body);
    let mut told = told.lock().unwrap();
    let error = |word: &str| (400, String::new(), format!(r#"{{"error":"{word}"}}"#));
    if let Some(token) = asked.get("refresh_token") {
        told.shown.push(token.clone());
    }
    match told.manner.clone() {
        Manner::Well | Manner::Late | Manner::Odd(_) => {}
        Manner::Echo(status) => return (status, String::new(), echo(body, &asked)),
        Manner::Revoked => return error("invalid_grant"),
        Manner::Status(status) => return (status, String::new(), String::new()),
        Manner::TooMany(seconds) => {
            return (429, format!("Retry-After: {seconds}\r\n"), String::new());
        }
        Manner::Garbage => return (200, String::new(), "<html>welcome</html>".into()),
        Manner::Silent => return (0, String::new(), String::new()),
    }
    if let Some(assertion) = asked.get("assertion") {
        return asserted(assertion, &mut told);
    }
    if asked.get("client_id").map(String::as_str) != Some("client") {
        return error("invalid_client");
    }
    let Some(grant) = asked.get("grant_type") else {
        // Only a device that begins a grant asks without one.
        assert_eq!(asked["scope"], "mail");
        let begun = serde_json::json!({
            "device_code": "a-device", "user_code": "ABCD-EFGH", "verification_uri": "https://example.org/device",
            "expires_in": told.code_life, "interval": 1,
        });
        return (200, String::new(), begun.to_string());
    };
    match grant.as_str() {
        "urn:ietf:params:oauth:grant-type:device_code" => {
            if asked["device_code"] != "a-device" {
                return error("bad_verification_code");
            }
            if !told.device.is_empty() {
                return error(told.device.remove(0));
            }
        }
        "authorization_code" => {
            let hash = URL.encode(Sha256::digest(&asked["code_verifier"]));
            if told.challenges.remove(&asked["code"]) != Some(hash) {
                return error("invalid_grant");
            }
        }
        _ if asked["refresh_token"] != told.good => return error("invalid_grant"),
        _ => {}
    }
    told.number += 1;
    told.good = format!("refresh-secret-{}", told.number);
    let id = URL.encode(format!(r#"{{"email":"{}"}}"#, told.mailbox));
    let mut issued = serde_json::json!({
        "access_token": token(&told.mailbox, told.truly), "token_type": "Bearer", "expires_in": told.life,
        "refresh_token": told.good, "id_token": format!("e30.{id}.x"),
    });
    if let Some(scopes) = &told.scopes {
        issued["scope"] = scopes.clone().into();
    }
    if let Manner::Odd(members) = told.manner {
        let members: serde_json::Map<_, _> = serde_json::from_str(members).unwrap();
        for (key, value) in members {
            issued[key] = value;
        }
    }
    (200, String::new(), issued.to_string())
}
