//! Questions that are not about single messages: places, cursor, count, changes, lists.

use crate::provider::api::MailApi;
use crate::provider::api::http::{encoded, unreadable};
use crate::provider::gmail::client::{GmailClient, SMALL};
use crate::provider::gmail::failure::GmailRefusal;
use crate::provider::gmail::history::{identity, words};
use crate::provider::gmail::places::{ALL, sort_out};
use crate::provider::gmail::watch::pushes;
use crate::provider::gmail::wire::{
    HistoryList, LabelList, Message, MessageId, MessageList, is_digits,
};
use postrider_core::failure::{Class, Failure, Provenance, Reach};
use postrider_core::mail::feed::{FeedCursor, MailVersion, PageToken, PlaceId};
use postrider_core::provider::feeds::{FeedAnswer, FeedRequest, ListedMail, Onward, Within};
use postrider_core::provider::{Answer, Request};
use postrider_core::time::Micros;

/// What history.list costs.
const HISTORY: u64 = 2;
/// What messages.list costs.
const LIST: u64 = 5;
/// Ids, or records, in an answer: the most that there may be.
const PAGE: u32 = 500;
/// Records in an answer: one may tell of many messages. Where it is too long they are fewer.
const RECORDS: u32 = 100;
/// What of them is read; the rest repeats it.
const FIELDS: &str = "historyId,nextPageToken,history(id,messagesAdded/message(id,labelIds),\
    messagesDeleted/message/id,labelsAdded(labelIds,message/id),labelsRemoved(labelIds,message/id))";
/// Of those, what is taken for an answer at all.
const MOST_OF_A_PAGE: usize = 1000;
/// Labels of a mailbox: Gmail ends at 10,000.
const LABELS: usize = 10_000;
/// Pages of history that are gone through for a cursor where no profile tells it.
const HISTORY_PAGES: u32 = 1000;

/// Whichever of two historyIds is later.
fn later(a: &str, b: &str) -> String {
    let newer = if MailVersion::new(a) < MailVersion::new(b) { b } else { a };
    newer.to_owned()
}

impl GmailClient {
    /// Answers a question that brings no message.
    ///
    /// # Errors
    /// Whatever a refusal means; network and timeout; class config: another mailbox.
    pub(super) async fn answer(&self, request: &Request) -> Result<Answer, Failure> {
        match request {
            Request::Feed(request) => self.look(request).await.map(Answer::Feed),
            Request::Push(request) => pushes(self, request).await.map(Answer::Push),
            _ => Err(Failure::bug("Gmail's API knows no folders")),
        }
    }

    /// Answers a question that is not about single messages.
    ///
    /// # Errors
    /// Whatever a refusal means; network and timeout; class config: another mailbox.
    pub(super) async fn look(&self, request: &FeedRequest) -> Result<FeedAnswer, Failure> {
        let answer = match request {
            FeedRequest::Places => self.places().await?,
            FeedRequest::Head { .. } => self.head().await?,
            FeedRequest::Counts => {
                FeedAnswer::Counted(self.profile().await?.and_then(|(p, _)| p.messages_total))
            }
            FeedRequest::Changes { since, token, .. } => {
                let Some(since) = since else {
                    return Err(Failure::bug("Gmail has no first round"));
                };
                let answer = self.changes(since, token.as_ref()).await?;
                // That nothing has changed is harmless, whosever mailbox it is.
                let is_quiet = matches!(
                    &answer,
                    FeedAnswer::Changed { items, next: Onward::Cursor { cursor, .. } }
                        if items.is_empty() && cursor == since
                );
                if is_quiet {
                    return Ok(answer);
                }
                answer
            }
            FeedRequest::List { within, token } => self.list(within, token.as_ref()).await?,
            FeedRequest::Get { .. } => return Err(Failure::bug("messages are not looked at")),
        };
        self.look_whose().await?;
        Ok(answer)
    }

    async fn places(&self) -> Result<FeedAnswer, Failure> {
        let _units = self.pay_look(SMALL).await?;
        let (list, clock) = match self.json::<LabelList>("labels?fields=labels(id,name)").await? {
            Ok(found) => found,
            Err(refusal) => return Err(self.failure(&refusal)),
        };
        if list.labels.is_empty() {
            let text = "the server shows no labels, not even the inbox";
            return Err(Failure::new(Class::Provider, Reach::Account, Provenance::Server, text));
        }
        if list.labels.len() > LABELS {
            return Err(unreadable("it holds more labels than a mailbox can have"));
        }
        let (places, labels) = sort_out(&list.labels);
        Ok(FeedAnswer::Placed { places, labels, derived: Some(PlaceId(ALL.into())), clock })
    }

