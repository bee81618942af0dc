//! A request, in this order: is there such a path, how long is it, does it come, is it believed, are there too many, can it
//! be read, whose is it. What a stranger sends costs what stands before the fourth.

use crate::http::listen::{Caller, asked_by};
use crate::provider::{PushChallenge, PushEntry, PushJudge, PushRefusal};
use crate::push::desk::{PushDesk, Received, SourceDesk};
use crate::push::room::{BODY, BodyRoom, NoBody, PushBody, UNPACKED};
use crate::telemetry::names;
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use postrider_core::provider::push::PushOutcome;
use postrider_core::time::Now;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tower_http::catch_panic::CatchPanicLayer;

/// Who comes too often is asked to wait.
const AGAIN: &str = "1";

/// What a request may use.
#[derive(Clone)]
struct Door {
    desk: Arc<PushDesk>,
    room: BodyRoom,
    /// A proxy stands before it, and says who asks.
    behind_proxy: bool,
}

/// The whole service.
pub(super) fn service(desk: Arc<PushDesk>, behind_proxy: bool) -> Router {
    let door = Door { desk, room: BodyRoom::default(), behind_proxy };
    Router::new().fallback(receive).layer(CatchPanicLayer::new()).with_state(door)
}

async fn receive(State(door): State<Door>, request: Request) -> Response {
    let path = request.uri().path();
    let found = door.desk.sources.iter().find_map(|source| match &source.entry {
        PushEntry::Sent(judge) if source.path == path => Some((source, Arc::clone(judge))),
        _ => None,
    });
    let asked = found.as_ref().filter(|_| request.method() == Method::GET);
    let asked = asked.and_then(|(source, _)| {
        let query = request.uri().query().unwrap_or_default();
        Some((*source, source.source.challenged(query)?))
    });
    if let Some((source, challenge)) = asked {
        let open = OpenRequest::of(&door, source, &request);
        return challenged(open, challenge);
    }
    let Some((source, judge)) = found.filter(|_| request.method() == Method::POST) else {
        let outcome = PushOutcome::Unrouted;
        door.desk.unrouted.fetch_add(1, Ordering::Relaxed);
        metrics::counter!(names::INBOUND, "source" => "none", "outcome" => outcome.as_str())
            .increment(1);
        return answer(None, outcome);
    };
    let mut open = OpenRequest::of(&door, source, &request);
    open.came = match take(&door, (source, judge.as_ref()), request).await {
        Ok(outcome) => (outcome, String::new()),
        Err(not_taken) => not_taken,
    };
    answer(Some(source), open.came.0)
}

/// A request: whatever becomes of it is noted.
struct OpenRequest<'a> {
    desk: &'a PushDesk,
    source: &'a SourceDesk,
    from: IpAddr,
    began: Now,
    came: NotTaken,
}

impl<'a> OpenRequest<'a> {
    fn of(door: &'a Door, source: &'a SourceDesk, request: &Request) -> Self {
        let (peer, head) = (request.extensions().get::<Caller>(), request.headers());
        let from = asked_by(peer, head, door.behind_proxy).unwrap_or(Ipv4Addr::UNSPECIFIED.into());
        // Until it is known: it hung up, or we have met a bug.
        let came = (PushOutcome::Gone, String::new());
        Self { desk: &door.desk, source, from, began: door.desk.now(), came }
    }
}

impl Drop for OpenRequest<'_> {
    fn drop(&mut self) {
        let mono = self.desk.now().mono;
        let took = mono.saturating_sub(self.began.mono);
        metrics::histogram!(names::INBOUND_SECONDS).record(took.as_secs_f64());
        let (outcome, reason) = (self.came.0, std::mem::take(&mut self.came.1));
        let from = Some(self.from);
        self.source.note(Received { at: self.began.wall, from, outcome, reason }, mono);
    }
}

type NotTaken = (PushOutcome, String);

