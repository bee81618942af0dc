//! Tokens by which a pusher shows who it is (OpenID Connect Core §2, RS256 alone), and the keys that they are signed with
//! (RFC 7517).

use crate::clock::Clock;
use crate::http;
use crate::provider::push::PushRefusal;
use jsonwebtoken::jwk::{AlgorithmParameters, Jwk, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, errors::ErrorKind};
use postrider_core::failure::{Class, Failure, Provenance, Reach, When};
use postrider_core::provider::server::SignedPush;
use postrider_core::time::Micros;
use reqwest::header::{AUTHORIZATION, CACHE_CONTROL, HeaderMap};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// Clocks may differ by so much.
const LEEWAY: Duration = Duration::from_secs(60);
/// Keys are kept for as long as their server says, within these.
const KEPT: [Duration; 2] = [Duration::from_secs(3600), Duration::from_secs(24 * 3600)];
/// They are asked for no sooner again, whoever shows one that is not among them.
const AGAIN: Duration = Duration::from_secs(60);
/// An answer with keys takes no longer.
const ASKED: Duration = Duration::from_secs(4);
/// Octets of it, and how many keys may be in it.
const OCTETS: usize = 64 * 1024;
const KEYS: usize = 64;

/// What a token says.
#[derive(Deserialize)]
struct Claims {
    email: String,
    #[serde(default)]
    email_verified: bool,
    exp: u64,
    iat: u64,
}

/// Looks at tokens.
#[derive(Debug)]
pub(super) struct SignedTokens {
    place: SignedPush,
    issuers: &'static [&'static str],
    ring: Arc<KeyRing>,
}

/// The keys, and where they are shown.
#[derive(Debug)]
struct KeyRing {
    certs: String,
    http: reqwest::Client,
    clock: Clock,
    keys: Mutex<Keys>,
    /// Rises when an answer has come.
    heard: watch::Sender<u64>,
}

/// The keys are being asked for: however that ends, it is heard.
struct OpenQuestion(Arc<KeyRing>);

impl Drop for OpenQuestion {
    fn drop(&mut self) {
        let mut keys = self.0.lock();
        if std::mem::take(&mut keys.open) {
            keys.failed = Some(failed("the question was dropped"));
        }
        drop(keys);
        self.0.heard.send_modify(|n| *n += 1);
    }
}

/// The keys that are known, and when they are asked for again.
#[derive(Default)]
struct Keys {
    known: BTreeMap<String, DecodingKey>,
    /// They are good until then, and may be believed until then where no others can be had.
    until: [Duration; 2],
    asked: Option<Duration>,
    /// They are being asked for.
    open: bool,
    /// Why the last answer brought none.
    failed: Option<String>,
}

/// Keys by name, and for how long they are good.
type ShownKeys = (BTreeMap<String, DecodingKey>, Duration);

impl Keys {
    /// Whether they are to be asked for before this one is looked for.
    fn wants(&mut self, kid: &str, now: Duration) -> bool {
        let due = !self.open && self.asked.is_none_or(|asked| now >= asked + AGAIN);
        let wants = due && self.fresh(kid, now).is_none();
        if wants {
            (self.asked, self.open) = (Some(now), true);
        }
        wants
    }

    fn fresh(&self, kid: &str, now: Duration) -> Option<&DecodingKey> {
        let [fresh, _] = self.until;
        self.known.get(kid).filter(|_| now < fresh)
    }

    fn came(&mut self, answer: Result<ShownKeys, String>, now: Duration) {
        let [least, most] = KEPT;
        self.open = false;
        match answer {
            Ok((known, life)) => {
                self.until = [now + life.clamp(least, most), now + most];
                (self.known, self.failed) = (known, None);
            }
            Err(why) => self.failed = Some(why),
        }
    }

    /// The one of this name.
    fn of(&self, kid: &str, now: Duration) -> Result<DecodingKey, PushRefusal> {
        let [_, last] = self.until;
        let stale = || self.known.get(kid).filter(|_| self.failed.is_some() && now < last);
        match (self.fresh(kid, now).or_else(stale), &self.failed) {
            (Some(key), _) => Ok(key.clone()),
            // It may be among those that are on their way.
            (None, _) if self.open => Err(PushRefusal::Unjudged(failed("no answer yet").into())),
            (None, Some(why)) => Err(PushRefusal::Unjudged(why.as_str().into())),
            (None, None) => {
                Err(PushRefusal::Unsigned("its token is signed with a key that is not shown"))
            }
        }
    }
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keys").field("known", &self.known.len()).finish_non_exhaustive()
    }
}

