//! Questions that are not about single messages: folders, windows, lists.

use crate::provider::api::MailApi;
use crate::provider::api::http::{encoded, unreadable};
use crate::provider::nylas::client::NylasClient;
use crate::provider::nylas::failure::NylasRefusal;
use crate::provider::nylas::places::{ALL, identity, listed_state, places};
use crate::provider::nylas::wire::{FolderRow, Many, MessageRow};
use postrider_core::failure::{Class, Failure, Provenance, Reach};
use postrider_core::mail::feed::{FeedCursor, PageToken, PlaceId};
use postrider_core::provider::feeds::{
    FeedAnswer, FeedItem, FeedRequest, FeedWord, ListedMail, Onward, Within,
};
use postrider_core::time::Micros;
use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::{Arc, PoisonError};

/// What a question costs: requests are what is counted.
pub(super) const REQUEST: u64 = 1;
/// Messages, or folders, in an answer: the most that there may be.
const PAGE: usize = 200;
/// Of a message, without what it says.
pub(super) const SELECT: &str = "id,folders,unread,starred,date,thread_id";
/// Folders in all.
const FOLDERS: usize = 10_000;
/// A window begins so long before the end of the last one: what comes late, and what was told late.
const OVERLAP: i64 = 2 * 86_400;
/// Of a mailbox that is read by IMAP, Nylas keeps what is younger than this; a day less, so that nothing falls between.
const KEPT: i64 = 89 * 86_400;

/// How far a list of the whole mailbox is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum ListAt {
    /// In what Nylas tells by itself; from the beginning.
    Kept(Option<String>),
    /// In what is older than this (seconds), in a folder.
    Older(i64, String, Option<String>),
}

impl ListAt {
    fn of(token: Option<&PageToken>) -> Option<Self> {
        let Some(PageToken(token)) = token else { return Some(Self::Kept(None)) };
        let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        match token.split_once(' ')? {
            ("kept", token) => Some(Self::Kept(some(token))),
            ("older", rest) => {
                let mut parts = rest.splitn(3, ' ');
                let before = parts.next()?.parse().ok()?;
                let token = some(parts.next()?);
                Some(Self::Older(before, parts.next()?.to_owned(), token))
            }
            _ => None,
        }
    }

    fn token(&self) -> PageToken {
        PageToken(match self {
            Self::Kept(token) => format!("kept {}", token.as_deref().unwrap_or_default()),
            // A folder's id may have blanks.
            Self::Older(before, folder, token) => {
                format!("older {before} {} {folder}", token.as_deref().unwrap_or_default())
            }
        })
    }
}

impl NylasClient {
    /// Answers a question that is not about single messages.
    ///
    /// # Errors
    /// Whatever a refusal means; network and timeout.
    pub(super) async fn look(&self, request: &FeedRequest) -> Result<FeedAnswer, Failure> {
        match request {
            FeedRequest::Places => {
                // Whether they may be seen at all is asked with them: a hint that tells of the grant asks this.
                self.ask_grant().await?;
                let (rows, clock) = self.folders().await?;
                Ok(FeedAnswer::Placed {
                    places: places(&rows, self.is_google()),
                    labels: Vec::new(),
                    derived: self.is_google().then(|| PlaceId(ALL.into())),
                    clock,
                })
            }
            FeedRequest::Head { .. } => self.head().await,
            FeedRequest::Counts => Ok(FeedAnswer::Counted(None)),
            FeedRequest::Changes { since: None, .. } => {
                Err(Failure::bug("Nylas has no first round"))
            }
            FeedRequest::Changes { since: Some(since), token, .. } => {
                self.window(since, token.as_ref()).await
            }
            FeedRequest::List { within: Within::All, token } => {
                self.list(None, token.as_ref()).await
            }
            FeedRequest::List { within: Within::Place(id) | Within::Label(id), token } => {
                self.list(Some(id), token.as_ref()).await
            }
            FeedRequest::Get { .. } => Err(Failure::bug("messages are not looked at")),
        }
    }