async fn take(
    door: &Door,
    (source, judge): (&SourceDesk, &dyn PushJudge),
    request: Request,
) -> Result<PushOutcome, NotTaken> {
    let (head, body) = request.into_parts();
    let body = read(door, &head.headers, body).await?;
    judge.verify(&head.headers, &body.octets).await.map_err(refused)?;
    if !source.may(door.desk.now().mono) {
        return Err((PushOutcome::TooMany, "more than 500 in a second".to_owned()));
    }
    let pushed = match packed(&head.headers)? {
        false => {
            let read = source.source.read(&mut body.octets.as_slice());
            // Its room is for others while it is written down.
            drop(body);
            read.map_err(refused)?
        }
        true => {
            let reads = Arc::clone(&source.source);
            let read = door.room.unpack(body, move |from| reads.read(from)).await;
            read.map_err(|why| no_body(why, UNPACKED))?.map_err(refused)?
        }
    };
    match pushed {
        Some(pushed) => Ok(door.desk.take(source, pushed).await),
        None => Ok(PushOutcome::Ignored),
    }
}

/// Whether a body is packed.
fn packed(head: &HeaderMap) -> Result<bool, NotTaken> {
    match head.get(header::CONTENT_ENCODING).map(HeaderValue::as_bytes) {
        None => Ok(false),
        Some(how) if how.is_empty() || how.eq_ignore_ascii_case(b"identity") => Ok(false),
        Some(how) if how.eq_ignore_ascii_case(b"gzip") => Ok(true),
        Some(_) => Err((PushOutcome::Unreadable, "it is packed, and not as gzip".to_owned())),
    }
}

async fn read(door: &Door, head: &HeaderMap, body: Body) -> Result<PushBody, NotTaken> {
    let said: Option<u64> =
        head.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    door.room.read(said, body).await.map_err(|why| no_body(why, BODY))
}

fn no_body(why: NoBody, most: usize) -> NotTaken {
    match why {
        NoBody::Large => (PushOutcome::TooLarge, format!("longer than {} MiB", most >> 20)),
        NoBody::Slow => (PushOutcome::TooSlow, "its body did not come".to_owned()),
        NoBody::Full => (PushOutcome::NoRoom, "too much comes at once".to_owned()),
    }
}

/// Who asks whether somebody is here is told so in its own words, and nothing else.
fn challenged(mut open: OpenRequest<'_>, challenge: PushChallenge) -> Response {
    match challenge {
        PushChallenge::Answer(words) => {
            open.came.0 = PushOutcome::Challenged;
            let plain = [(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"))];
            (plain, with_head(PushOutcome::Challenged, words.into_response())).into_response()
        }
        PushChallenge::Refused => {
            let text = "its challenge is missing, too long, or no plain word".to_owned();
            open.came = (PushOutcome::BadChallenge, text);
            answer(None, PushOutcome::BadChallenge)
        }
    }
}

pub(super) fn refused(why: PushRefusal) -> NotTaken {
    match why {
        PushRefusal::Unsigned(text) => (PushOutcome::Unsigned, text.to_owned()),
        PushRefusal::Unreadable(text) => (PushOutcome::Unreadable, text.to_owned()),
        PushRefusal::Unjudged(text) => (PushOutcome::Unjudged, text.to_string()),
    }
}

/// Nothing is said but how it stands: who is believed needs no more, and nobody else gets it.
fn answer(source: Option<&SourceDesk>, outcome: PushOutcome) -> Response {
    let status = match outcome {
        PushOutcome::Challenged => StatusCode::OK,
        PushOutcome::Taken | PushOutcome::Known | PushOutcome::Stranger | PushOutcome::Ignored => {
            match source.is_some_and(|source| source.source.wants_ok()) {
                true => StatusCode::OK,
                false => StatusCode::NO_CONTENT,
            }
        }
        PushOutcome::Unsigned => StatusCode::UNAUTHORIZED,
        PushOutcome::Unreadable | PushOutcome::BadChallenge => StatusCode::BAD_REQUEST,
        PushOutcome::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        PushOutcome::TooSlow => StatusCode::REQUEST_TIMEOUT,
        PushOutcome::TooMany => StatusCode::TOO_MANY_REQUESTS,
        PushOutcome::NoRoom | PushOutcome::Unjudged | PushOutcome::Unstored | PushOutcome::Gone => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        PushOutcome::Unrouted => StatusCode::NOT_FOUND,
    };
    with_head(outcome, status.into_response())
}

fn with_head(outcome: PushOutcome, mut response: Response) -> Response {
    let head = response.headers_mut();
    head.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // Who is not believed keeps no place.
    if !outcome.is_believed() {
        head.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    if outcome == PushOutcome::TooMany {
        head.insert(header::RETRY_AFTER, HeaderValue::from_static(AGAIN));
    }
    response
}