impl SignedTokens {
    /// Those that this place signs, in the name of one of these issuers.
    ///
    /// # Errors
    /// Class config when no HTTP client can be made.
    pub(super) fn of(
        place: SignedPush,
        issuers: &'static [&'static str],
        clock: Clock,
    ) -> Result<Self, Failure> {
        let mut builder = http::builder(ASKED).timeout(ASKED);
        if place.certs.starts_with("http://") {
            builder = builder.no_proxy();
        }
        let http = builder.build().map_err(|e| {
            let text = "no HTTPS: the TLS roots cannot be had";
            Failure::new(Class::Config, Reach::Process, Provenance::Local, text)
                .when(When::AfterChange)
                .caused_by(e)
        })?;
        let (certs, heard) = (place.certs.clone(), watch::Sender::new(0));
        let ring = Arc::new(KeyRing { certs, http, clock, keys: Mutex::default(), heard });
        Ok(Self { place, issuers, ring })
    }

    /// Whether a head bears a token of who is to push.
    ///
    /// # Errors
    /// [`PushRefusal::Unsigned`], [`PushRefusal::Unjudged`].
    ///
    /// # Cancel safety
    /// A question for keys goes on, for whoever comes next.
    pub(super) async fn verify(&self, head: &HeaderMap) -> Result<(), PushRefusal> {
        let unsigned = |text| Err(PushRefusal::Unsigned(text));
        let bearer = head.get(AUTHORIZATION).and_then(|value| value.to_str().ok()?.split_once(' '));
        let Some((scheme, token)) = bearer else { return unsigned("it bears no token") };
        if !scheme.eq_ignore_ascii_case("bearer") {
            return unsigned("it bears no token");
        }
        let Ok(header) = jsonwebtoken::decode_header(token.trim()) else {
            return unsigned("its token is none (RFC 7519)");
        };
        // Whoever could choose could choose `none`, or the public key as a password.
        if header.alg != Algorithm::RS256 {
            return unsigned("its token is signed by another algorithm than RS256");
        }
        let Some(kid) = header.kid else { return unsigned("its token does not name its key") };
        let key = self.ring.key(&kid).await?;
        let claims = match jsonwebtoken::decode::<Claims>(token.trim(), &key, &self.validation()) {
            Ok(token) => token.claims,
            Err(e) => {
                return unsigned(match e.kind() {
                    ErrorKind::InvalidAudience => "its token is for another audience",
                    ErrorKind::InvalidIssuer => "its token is of another issuer",
                    ErrorKind::InvalidSignature => "the signature of its token is wrong",
                    _ => "its token lacks what it must say",
                });
            }
        };
        let now = seconds(self.ring.clock.now().wall);
        if claims.exp.saturating_add(LEEWAY.as_secs()) < now {
            return unsigned("its token has expired");
        }
        if claims.iat > now.saturating_add(LEEWAY.as_secs()) {
            return unsigned(
                "its token is of a time that has not come: see whether the clock here is right",
            );
        }
        if !claims.email_verified || !claims.email.eq_ignore_ascii_case(&self.place.signer) {
            return unsigned("its token is of another service account");
        }
        Ok(())
    }

    fn validation(&self) -> Validation {
        let mut validation = Validation::new(Algorithm::RS256);
        validation.set_required_spec_claims(&["exp", "aud", "iss"]);
        validation.set_audience(&[&self.place.audience]);
        validation.set_issuer(self.issuers);
        // By our own clock.
        validation.validate_exp = false;
        validation
    }
}

