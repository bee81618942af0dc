//! Who issues tokens: the OAuth client that the config describes, at its token endpoint. Every call
//! has a deadline; nothing is waited for or tried again here.
#![expect(
    clippy::disallowed_methods,
    reason = "a grant on another device is asked for as often as its issuer allows, and no longer"
)]

use crate::credentials::answer;
use crate::http;
use crate::provider::{Coming, REPEATED, Redactor};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use oauth2::basic::{
    BasicErrorResponse, BasicRevocationErrorResponse, BasicTokenIntrospectionResponse,
    BasicTokenType,
};
use oauth2::http::header::CONTENT_TYPE;
use oauth2::http::{HeaderValue, StatusCode};
use oauth2::{
    AsyncHttpClient, AuthType, AuthUrl, AuthorizationCode, Client, ClientId, ClientSecret,
    CsrfToken, DeviceAuthorizationUrl, EndpointNotSet, EndpointSet, ErrorResponseType,
    ExtraTokenFields, HttpRequest, HttpResponse, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl,
    RefreshToken, RequestTokenError, Scope, StandardDeviceAuthorizationResponse,
    StandardErrorResponse, StandardRevocableToken, StandardTokenResponse, TokenResponse, TokenUrl,
};
use postrider_core::failure::{Class, Excess, Failure, Provenance, Reach, When};
use postrider_core::oauth::{TokenRefusal, judge};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Longest time of a call.
const CALL: Duration = Duration::from_secs(20);
/// Longest time until it is connected.
const CONNECT: Duration = Duration::from_secs(10);
/// Longest wait for a human at another device, whatever the issuer says.
const DEVICE: Duration = Duration::from_secs(1800);
/// Octets of an answer: two tokens as long as any can be, and what stands around them.
const ANSWER_OCTETS: usize = 1024 * 1024;
/// What a request shows and nobody hides.
const OPEN: [&str; 7] =
    ["grant_type", "client_id", "scope", "redirect_uri", "response_type", "audience", "resource"];
/// What a token is taken to live where the answer does not say.
const LIFE: Duration = Duration::from_secs(3600);

/// An OAuth client, as the config has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuerPlace {
    /// Its name in the config: `google`.
    pub name: String,
    /// The client's id.
    pub client_id: String,
    /// Where a human grants access.
    pub auth_url: String,
    /// Where tokens are issued.
    pub token_url: String,
    /// Where a grant on another device begins.
    pub device_url: Option<String>,
    /// What is asked for.
    pub scopes: Vec<String>,
}

/// Who issues tokens.
#[derive(Debug)]
pub struct Issuer {
    place: IssuerPlace,
    client: TokenClient,
    http: reqwest::Client,
}

type TokenClient = Client<
    BasicErrorResponse,
    StandardTokenResponse<IdToken, BasicTokenType>,
    BasicTokenIntrospectionResponse,
    StandardRevocableToken,
    BasicRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointSet,
>;

/// Why there is no token.
type NoToken = RequestTokenError<CallFailed, BasicErrorResponse>;

/// Where an answer says whose token it is (OpenID Connect).
#[derive(Clone, Debug, Deserialize, Serialize)]
struct IdToken {
    id_token: Option<String>,
}

impl ExtraTokenFields for IdToken {}

/// What an issuer has given.
#[derive(Debug)]
pub struct Issued {
    /// The access token; none where it came in a shape that cannot be shown.
    pub access: Option<SecretString>,
    /// Another refresh token; the one that was shown stays good where there is none.
    pub refresh: Option<SecretString>,
    /// For how long the access token is good.
    pub life: Duration,
    /// What it allows, where the answer says so.
    pub scopes: Option<String>,
    /// Whose it is, where that can be seen: names of one mailbox.
    pub mailboxes: Vec<String>,
}

/// A grant that a human gives on another device.
#[derive(Debug)]
pub struct DeviceGrant(StandardDeviceAuthorizationResponse);

