//! Where the answer of a grant comes in: a listener on loopback that lives for one answer, or five
//! minutes; or a human who pastes the address that the browser ended at.

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use oauth2::url::Url;
use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use subtle::ConstantTimeEq;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// How long an answer is waited for.
const BROWSER_TIMEOUT: Duration = Duration::from_secs(300);
/// Connections at a time.
const CONNECTIONS: usize = 64;
/// How long a connection may take.
const CONNECTION: Duration = Duration::from_secs(10);
/// Octets of a request's head.
const HEAD: usize = 32 * 1024;

/// What came instead of a code.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoCode {
    /// Not the answer that is waited for: somebody else's, or an older one.
    #[error(
        "it does not belong to this login (its state is another); use the address that was printed last"
    )]
    Foreign,
    /// Neither code nor error.
    #[error("there is no code in it; paste the whole address that the browser ended at")]
    Nothing,
    /// Access was not granted.
    #[error("access was not granted: {0}")]
    Refused(String),
    /// Nothing came.
    #[error("no answer came within {} minutes", BROWSER_TIMEOUT.as_secs() / 60)]
    Late,
    /// The listener.
    #[error("cannot listen on loopback: {0}")]
    Listen(String),
}

/// Reads an address that a grant's answer is in.
pub(super) fn code_in(address: &str, state: &str) -> Result<String, NoCode> {
    let url = Url::parse(address.trim()).map_err(|_| NoCode::Nothing)?;
    let get = |name: &str| {
        url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    };
    let (code, error) = (get("code"), get("error"));
    if code.is_none() && error.is_none() {
        return Err(NoCode::Nothing);
    }
    let told = get("state").unwrap_or_default();
    if !bool::from(told.as_bytes().ct_eq(state.as_bytes())) {
        return Err(NoCode::Foreign);
    }
    match (code, error) {
        (_, Some(error)) => {
            let why = get("error_description").map(|text| format!(" ({text})")).unwrap_or_default();
            let said: String =
                format!("{error}{why}").chars().filter(|c| !c.is_control()).collect();
            Err(NoCode::Refused(said.chars().take(300).collect()))
        }
        (Some(code), None) => Ok(code),
        (None, None) => Err(NoCode::Nothing),
    }
}

/// A listener on this machine alone, and its port.
pub(super) async fn listen() -> Result<(TcpListener, u16), NoCode> {
    let told = |e: std::io::Error| NoCode::Listen(e.to_string());
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(told)?;
    let port = listener.local_addr().map_err(told)?.port();
    Ok((listener, port))
}

/// Waits for the answer. What is none, or another's, is told so and ends nothing.
pub(super) async fn wait(listener: TcpListener, state: &str) -> Result<String, NoCode> {
    let waiting = async {
        // One that says nothing holds up no other; they end with the wait.
        let mut connections = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                biased;
                Some(answered) = connections.join_next(), if !connections.is_empty() => {
                    match answered {
                        Ok(Some(answer)) => return answer,
                        // Nothing, or it was told off.
                        Ok(None) | Err(_) => continue,
                    }
                }
                accepted = listener.accept(), if connections.len() < CONNECTIONS => accepted,
            };
            let (stream, _) = accepted.map_err(|e| NoCode::Listen(e.to_string()))?;
            let found = Arc::new(Mutex::new(None));
            let (wanted, place) = (state.to_owned(), Arc::clone(&found));
            let service = service_fn(move |request: Request<Incoming>| {
                let answer = answer(&request, &wanted);
                let page = page(&answer);
                if !matches!(answer, Err(NoCode::Foreign | NoCode::Nothing)) {
                    *place.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer);
                }
                std::future::ready(Ok::<_, Infallible>(page))
            });
            let serving = http1::Builder::new()
                .timer(TokioTimer::new())
                .keep_alive(false)
                .max_buf_size(HEAD)
                .header_read_timeout(CONNECTION)
                .serve_connection(TokioIo::new(stream), service);
            connections.spawn(async move {
                // A browser that goes away early has been answered, or asks again.
                drop(tokio::time::timeout(CONNECTION, serving).await);
                found.lock().unwrap_or_else(PoisonError::into_inner).take()
            });
        }
    };
    tokio::time::timeout(BROWSER_TIMEOUT, waiting).await.unwrap_or(Err(NoCode::Late))
}

fn answer(request: &Request<Incoming>, state: &str) -> Result<String, NoCode> {
    if request.method() != hyper::Method::GET || request.uri().path() != "/" {
        return Err(NoCode::Nothing);
    }
    code_in(&format!("http://127.0.0.1{}", request.uri()), state)
}

fn page(answer: &Result<String, NoCode>) -> Response<String> {
    let (status, text) = match answer {
        Ok(_) => (200, "Postrider has the answer. You may close this page.".to_owned()),
        Err(NoCode::Nothing) => (404, "Nothing is here.".to_owned()),
        Err(why) => (400, format!("Postrider has no grant: {why}.")),
    };
    let mut page = Response::new(text);
    *page.status_mut() =
        hyper::StatusCode::from_u16(status).unwrap_or(hyper::StatusCode::BAD_REQUEST);
    for (name, value) in [
        ("content-type", "text/plain; charset=utf-8"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cache-control", "no-store"),
    ] {
        page.headers_mut().insert(name, hyper::header::HeaderValue::from_static(value));
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_answer_says() {
        let of = |query: &str| code_in(&format!("http://127.0.0.1:4711/?{query}"), "st");
        assert_eq!(of("code=4%2Fab&state=st"), Ok("4/ab".into()));
        assert_eq!(of("code=x&state=other"), Err(NoCode::Foreign));
        assert_eq!(of("code=x"), Err(NoCode::Foreign));
        assert_eq!(of("error=access_denied"), Err(NoCode::Foreign));
        let refused = of("error=access_denied&error_description=No%0Away&state=st");
        assert_eq!(refused, Err(NoCode::Refused("access_denied (Noway)".into())));
        assert_eq!(of("state=st"), Err(NoCode::Nothing));
        assert_eq!(code_in("4/ab", "st"), Err(NoCode::Nothing));
    }
}