impl KeyRing {
    fn lock(&self) -> MutexGuard<'_, Keys> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The key of this name. Whoever shows one that is known waits for nothing: a question for others is open beside.
    #[expect(
        clippy::disallowed_methods,
        reason = "who asked may hang up, and the answer is for all"
    )]
    async fn key(self: &Arc<Self>, kid: &str) -> Result<DecodingKey, PushRefusal> {
        let now = self.clock.now().mono;
        let (wants, mut heard) = {
            let mut keys = self.lock();
            if let Some(key) = keys.fresh(kid, now) {
                return Ok(key.clone());
            }
            (keys.wants(kid, now), keys.open.then(|| self.heard.subscribe()))
        };
        if wants {
            let question = OpenQuestion(Arc::clone(self));
            tokio::spawn(async move {
                let answer = question.0.ask().await;
                if let Err(why) = &answer {
                    tracing::warn!("{why}");
                }
                question.0.lock().came(answer, now);
                drop(question);
            });
        }
        if let Some(heard) = &mut heard {
            // Who has waited so long is told that it is not known.
            drop(tokio::time::timeout(ASKED, heard.changed()).await);
        }
        self.lock().of(kid, self.clock.now().mono)
    }

    /// The keys as they are shown now, and for how long they are good.
    async fn ask(&self) -> Result<ShownKeys, String> {
        let asked = async {
            let mut answer = self.http.get(&self.certs).send().await.map_err(|e| {
                failed(if e.is_timeout() { "no answer" } else { "it cannot be reached" })
            })?;
            if !answer.status().is_success() {
                return Err(failed(&format!("it answers {}", answer.status().as_u16())));
            }
            let life =
                answer.headers().get(CACHE_CONTROL).and_then(|value| max_age(value.to_str().ok()?));
            let mut octets = Vec::new();
            while let Some(piece) = answer.chunk().await.map_err(|_| failed("it is cut off"))? {
                octets.extend_from_slice(&piece);
                if octets.len() > OCTETS {
                    return Err(failed("it answers with too much"));
                }
            }
            let known = shown(&octets).ok_or_else(|| failed("it shows no key"))?;
            Ok((known, life.unwrap_or_default()))
        };
        tokio::time::timeout(ASKED, asked).await.unwrap_or_else(|_| Err(failed("no answer")))
    }
}

/// Never where: what is written there may hold a secret.
fn failed(why: &str) -> String {
    format!("the keys that tokens are signed with cannot be had: {why}")
}

/// RSA keys for signatures, by name; what is none of these is passed over.
fn shown(octets: &[u8]) -> Option<BTreeMap<String, DecodingKey>> {
    #[derive(Deserialize)]
    struct Shown {
        keys: Vec<serde_json::Value>,
    }
    let shown: Shown = serde_json::from_slice(octets).ok()?;
    let key = |value| {
        let jwk: Jwk = serde_json::from_value(value).ok()?;
        let signs = matches!(jwk.common.public_key_use, None | Some(PublicKeyUse::Signature));
        let is_rsa = matches!(jwk.algorithm, AlgorithmParameters::RSA(_))
            && matches!(jwk.common.key_algorithm, None | Some(KeyAlgorithm::RS256));
        let key = DecodingKey::from_jwk(&jwk).ok().filter(|_| signs && is_rsa)?;
        Some((jwk.common.key_id?, key))
    };
    let known: BTreeMap<_, _> = shown.keys.into_iter().take(KEYS).filter_map(key).collect();
    (!known.is_empty()).then_some(known)
}

/// `max-age` of a Cache-Control (RFC 9111 §5.2).
fn max_age(text: &str) -> Option<Duration> {
    let mut words = text.split(',').filter_map(|word| word.trim().split_once('='));
    let (_, seconds) = words.find(|(name, _)| name.eq_ignore_ascii_case("max-age"))?;
    seconds.trim_matches('"').parse().ok().map(Duration::from_secs)
}