impl DeviceGrant {
    /// Where the human goes, and the code to enter there.
    #[must_use]
    pub fn shown(&self) -> (&str, &str) {
        (self.0.verification_uri(), self.0.user_code().secret())
    }
}

/// A grant that has been begun.
#[derive(Debug)]
pub struct Begun {
    /// Where a human goes.
    pub url: String,
    /// What the answer must repeat.
    pub state: String,
    verifier: PkceCodeVerifier,
    redirect: RedirectUrl,
}

fn config(text: String) -> Failure {
    Failure::new(Class::Config, Reach::Account, Provenance::Local, text).when(When::AfterChange)
}

impl Issuer {
    /// The issuer at this place, to whom this client shows this secret (none, if it is a public
    /// one).
    ///
    /// # Errors
    /// Class config: a URL is none, or TLS roots cannot be had.
    pub fn at(place: IssuerPlace, secret: Option<&SecretString>) -> Result<Self, Failure> {
        let wrong = |key: &str, e: &dyn std::fmt::Display| {
            config(format!("oauth.{}.{key} is no URL: {e}", place.name))
        };
        let auth_url = AuthUrl::new(place.auth_url.clone()).map_err(|e| wrong("auth_url", &e))?;
        let token_url =
            TokenUrl::new(place.token_url.clone()).map_err(|e| wrong("token_url", &e))?;
        let mut client = Client::new(ClientId::new(place.client_id.clone()))
            .set_auth_uri(auth_url)
            .set_token_uri(token_url)
            .set_auth_type(AuthType::RequestBody);
        if let Some(secret) = secret {
            client = client.set_client_secret(ClientSecret::new(secret.expose_secret().to_owned()));
        }
        let http = http::builder(CONNECT)
            .timeout(CALL)
            .build()
            .map_err(|e| config("no HTTPS: the TLS roots cannot be had".into()).caused_by(e))?;
        Ok(Self { place, client, http })
    }

    /// As the config has it.
    #[must_use]
    pub fn place(&self) -> &IssuerPlace {
        &self.place
    }

    /// Begins a grant (RFC 6749 §4.1 with PKCE, RFC 7636): the answer comes to `redirect`.
    ///
    /// # Errors
    /// Class bug: `redirect` is no URL.
    pub fn begin(&self, redirect: &str, username: &str) -> Result<Begun, Failure> {
        let redirect = RedirectUrl::new(redirect.to_owned())
            .map_err(|e| Failure::bug("the redirect is no URL").caused_by(e))?;
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let (url, state) = self
            .client
            .authorize_url(CsrfToken::new_random)
            .set_redirect_uri(std::borrow::Cow::Borrowed(&redirect))
            .add_scopes(self.place.scopes.iter().cloned().map(Scope::new))
            .set_pkce_challenge(challenge)
            // Google gives a refresh token only so.
            .add_extra_param("access_type", "offline")
            .add_extra_param("prompt", "consent")
            .add_extra_param("login_hint", username)
            .url();
        Ok(Begun { url: url.into(), state: state.into_secret(), verifier, redirect })
    }

    /// Exchanges the code of a grant's answer.
    ///
    /// # Errors
    /// As [`judge`] has it; network and timeout.
    pub async fn exchange(&self, begun: Begun, code: &str) -> Result<Issued, Failure> {
        let seen = HttpSeen::default();
        let http = Caller { http: self.http.clone(), seen: seen.clone() };
        let answer = self
            .client
            .exchange_code(AuthorizationCode::new(code.to_owned()))
            .set_redirect_uri(std::borrow::Cow::Borrowed(&begun.redirect))
            .set_pkce_verifier(begun.verifier)
            .request_async(&http)
            .await;
        read(answer, &seen)
    }