    async fn head(&self) -> Result<FeedAnswer, Failure> {
        if let Some((profile, clock)) = self.profile().await? {
            let cursor = FeedCursor(profile.history_id.0);
            return Ok(FeedAnswer::Headed { cursor, clock });
        }
        // Where there is no profile: the end of the history since the newest message's last change.
        let units = self.pay_look(LIST).await?;
        let listed =
            self.json::<MessageList>("messages?maxResults=1&includeSpamTrash=true").await?;
        let (newest, mut clock) = listed.map_err(|refusal| self.failure(&refusal))?;
        drop(units);
        let mut cursor = "1".to_owned();
        if let Some(newest) = newest.messages.first() {
            let units = self.pay_look(self.plan.get).await?;
            let path = format!("messages/{}?format=minimal", encoded(&newest.id));
            match self.json::<Message>(&path).await? {
                Ok((message, at)) => {
                    clock = at;
                    cursor = message.history_id.map_or(cursor, |id| id.0);
                }
                // It has just gone: what it has changed is gone through, too.
                Err(refusal) if refusal.is_missing() => {}
                Err(refusal) => return Err(self.failure(&refusal)),
            }
            drop(units);
        }
        let mut token = None;
        for _ in 0..HISTORY_PAGES {
            let page = match self.history(&cursor, token.as_ref()).await? {
                Ok((page, at)) => {
                    clock = at;
                    page
                }
                // A mailbox without any history begins there.
                Err(refusal) if refusal.is_missing() => break,
                Err(refusal) => return Err(self.failure(&refusal)),
            };
            if let Some(head) = &page.history_id {
                cursor = later(&cursor, &head.0);
            }
            token = page.next_page_token.map(PageToken);
            if token.is_none() {
                break;
            }
        }
        Ok(FeedAnswer::Headed { cursor: FeedCursor(cursor), clock })
    }

    async fn history(
        &self,
        since: &str,
        token: Option<&PageToken>,
    ) -> Result<Result<(HistoryList, Micros), GmailRefusal>, Failure> {
        let token = token.map(|t| format!("&pageToken={}", encoded(&t.0))).unwrap_or_default();
        let since = encoded(since);
        let mut records = RECORDS;
        loop {
            let _units = self.pay_look(HISTORY).await?;
            let path = format!(
                "history?startHistoryId={since}&maxResults={records}&fields={FIELDS}{token}"
            );
            match self.json(&path).await? {
                Err(refusal) if refusal.is_too_long && records > 1 => records /= 10,
                answer => return Ok(answer),
            }
        }
    }

    async fn changes(
        &self,
        since: &FeedCursor,
        token: Option<&PageToken>,
    ) -> Result<FeedAnswer, Failure> {
        // Not a cursor that this API has ever told: what was stored wrongly once is begun anew.
        if !is_digits(&since.0) {
            return Ok(FeedAnswer::Expired);
        }
        // The login has just said that nothing has.
        if token.is_none() && self.is_head(&since.0).await {
            let next = Onward::Cursor { cursor: since.clone(), more: false };
            return Ok(FeedAnswer::Changed { items: Vec::new(), next });
        }
        let page = match self.history(&since.0, token).await? {
            Ok((page, _)) => page,
            // One record that is longer than any may be is as good as forgotten: lists say the rest.
            Err(refusal) if refusal.is_missing() || refusal.is_too_long => {
                return Ok(FeedAnswer::Expired);
            }
            Err(refusal) if token.is_some() && refusal.is_wrong_about("token") => {
                return Ok(FeedAnswer::TokenDead);
            }
            Err(refusal) if refusal.is_wrong_about("historyid") => return Ok(FeedAnswer::Expired),
            Err(refusal) => return Err(self.failure(&refusal)),
        };
        if page.history.len() > MOST_OF_A_PAGE {
            return Err(unreadable("it holds more than was asked for"));
        }
        let items = words(&page.history);
        let newest = page.history.iter().fold(since.0.clone(), |newest, r| later(&newest, &r.id.0));
        // A record that this page has shown is as good a cursor as the end; not the last one, of
        // which the next page may have more.
        let mut shown = page.history.iter().map(|record| &record.id.0);
        let before_last = shown.rfind(|id| **id != newest && later(&since.0, id) != since.0);
        let next = match (page.next_page_token.map(PageToken), before_last) {
            (Some(token), None) => Onward::Page(token),
            (Some(_), Some(id)) => Onward::Cursor { cursor: FeedCursor(id.clone()), more: true },
            (None, _) => {
                let head = page.history_id.map(|id| later(&newest, &id.0)).unwrap_or(newest);
                Onward::Cursor { cursor: FeedCursor(head), more: false }
            }
        };
        Ok(FeedAnswer::Changed { items, next })
    }

    async fn list(
        &self,
        within: &Within,
        token: Option<&PageToken>,
    ) -> Result<FeedAnswer, Failure> {
        let _units = self.pay_look(LIST).await?;
        let label = match within {
            Within::All => String::new(),
            Within::Place(id) | Within::Label(id) => format!("&labelIds={}", encoded(&id.0)),
        };
        let page = token.map(|t| format!("&pageToken={}", encoded(&t.0))).unwrap_or_default();
        let path = format!(
            "messages?maxResults={PAGE}&includeSpamTrash=true&fields=messages(id,threadId),nextPageToken{label}{page}"
        );
        match self.json::<MessageList>(&path).await? {
            Ok((list, _)) if list.messages.len() > MOST_OF_A_PAGE => {
                Err(unreadable("it holds more than was asked for"))
            }
            Ok((list, _)) => {
                let row = |m: MessageId| ListedMail {
                    id: identity(&m.id),
                    state: None,
                    thread: m.thread_id,
                };
                let rows = list.messages.into_iter().map(row).collect();
                Ok(FeedAnswer::Page { rows, next: list.next_page_token.map(PageToken) })
            }
            Err(refusal) if token.is_some() && refusal.is_wrong_about("token") => {
                Ok(FeedAnswer::TokenDead)
            }
            Err(refusal)
                if !label.is_empty()
                    && (refusal.is_wrong_about("label") || refusal.is_missing()) =>
            {
                Ok(FeedAnswer::NoPlace)
            }
            Err(refusal) => Err(self.failure(&refusal)),
        }
    }
}