    async fn folders(&self) -> Result<(Vec<FolderRow>, Micros), Failure> {
        let (mut rows, mut token, mut pages) = (Vec::new(), String::new(), 0);
        loop {
            let _units = self.pay_look(REQUEST).await?;
            let path = format!("/folders?limit={PAGE}{token}");
            let (page, clock) = match self.json::<Many<FolderRow>>(&path).await? {
                Ok(found) => found,
                Err(refusal) => return Err(self.failure(&refusal).await),
            };
            pages += 1;
            rows.extend(page.data.into_iter().filter(|row: &FolderRow| !row.id.is_empty()));
            if rows.len() > FOLDERS || pages > FOLDERS / PAGE {
                return Err(unreadable("it holds more folders than a mailbox can have"));
            }
            match page.next_cursor {
                Some(next) => token = format!("&page_token={}", encoded(&next)),
                None if rows.is_empty() => {
                    let text = "the server shows no folders, not even the inbox";
                    return Err(Failure::new(
                        Class::Provider,
                        Reach::Account,
                        Provenance::Server,
                        text,
                    ));
                }
                None => {
                    let ids = rows.iter().map(|row| row.id.clone()).collect();
                    *self.folder_ids.lock().unwrap_or_else(PoisonError::into_inner) =
                        Some(Arc::new(ids));
                    return Ok((rows, clock));
                }
            }
        }
    }

    /// There is no feed: its end is the time of now, by the server's clock.
    async fn head(&self) -> Result<FeedAnswer, Failure> {
        let _units = self.pay_look(REQUEST).await?;
        let path = format!("/messages?limit=1&select={SELECT}");
        match self.json::<Many<MessageRow>>(&path).await? {
            Ok((_, clock)) => Ok(FeedAnswer::Headed { cursor: edge(clock), clock }),
            Err(refusal) => Err(self.failure(&refusal).await),
        }
    }

    /// The newest mail, from the last window's end less an overlap; that end is when this one began.
    async fn window(
        &self,
        since: &FeedCursor,
        token: Option<&PageToken>,
    ) -> Result<FeedAnswer, Failure> {
        let Ok(since) = since.0.parse::<i64>() else { return Ok(FeedAnswer::Expired) };
        let (began, at) = match token {
            Some(PageToken(token)) => match token.split_once(' ') {
                Some((began, token)) => (Some(began.to_owned()), Some(token)),
                None => return Ok(FeedAnswer::TokenDead),
            },
            None => (None, None),
        };
        let after = since.saturating_sub(OVERLAP).max(0);
        let (page, clock) = match self.page(&format!("&received_after={after}"), at).await? {
            Ok(found) => found,
            Err(refusal) if token.is_some() && is_dead(&refusal) => {
                return Ok(FeedAnswer::TokenDead);
            }
            Err(refusal) => return Err(self.failure(&refusal).await),
        };
        let began = began.unwrap_or_else(|| edge(clock).0);
        let word = |row: &MessageRow| FeedItem {
            id: identity(&row.id),
            word: listed_state(row, self.is_google()).map_or(FeedWord::Touched, FeedWord::Shown),
        };
        let items = page.data.iter().map(word).collect();
        let next = match page.next_cursor {
            Some(next) => Onward::Page(PageToken(format!("{began} {next}"))),
            None => Onward::Cursor { cursor: FeedCursor(began), more: false },
        };
        Ok(FeedAnswer::Changed { items, next })
    }

    /// Everything, or what lies in a folder: what Nylas tells by itself, and, where it keeps the newest alone, what is older,
    /// folder by folder.
    async fn list(
        &self,
        within: Option<&PlaceId>,
        token: Option<&PageToken>,
    ) -> Result<FeedAnswer, Failure> {
        let Some(mut at) = ListAt::of(token) else { return Ok(FeedAnswer::TokenDead) };
        loop {
            let (of, token) = match &at {
                ListAt::Kept(token) => {
                    let of = within.map(|id| format!("&in={}", encoded(&id.0)));
                    (of.unwrap_or_default(), token)
                }
                ListAt::Older(before, folder, token) => {
                    let of = encoded(folder);
                    (format!("&query_imap=true&in={of}&received_before={before}"), token)
                }
            };
            let is_older = matches!(at, ListAt::Older(..));
            let page = match self.page(&of, token.as_deref()).await? {
                Ok((page, _)) => page,
                Err(refusal) if token.is_some() && is_dead(&refusal) => {
                    return Ok(FeedAnswer::TokenDead);
                }
                // One folder that cannot be listed there is no trouble of the others: what is held of it is asked about
                // by name.
                Err(refusal) if token.is_none() && refusal.is_of_question() && is_older => {
                    if let ListAt::Older(_, folder, _) = &at {
                        self.passes_over(folder, &refusal).await?;
                    }
                    Many::default()
                }
                Err(refusal) if within.is_some() && refusal.is_missing() => {
                    return Ok(FeedAnswer::NoPlace);
                }
                Err(refusal) => return Err(self.failure(&refusal).await),
            };
            let is_over = page.next_cursor.is_none();
            let next = self.behind(at, page.next_cursor, within).await?;
            // Folders without old mail are no pages: there may be many in a row.
            if let (true, true, Some(next)) = (is_over, page.data.is_empty(), &next) {
                at = next.clone();
                continue;
            }
            let rows = page.data.iter().map(|row| self.listed(row)).collect();
            return Ok(FeedAnswer::Page { rows, next: next.map(|at| at.token()) });
        }
    }