    /// Begins a grant that a human gives on another device (RFC 8628).
    ///
    /// # Errors
    /// Class config: there is no such endpoint. As [`judge`] has it; network and timeout.
    pub async fn begin_device(&self) -> Result<DeviceGrant, Failure> {
        let Some(url) = self.place.device_url.clone() else {
            let text = format!(
                "{} gives no access to mail by a code for another device: use `auth login --paste`",
                self.place.name
            );
            return Err(config(text));
        };
        let wrong = |e| config(format!("oauth.{}.device_url is no URL: {e}", self.place.name));
        let url = DeviceAuthorizationUrl::new(url).map_err(wrong)?;
        let seen = HttpSeen::default();
        let http = Caller { http: self.http.clone(), seen: seen.clone() };
        let client = self.client.clone().set_device_authorization_url(url);
        let scopes = self.place.scopes.iter().cloned().map(Scope::new);
        let answer: Result<StandardDeviceAuthorizationResponse, _> =
            client.exchange_device_code().add_scopes(scopes).request_async(&http).await;
        let grant = answer.map_err(|e| failed(e, &seen))?;
        let shown = [grant.verification_uri().as_str(), grant.user_code().secret()];
        if shown.iter().any(|text| seen.redactor.is_repeated_in(text)) {
            return Err(failed(NoToken::Other(String::new()), &seen));
        }
        Ok(DeviceGrant(grant))
    }

    /// Asks for the tokens of such a grant, as often as the issuer allows, until the human has
    /// given or refused it, or its time is over.
    ///
    /// # Errors
    /// As [`judge`] has it; network and timeout.
    pub async fn wait_for_device(&self, grant: &DeviceGrant) -> Result<Issued, Failure> {
        let seen = HttpSeen::default();
        let http = Caller { http: self.http.clone(), seen: seen.clone() };
        let life = grant.0.expires_in().min(DEVICE);
        let asking = self.client.exchange_device_access_token(&grant.0).request_async(
            &http,
            tokio::time::sleep,
            Some(life),
        );
        match tokio::time::timeout(life + CALL, asking).await {
            Ok(answer) => read(answer, &seen),
            Err(_) => {
                let text = "nobody has granted access in time";
                Err(Failure::new(Class::Timeout, Reach::Account, Provenance::Deadline, text))
            }
        }
    }

    /// An access token for a signed assertion (RFC 7523 §2.1).
    ///
    /// # Errors
    /// As [`judge`] has it; network and timeout.
    pub async fn assert(&self, assertion: &SecretString) -> Result<Issued, Failure> {
        let seen = HttpSeen::default();
        let http = Caller { http: self.http.clone(), seen: seen.clone() };
        let pairs = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
            ("assertion", assertion.expose_secret()),
        ];
        let body = oauth2::url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(pairs)
            .finish();
        let request = oauth2::http::Request::post(&self.place.token_url)
            .header("content-type", "application/x-www-form-urlencoded")
            .header("accept", "application/json")
            .body(body.into_bytes())
            .map_err(|e| Failure::bug("the token URL is none").caused_by(e))?;
        let answer = http.call(request).await;
        let answer = answer.map_err(|e| failed(NoToken::Request(e), &seen))?;
        // What `strict` has made of it is no refusal.
        if let Ok(refused) = serde_json::from_slice::<BasicErrorResponse>(answer.body()) {
            let failure = failed(NoToken::ServerResponse(refused), &seen);
            if failure.class != Class::Auth {
                return Err(failure);
            }
            // There is no grant that a human could give anew: it is the key, the user name, or our
            // clock.
            let text = format!(
                "the service account, its key, the user name or the clock here: {}",
                failure.text
            )
            .into();
            return Err(Failure { class: Class::Config, text, ..failure });
        }
        let told =
            serde_json::from_slice(answer.body()).ok().filter(|_| answer.status().is_success());
        read(told.ok_or_else(|| NoToken::Other(String::new())), &seen)
    }

    /// Another access token for a refresh token.
    ///
    /// # Errors
    /// As [`judge`] has it; network and timeout.
    ///
    /// # Cancel safety
    /// None: an issuer that rotates refresh tokens may have rotated this one.
    pub async fn refresh(&self, refresh: &SecretString) -> Result<Issued, Failure> {
        let seen = HttpSeen::default();
        let http = Caller { http: self.http.clone(), seen: seen.clone() };
        let token = RefreshToken::new(refresh.expose_secret().to_owned());
        let answer = self.client.exchange_refresh_token(&token).request_async(&http).await;
        read(answer, &seen)
    }
}

