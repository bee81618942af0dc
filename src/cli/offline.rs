//! What the database says while no server runs: the same shapes as the API's, from the same views.

use crate::admin::derived_view::derived;
use crate::admin::failures::FailureView;
use crate::admin::view::{AccountView, DatabaseView};
use crate::cli::exit::Exit;
use crate::cli::patience::opened;
use crate::clock::Clock;
use crate::config::Config;
use crate::feed::{self, EventFilter, EventView, NoPage, with_heads};
use crate::store::{Database, FailureReader, Reader, WhichFailures};
use postrider_core::failure::Failure;
use postrider_core::mail::id::AccountId;
use postrider_core::standing::Standing;
use postrider_core::wanted::After;
use serde_json::Value;

/// Rows that are read at a time.
const PAGE: u32 = 1000;

/// A database that is only looked into.
pub(super) struct StoredMirror {
    db: Database,
    reader: Reader,
}

fn said(failure: &Failure) -> Exit {
    eprintln!("{failure}");
    Exit::of_class(failure.class)
}

fn values<T: serde::Serialize>(items: impl Iterator<Item = T>) -> Result<Vec<Value>, Exit> {
    items
        .map(serde_json::to_value)
        .collect::<Result<_, _>>()
        .map_err(|e| said(&Failure::bug(e.to_string())))
}

impl StoredMirror {
    /// Opens the database of a config, and says that it is the one who speaks.
    pub(super) async fn open(config: &Config) -> Result<Self, Exit> {
        let db = opened(config).await.map_err(|e| {
            eprintln!("{e}");
            Exit::Storage
        })?;
        eprintln!(
            "no server runs on {}; this is what the database says",
            config.data_dir.display()
        );
        Ok(Self { reader: Reader::new(&db), db })
    }

    /// Every account, or the one of this name.
    pub(super) async fn accounts(&self, name: Option<&str>) -> Result<Vec<Value>, Exit> {
        let rows = self.reader.stored_accounts(name).await.map_err(|e| said(&e))?;
        if let (Some(name), true) = (name, rows.is_empty()) {
            eprintln!("there is no account {name}");
            return Err(Exit::Usage);
        }
        let mut derived = derived(&self.reader, None).await;
        let mut accounts = values(rows.iter().map(|row| {
            let mut view = AccountView::stored(row);
            view.derived = derived.remove(&AccountId(row.id));
            view
        }))?;
        for account in accounts.iter_mut().filter_map(Value::as_object_mut) {
            account.insert("followed".into(), false.into());
            // What would happen next does not, while nobody runs.
            let standing =
                account.get("state").and_then(Value::as_str).and_then(Standing::from_word);
            if standing.is_none_or(Standing::is_wanted) {
                account.insert("what_next".into(), "nothing while no server runs".into());
            }
            if account.get("to_do").and_then(Value::as_str) == Some("nothing") {
                account.insert("to_do".into(), "`postrider serve` goes on with it".into());
            }
        }
        Ok(accounts)
    }

    /// The database itself.
    pub(super) async fn database(&self) -> Value {
        let view = DatabaseView::asked(&self.reader, Clock::start()).await;
        serde_json::to_value(view).unwrap_or_default()
    }

    /// What could not be done.
    pub(super) async fn failures(&self, which: &WhichFailures) -> Result<Vec<Value>, Exit> {
        let (mut items, mut after) = (Vec::new(), 0);
        let reader = FailureReader::new(&self.reader);
        loop {
            let rows = reader.rows(which, after, PAGE).await.map_err(|e| said(&e))?;
            let Some(last) = rows.last() else { return Ok(items) };
            after = last.id;
            items.extend(values(rows.iter().map(FailureView::from))?);
        }
    }

    /// Some events after a number, and the number behind which the next ones are, if there are any.
    pub(super) async fn events(
        &self,
        filter: &EventFilter,
        heads: bool,
        after: i64,
    ) -> Result<(Vec<Value>, Option<i64>), Exit> {
        let page = match feed::page(&self.reader, filter, after, PAGE).await {
            Ok(page) => page,
            Err(NoPage::Failed(failure)) => return Err(said(&failure)),
            Err(NoPage::Beyond(beyond)) => {
                eprintln!("{}", beyond.text(after));
                return Err(Exit::Usage);
            }
        };
        let items = match heads {
            true => with_heads(&self.reader, page.rows.iter()).await.map_err(|e| said(&e))?,
            false => page.rows.iter().map(EventView::from).collect(),
        };
        Ok((values(items.into_iter())?, Some(page.next).filter(|_| !page.is_last)))
    }

    /// The number behind which somebody begins.
    pub(super) async fn first_of(&self, after: After) -> Result<i64, Exit> {
        feed::begin(&self.reader, after).await.map_err(|e| said(&e))
    }

    /// Done.
    pub(super) async fn close(self) {
        self.db.close().await;
    }
}