    /// Where a list goes on behind a page.
    async fn behind(
        &self,
        at: ListAt,
        cursor: Option<String>,
        within: Option<&PlaceId>,
    ) -> Result<Option<ListAt>, Failure> {
        Ok(match (at, cursor) {
            (ListAt::Kept(_), Some(token)) => Some(ListAt::Kept(Some(token))),
            (ListAt::Older(before, folder, _), Some(token)) => {
                Some(ListAt::Older(before, folder, Some(token)))
            }
            (ListAt::Kept(_), None) if !self.is_imap() => None,
            (ListAt::Kept(_), None) => {
                let before = self.now() - KEPT;
                match within {
                    Some(PlaceId(id)) => Some(ListAt::Older(before, id.clone(), None)),
                    None => {
                        // Those that are there now.
                        self.folders().await?;
                        self.folder_behind(before, None).await?
                    }
                }
            }
            (ListAt::Older(..), None) if within.is_some() => None,
            (ListAt::Older(before, folder, _), None) => {
                self.folder_behind(before, Some(&folder)).await?
            }
        })
    }

    /// The folder behind this one, by id, to be listed by IMAP.
    async fn folder_behind(
        &self,
        before: i64,
        last: Option<&str>,
    ) -> Result<Option<ListAt>, Failure> {
        let mut known = self.known_folders();
        if known.is_none() {
            self.folders().await?;
            known = self.known_folders();
        }
        let ids = known.unwrap_or_default();
        let from = last.map_or(Bound::Unbounded, Bound::Excluded);
        let next = ids.range::<str, _>((from, Bound::Unbounded)).next();
        Ok(next.map(|id| ListAt::Older(before, id.clone(), None)))
    }

    fn known_folders(&self) -> Option<Arc<BTreeSet<String>>> {
        self.folder_ids.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn listed(&self, row: &MessageRow) -> ListedMail {
        let (state, thread) = (listed_state(row, self.is_google()), row.thread_id.clone());
        ListedMail { id: identity(&row.id), state, thread }
    }

    async fn page(
        &self,
        of: &str,
        token: Option<&str>,
    ) -> Result<Result<(Many<MessageRow>, Micros), NylasRefusal>, Failure> {
        let _units = self.pay_look(REQUEST).await?;
        let token =
            token.map(|token| format!("&page_token={}", encoded(token))).unwrap_or_default();
        let path = format!("/messages?limit={PAGE}&select={SELECT}{of}{token}");
        let answer = self.json::<Many<MessageRow>>(&path).await?;
        if let Ok((page, _)) = &answer
            && page.data.len() > PAGE
        {
            return Err(unreadable("it holds more than was asked for"));
        }
        Ok(answer)
    }
}

fn edge(clock: Micros) -> FeedCursor {
    FeedCursor(clock.0.div_euclid(1_000_000).to_string())
}

/// Whether a page's token is no longer known.
fn is_dead(refusal: &NylasRefusal) -> bool {
    let message = refusal.message.to_lowercase();
    refusal.status == 400 && (message.contains("page_token") || message.contains("cursor"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_goes_on_where_its_token_says() {
        assert_eq!(ListAt::of(None), Some(ListAt::Kept(None)));
        for at in [
            ListAt::Kept(Some("a=b".into())),
            ListAt::Older(7, "Sent Items".into(), None),
            ListAt::Older(-7, "x".into(), Some("t".into())),
        ] {
            assert_eq!(ListAt::of(Some(&at.token())), Some(at));
        }
        assert_eq!(ListAt::of(Some(&PageToken("x".into()))), None);
        assert_eq!(ListAt::of(Some(&PageToken("older x".into()))), None);
    }

    #[test]
    fn a_window_ends_at_a_second() {
        assert_eq!(edge(Micros(1_999_999)), FeedCursor("1".into()));
    }
}