/// Puts the OAuth library's requests to the network.
struct Caller {
    http: reqwest::Client,
    seen: HttpSeen,
}

impl<'a> AsyncHttpClient<'a> for Caller {
    type Error = CallFailed;
    type Future = Coming<'a, Result<HttpResponse, CallFailed>>;

    fn call(&'a self, request: HttpRequest) -> Self::Future {
        Box::pin(async move {
            for (key, value) in oauth2::url::form_urlencoded::parse(request.body()) {
                if !OPEN.contains(&key.as_ref()) {
                    self.seen.redactor.hide(&value);
                }
            }
            let request = reqwest::Request::try_from(request)?;
            let mut response = self.http.execute(request).await?;
            self.seen.note(&response);
            let mut body = Vec::new();
            while let Some(piece) = response.chunk().await? {
                body.extend_from_slice(&piece);
                if body.len() > ANSWER_OCTETS {
                    return Err(CallFailed::Long);
                }
            }
            let strict = answer::strict(&body).filter(|_| response.status().is_success());
            // The library takes tokens under 200 alone.
            let status = strict.as_ref().map_or(response.status(), |_| StatusCode::OK);
            let mut answer = HttpResponse::new(strict.unwrap_or(body));
            *answer.status_mut() = status;
            // Whatever it is called, it is read as JSON or not at all.
            answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            Ok(answer)
        })
    }
}

/// Why a call has no answer.
#[derive(Debug, thiserror::Error)]
enum CallFailed {
    #[error(transparent)]
    Http(#[from] reqwest::Error),
    #[error("the answer is longer than {ANSWER_OCTETS} octets")]
    Long,
}

/// Of a call, what the OAuth library does not hand on: what was shown, and of the answer its status
/// and `Retry-After`.
#[derive(Clone, Debug, Default)]
struct HttpSeen {
    redactor: Redactor,
    answer: Arc<Mutex<(u16, Option<Duration>)>>,
}

impl HttpSeen {
    fn note(&self, response: &reqwest::Response) {
        let after = response.headers().get(reqwest::header::RETRY_AFTER);
        let seconds = after.and_then(|value| value.to_str().ok()?.trim().parse().ok());
        *self.answer.lock().unwrap_or_else(PoisonError::into_inner) =
            (response.status().as_u16(), seconds.map(Duration::from_secs));
    }