fn seconds(at: Micros) -> u64 {
    u64::try_from(at.0.div_euclid(1_000_000)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);
    const HOUR: Duration = Duration::from_secs(3600);

    fn keys(kids: &[&str]) -> BTreeMap<String, DecodingKey> {
        let key = |kid: &&str| {
            format!(
                r#"{{"kty":"RSA","use":"sig","alg":"RS256","kid":"{kid}","n":"AQAB","e":"AQAB"}}"#
            )
        };
        let all: Vec<String> = kids.iter().map(key).collect();
        shown(format!(r#"{{"keys":[{}]}}"#, all.join(",")).as_bytes()).unwrap()
    }

    fn is_shown(keys: &Keys, kid: &str, now: Duration) -> Option<bool> {
        match keys.of(kid, now) {
            Ok(_) => Some(true),
            Err(PushRefusal::Unsigned(_)) => Some(false),
            Err(_) => None,
        }
    }

    #[test]
    fn who_shows_a_strange_key_has_them_asked_for_once_a_minute() {
        let (mut all, mut asked) = (Keys::default(), 0);
        for n in 0..100 {
            let now = Duration::from_millis(n * 1000);
            if all.wants("strange", now) {
                asked += 1;
                all.came(Ok((keys(&["a"]), HOUR)), now);
            }
            assert_eq!(is_shown(&all, "strange", now), Some(false));
        }
        assert_eq!(asked, 2, "in a hundred seconds");
        assert!(!all.wants("a", MINUTE * 3), "it is known");
    }

    #[test]
    fn keys_are_kept_as_long_as_they_are_good_and_a_day_where_none_can_be_had() {
        for (life, kept) in [(Duration::ZERO, HOUR), (HOUR * 2, HOUR * 2), (HOUR * 99, HOUR * 24)] {
            let mut all = Keys::default();
            assert!(all.wants("a", Duration::ZERO));
            all.came(Ok((keys(&["a"]), life)), Duration::ZERO);
            assert!(!all.wants("a", kept - MINUTE), "{life:?}");
            assert!(all.wants("a", kept), "{life:?}");
            // Another one has taken its place.
            all.came(Ok((keys(&["b"]), life)), kept);
            assert_eq!(
                [is_shown(&all, "a", kept), is_shown(&all, "b", kept)],
                [Some(false), Some(true)]
            );
        }
        let mut all = Keys::default();
        all.came(Err("away".into()), Duration::ZERO);
        assert_eq!(is_shown(&all, "a", Duration::ZERO), None, "nobody can tell");
        all.came(Ok((keys(&["a"]), HOUR)), MINUTE);
        all.came(Err("away".into()), HOUR * 3);
        assert_eq!(is_shown(&all, "a", HOUR * 24), Some(true));
        assert_eq!(is_shown(&all, "a", HOUR * 25), None, "not for ever");
        assert_eq!(is_shown(&all, "b", HOUR * 3), None, "it may be shown by now");
    }

    /// Who shows a forged token and hangs up keeps nobody from being believed, and nobody else waits for it.
    #[tokio::test]
    async fn a_question_goes_on_without_who_asked_it() {
        let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let certs = format!("http://{}/certs", silent.local_addr().unwrap());
        let http = http::builder(ASKED).no_proxy();
        let http = http.tls_backend_preconfigured(tls()).build().unwrap();
        let (keys, heard, clock) = (Mutex::default(), watch::Sender::new(0), Clock::start());
        let ring = Arc::new(KeyRing { certs, http, clock, keys, heard });
        ring.lock().came(Ok((keys_of(), HOUR)), clock.now().mono);
        let gone = tokio::time::timeout(Duration::from_millis(50), ring.key("strange")).await;
        assert!(gone.is_err() && ring.lock().open, "it hangs up, and the question is open");
        let (mut stream, _) = silent.accept().await.unwrap();
        let known = tokio::time::timeout(Duration::from_millis(50), ring.key("a")).await;
        assert!(known.unwrap().is_ok(), "who shows a known key waits for nothing");
        let shown = r#"{"keys":[{"kty":"RSA","kid":"new","n":"AQAB","e":"AQAB"}]}"#;
        let said = format!("HTTP/1.1 200 X\r\nContent-Length: {}\r\n\r\n{shown}", shown.len());
        let answers = async {
            tokio::task::yield_now().await;
            tokio::io::AsyncWriteExt::write_all(&mut stream, said.as_bytes()).await.unwrap();
        };
        let (key, ()) = tokio::join!(ring.key("new"), answers);
        assert!(key.is_ok(), "the answer is for all");
        assert!(!ring.lock().open);
    }

    fn keys_of() -> BTreeMap<String, DecodingKey> {
        keys(&["a"])
    }

    fn tls() -> tokio_rustls::rustls::ClientConfig {
        crate::provider::trust::Tls::system().unwrap().settings().as_ref().clone()
    }

    #[test]
    fn what_is_no_key_for_signatures_is_passed_over() {
        let of =
            |text: &str| shown(text.as_bytes()).map(|keys| keys.into_keys().collect::<Vec<_>>());
        let good = r#"{"kty":"RSA","kid":"a","n":"AQAB","e":"AQAB","more":1}"#;
        let odd = r#"{"kty":"new"},7,{"kty":"oct","kid":"b","k":"AQAB"},{"kty":"RSA","use":"enc","kid":"c","n":"AQAB","e":"AQAB"},{"kty":"RSA","n":"AQAB","e":"AQAB"},{"kty":"RSA","alg":"RS512","kid":"d","n":"AQAB","e":"AQAB"}"#;
        assert_eq!(of(&format!(r#"{{"keys":[{odd},{good}]}}"#)), Some(vec!["a".to_owned()]));
        for none in ["", "[]", r#"{"keys":[]}"#, &format!(r#"{{"keys":[{odd}]}}"#)] {
            assert_eq!(of(none), None, "{none}");
        }
        assert_eq!(
            max_age("public, max-age=19800, must-revalidate"),
            Some(Duration::from_secs(19_800))
        );
        assert_eq!(max_age("no-store"), None);
    }
}
