//! A question over HTTP: with deadlines, its answer read as it comes.
#![expect(
    clippy::disallowed_methods,
    reason = "a connection's deadlines are its own: silence, and the pace of an answer"
)]

use crate::provider::api::http::{unanswered, unreadable};
use crate::provider::{Leash, Redactor};
use postrider_core::failure::{Class, Failure, Provenance, Reach};
use postrider_core::provider::server::Timeouts;
use reqwest::header::CONTENT_LENGTH;
use reqwest::{RequestBuilder, Response};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// Octets of an answer that is no message: 500 records of history are far less.
const ANSWER_OCTETS: usize = 4 * 1024 * 1024;
/// Objects and values in it, counted as it comes: 500 ids or records were asked for, and what is made of
/// a value takes more room than its octets.
const OBJECTS: usize = 50_000;
const VALUES: usize = 300_000;
/// An answer that takes longer than its deadline goes on while it brings so many octets a second.
const PACE: u64 = 1024;

/// Something is being asked: while this lives the session works.
#[derive(Debug)]
struct OpenCall {
    asked: Arc<AtomicUsize>,
    busy: Arc<AtomicBool>,
}

impl Drop for OpenCall {
    fn drop(&mut self) {
        if self.asked.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.busy.store(false, Ordering::Relaxed);
        }
    }
}

/// An answer whose body is coming.
#[derive(Debug)]
pub(in crate::provider) struct Incoming {
    _working: OpenCall,
    pub(in crate::provider) response: Response,
    /// How long it was waited for, since the mark: who takes its bytes may be slow, too.
    waited: Duration,
    octets: u64,
    mark: u64,
}

/// Questions of a login, on connections of its own.
#[derive(Debug)]
pub(in crate::provider) struct ApiCalls {
    pub(in crate::provider) http: reqwest::Client,
    /// Host and port, for people.
    place: String,
    /// What its place is written as.
    key: &'static str,
    timeouts: Timeouts,
    /// What its owner sees of it.
    pub(in crate::provider) leash: Leash,
    /// Questions that are open.
    asked: Arc<AtomicUsize>,
}

impl ApiCalls {
    /// To this place, which is written under this key.
    pub(in crate::provider) fn to(
        (place, key): (String, &'static str),
        http: reqwest::Client,
        timeouts: Timeouts,
    ) -> Self {
        Self { http, place, key, timeouts, leash: Leash::default(), asked: Arc::default() }
    }

    /// Asks.
    ///
    /// # Errors
    /// Network and timeout.
    pub(in crate::provider) async fn send(
        &self,
        request: RequestBuilder,
    ) -> Result<Incoming, Failure> {
        let silence = self.timeouts.connect + self.timeouts.greeting + self.timeouts.silence;
        self.asked.fetch_add(1, Ordering::AcqRel);
        self.leash.busy.store(true, Ordering::Relaxed);
        let _working =
            OpenCall { asked: Arc::clone(&self.asked), busy: Arc::clone(&self.leash.busy) };
        let began = Instant::now();
        let heard = tokio::time::timeout(silence, request.send()).await;
        let response = heard
            .map_err(|_| self.late("an answer", silence))?
            .map_err(|e| unanswered((&self.place, self.key), e))?;
        self.leash.octets.fetch_add(1, Ordering::Relaxed);
        Ok(Incoming { _working, response, waited: began.elapsed(), octets: 0, mark: 0 })
    }

    fn late(&self, what: &str, after: Duration) -> Failure {
        let text = format!("{what} took longer than {} s", after.as_secs_f32());
        Failure::new(Class::Timeout, Reach::Session, Provenance::Deadline, text)
    }

    /// The next octets of an answer; none at its end.
    ///
    /// # Errors
    /// It is cut off, or it does not keep the pace.
    pub(in crate::provider) async fn piece(
        &self,
        from: &mut Incoming,
    ) -> Result<Option<impl AsRef<[u8]> + use<>>, Failure> {
        let (silence, began) = (self.timeouts.silence, Instant::now());
        let read = tokio::time::timeout(silence, from.response.chunk()).await;
        let piece = read
            .map_err(|_| self.late("the next octets of an answer", silence))?
            .map_err(|e| unanswered((&self.place, self.key), e))?;
        let Some(piece) = piece else { return Ok(None) };
        let length = piece.len() as u64;
        self.leash.octets.fetch_add(length, Ordering::Relaxed);
        from.octets += length;
        from.waited += began.elapsed();
        let deadline = self.timeouts.command;
        if from.waited > deadline {
            if from.octets - from.mark < PACE.saturating_mul(deadline.as_secs().max(1)) {
                return Err(self.late("an answer", deadline));
            }
            (from.waited, from.mark) = (Duration::ZERO, from.octets);
        }
        Ok(Some(piece))
    }

    /// The whole of an answer that is no message; none where it holds more than one may.
    ///
    /// # Errors
    /// As [`ApiCalls::piece`]; it repeats a secret.
    pub(in crate::provider) async fn whole(
        &self,
        from: Incoming,
        shown: &Redactor,
    ) -> Result<Option<Vec<u8>>, Failure> {
        let (mut objects, mut values) = (0, 0);
        let may = move |piece: &[u8]| {
            objects += memchr::memchr_iter(b'{', piece).count();
            values += memchr::memchr_iter(b',', piece).count();
            objects <= OBJECTS && values <= VALUES
        };
        self.gather(from, shown, ANSWER_OCTETS, may).await
    }

    /// The whole of an answer, of so many octets at most; none where it has more.
    ///
    /// # Errors
    /// As [`ApiCalls::whole`].
    pub(in crate::provider) async fn gathered(
        &self,
        from: Incoming,
        shown: &Redactor,
        most: usize,
    ) -> Result<Option<Vec<u8>>, Failure> {
        self.gather(from, shown, most, |_| true).await
    }

    async fn gather(
        &self,
        mut from: Incoming,
        shown: &Redactor,
        most: usize,
        mut may: impl FnMut(&[u8]) -> bool + Send,
    ) -> Result<Option<Vec<u8>>, Failure> {
        let mut body = Vec::new();
        while let Some(piece) = self.piece(&mut from).await? {
            let piece = piece.as_ref();
            body.extend_from_slice(piece);
            if !may(piece) || body.len() > most {
                return Ok(None);
            }
        }
        // A token that comes back as data would be kept, and shown in a URL or a log.
        if shown.is_quoted_in(&body) {
            return Err(unreadable("it repeats the request"));
        }
        Ok(Some(body))
    }
}

impl Incoming {
    /// How long its body is, where that is told.
    pub(in crate::provider) fn length(&self) -> Option<u64> {
        self.response.headers().get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
    }
}