    fn refusal(&self, error: &str, description: &str) -> TokenRefusal {
        let (status, retry_after) = *self.answer.lock().unwrap_or_else(PoisonError::into_inner);
        let (error, description) = (error.to_owned(), description.to_owned());
        TokenRefusal { status, error, description, retry_after }
    }
}

fn read<T: ErrorResponseType + std::fmt::Display>(
    answer: Result<
        StandardTokenResponse<IdToken, BasicTokenType>,
        RequestTokenError<CallFailed, StandardErrorResponse<T>>,
    >,
    seen: &HttpSeen,
) -> Result<Issued, Failure> {
    let answer = answer.map_err(|e| failed(e, seen))?;
    let scopes = answer
        .scopes()
        .map(|scopes| scopes.iter().map(|scope| scope.as_str()).collect::<Vec<_>>().join(" "));
    let access = Some(answer.access_token().secret()).filter(|text| !text.is_empty());
    let mut mailboxes =
        answer.extra_fields().id_token.as_deref().map(mailboxes_of).unwrap_or_default();
    // What was shown comes back as nothing that is stored or told.
    mailboxes.retain(|name| !seen.redactor.is_repeated_in(name));
    Ok(Issued {
        // A token that cannot be shown is over.
        life: access.map_or(Duration::ZERO, |_| answer.expires_in().unwrap_or(LIFE)),
        access: access.map(|text| text.clone().into()),
        // An empty one is none.
        refresh: answer
            .refresh_token()
            .map(RefreshToken::secret)
            .filter(|text| !text.is_empty())
            .map(|text| text.clone().into()),
        scopes: scopes.filter(|text| !seen.redactor.is_repeated_in(text)),
        mailboxes,
    })
}

/// Whose an identity token is. It comes from the issuer itself over TLS: its signature says nothing
/// more.
fn mailboxes_of(token: &str) -> Vec<String> {
    #[derive(Deserialize)]
    struct Claims {
        email: Option<String>,
        preferred_username: Option<String>,
    }
    let claims = token.split('.').nth(1).and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
    let claims = claims.and_then(|bytes| serde_json::from_slice::<Claims>(&bytes).ok());
    let names = claims.map(|claims| [claims.email, claims.preferred_username]);
    names.into_iter().flatten().flatten().collect()
}

/// What it gave cannot be shown to a mail server.
pub(super) fn unusable() -> Failure {
    let text = "the token endpoint gave an access token that cannot be used, or none";
    Failure::new(Class::Provider, Reach::Account, Provenance::Server, text).of(Excess::Elsewhere)
}

fn failed<T: ErrorResponseType + std::fmt::Display>(
    e: RequestTokenError<CallFailed, StandardErrorResponse<T>>,
    seen: &HttpSeen,
) -> Failure {
    match e {
        RequestTokenError::ServerResponse(told) => {
            let description = told.error_description().map_or("", String::as_str);
            let error = told.error().to_string();
            let failure = judge(&seen.refusal(&error, description));
            // What it means is judged by all of it; what is shown repeats nothing, however it is cut.
            let is_repeated = [error.as_str(), description]
                .iter()
                .any(|text| seen.redactor.text(text).as_str() == REPEATED);
            if is_repeated {
                return Failure { text: REPEATED.into(), source: None, ..failure };
            }
            seen.redactor.failure(failure)
        }
        RequestTokenError::Request(e) => {
            let (class, provenance, text) = match &e {
                CallFailed::Http(http) if http.is_timeout() => {
                    (Class::Timeout, Provenance::Deadline, "the token endpoint does not answer")
                }
                CallFailed::Http(_) => {
                    (Class::Network, Provenance::Local, "the token endpoint cannot be reached")
                }
                CallFailed::Long => {
                    (Class::Provider, Provenance::Server, "the token endpoint answers nonsense")
                }
            };
            seen.redactor
                .failure(Failure::new(class, Reach::Account, provenance, text).caused_by(e))
        }
        // What cannot be read may hold anything: it is not quoted.
        RequestTokenError::Parse(..) | RequestTokenError::Other(_) => {
            let failure = judge(&seen.refusal("", ""));
            let text = "the token endpoint's answer is not one of OAuth2";
            Failure { text: format!("{text} ({})", failure.text).into(), ..failure }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whose_a_token_is() {
        let token = |claims: &str| format!("e30.{}.sig", URL_SAFE_NO_PAD.encode(claims));
        let of = |claims: &str| mailboxes_of(&token(claims));
        assert_eq!(of(r#"{"email":"me@example.org","sub":"1"}"#), ["me@example.org"]);
        let both = r#"{"email":"alias@example.org","preferred_username":"me@example.org"}"#;
        assert_eq!(of(both), ["alias@example.org", "me@example.org"]);
        assert!(of("{}").is_empty() && mailboxes_of("x").is_empty());
        assert!(mailboxes_of("a.!!.c").is_empty());
    }
}
