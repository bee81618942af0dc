//! HTTP to the API: its client, its address, and what an answer is that is none.

use crate::http::builder;
use crate::provider::trust::{Tls, unbelieved};
use postrider_core::failure::{Class, Failure, Provenance, Reach, When};
use postrider_core::plain::PlainText;
use postrider_core::provider::server::{Security, Server};
use postrider_core::time::Micros;
use reqwest::Response;
use reqwest::header::DATE;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;
use tokio_rustls::rustls::Error as TlsError;

/// Octets of one answer that may be on their way (RFC 9113 §5.2).
const STREAM_WINDOW: u32 = 256 * 1024;

fn network(text: impl Into<PlainText>) -> Failure {
    Failure::new(Class::Network, Reach::Session, Provenance::Local, text)
}

/// The server's clock, as an answer shows it.
pub(in crate::provider) fn server_clock(response: &Response) -> Option<Micros> {
    let date = response.headers().get(DATE)?.to_str().ok()?;
    let nanos = OffsetDateTime::parse(date, &Rfc2822).ok()?.unix_timestamp_nanos();
    i64::try_from(nanos / 1000).ok().map(Micros)
}

/// HTTP to a server, with these roots.
///
/// # Errors
/// Class config.
pub(in crate::provider) fn http(
    server: &Server,
    tls: Option<&Tls>,
) -> Result<reqwest::Client, Failure> {
    let mut builder = builder(server.timeouts.connect)
        .tcp_nodelay(true)
        // What is counted is what has been unpacked, a piece at a time.
        .gzip(server.compress)
        // A body that is not read on (its sink waits) must leave room for the others.
        .http2_initial_stream_window_size(STREAM_WINDOW)
        .http2_initial_connection_window_size(STREAM_WINDOW * 16)
        .pool_idle_timeout(server.timeouts.idle);
    if let Some(tls) = tls {
        let mut settings = tls.settings().as_ref().clone();
        settings.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        builder = builder.tls_backend_preconfigured(settings);
    }
    if server.security == Security::Plain {
        builder = builder.no_proxy();
    }
    builder.build().map_err(|e| {
        let text = "no HTTP client can be made";
        Failure::new(Class::Config, Reach::Account, Provenance::Local, text)
            .when(When::AfterChange)
            .caused_by(e)
    })
}

/// Where the API is, up to this path of it.
pub(in crate::provider) fn root(server: &Server, path: &str) -> String {
    let scheme = if server.security == Security::Plain { "http" } else { "https" };
    let host =
        if server.host.contains(':') { format!("[{}]", server.host) } else { server.host.clone() };
    let base = server.api.as_ref().map(|api| api.base.as_str()).unwrap_or_default();
    format!("{scheme}://{host}:{}{base}{path}", server.port)
}

/// What its place is written as.
pub(in crate::provider) const API_URL: &str = "api_url";
/// What the HTTP client says of a host without an address.
const NO_NAME: [&str; 2] = ["dns error", "invalid dns name"];

/// An error with what caused it, in words.
fn chain(e: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(e.source(), |e| e.source());
    causes.fold(e.to_string(), |text, e| format!("{text}: {e}"))
}

/// What a question met instead of an answer; the place is written under this key.
pub(in crate::provider) fn unanswered((place, key): (&str, &str), e: reqwest::Error) -> Failure {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&e);
    while let Some(error) = cause {
        let tls = error.downcast_ref::<TlsError>().or_else(|| {
            let io = error.downcast_ref::<std::io::Error>()?;
            io.get_ref()?.downcast_ref::<TlsError>()
        });
        if let Some(TlsError::InvalidCertificate(why)) = tls {
            let text = unbelieved(place, why);
            return Failure::new(Class::Config, Reach::Endpoint, Provenance::Local, text)
                .when(When::AfterChange);
        }
        cause = error.source();
    }
    let e = e.without_url();
    let chain = chain(&e);
    let has_no_name = NO_NAME.iter().any(|text| chain.contains(text));
    // A name that does not exist is told at once; a name server that does not answer is the network.
    if e.is_connect() && has_no_name && !chain.contains("emporary failure") {
        let text = format!("the host of {place} is not known: see whether `{key}` is right");
        return Failure::new(Class::Config, Reach::Endpoint, Provenance::Local, text)
            .when(When::AfterChange)
            .caused_by(e);
    }
    if e.is_connect() {
        let text = format!("cannot connect to {place}");
        return Failure { reach: Reach::Endpoint, ..network(text) }.caused_by(e);
    }
    network("a question was cut off").caused_by(e)
}

/// An answer that is none: a page for people stands before the server (a captive portal), it is cut
/// off, or it is something else.
pub(in crate::provider) fn nonsense(body: &[u8], e: &serde_json::Error) -> Failure {
    let is_page = body.iter().find(|b| !b.is_ascii_whitespace()) == Some(&b'<');
    if is_page {
        let text = "it was answered by a page for people, not by the API: something stands between";
        return Failure { reach: Reach::Endpoint, ..network(text) };
    }
    if e.is_eof() {
        return network("an answer was cut off");
    }
    let kind = if e.is_data() { "a value is of another kind" } else { "it is no JSON" };
    unreadable(&format!("{kind}, line {}, column {}", e.line(), e.column()))
}

/// An answer that cannot be used; never what is in it.
pub(in crate::provider) fn unreadable(why: &str) -> Failure {
    let text = format!("an answer cannot be read: {why}");
    Failure::new(Class::Provider, Reach::Account, Provenance::Server, text)
}

/// A text as part of a URL.
pub(in crate::provider) fn encoded(text: &str) -> String {
    let coded: String = oauth2::url::form_urlencoded::byte_serialize(text.as_bytes()).collect();
    coded.replace('+', "%20")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Profile {
        #[serde(rename = "emailAddress")]
        _address: String,
        #[serde(rename = "historyId")]
        _history: String,
    }

    #[test]
    fn what_stands_between_is_not_the_server() {
        let judge = |body: &[u8]| {
            let e = serde_json::from_slice::<Profile>(body).unwrap_err();
            let failure = nonsense(body, &e);
            (failure.class, failure.reach)
        };
        assert_eq!(judge(b"  <!doctype html>"), (Class::Network, Reach::Endpoint));
        assert_eq!(judge(b"{\"emailAddress\": \"a"), (Class::Network, Reach::Session));
        assert_eq!(judge(b"{\"historyId\": []}"), (Class::Provider, Reach::Account));
    }
}
