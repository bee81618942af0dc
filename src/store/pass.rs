//! Work that goes over many rows: in pieces, each a transaction of its own between those of pages, so
//! that nobody waits for the whole of it. Who adds one says what a piece does; how large a piece is, and
//! when the next one goes, is said here and in the actor.

use crate::store::failure::Trouble;
use crate::store::transaction::Transaction;
use postrider_core::batch::PieceSize;
use std::fmt::Debug;
use std::time::Duration;

/// Work over rows.
pub(super) trait RowPass: Debug + Send + Sync {
    /// What the log calls it.
    const NAME: &'static str;
    /// Rows of a piece, at most.
    const MOST: i64;
    /// Where a piece begins.
    type Cursor: Copy + Debug + Default + Send + Sync;

    /// Goes over so many rows from there on. Says where the next piece begins; nothing at the end.
    fn piece(
        &self,
        db: &Transaction,
        from: Self::Cursor,
        most: i64,
    ) -> impl Future<Output = Result<Option<Self::Cursor>, Trouble>> + Send;
}

/// A pass that is under way.
#[derive(Debug)]
pub(super) struct PassUnderWay<P: RowPass> {
    pass: P,
    cursor: P::Cursor,
    size: PieceSize,
    pieces: u64,
}

impl<P: RowPass> PassUnderWay<P> {
    /// It begins with its next piece.
    pub(super) fn new(pass: P) -> Self {
        Self { pass, cursor: P::Cursor::default(), size: PieceSize::of(P::MOST), pieces: 0 }
    }

    /// One piece. It counts when its transaction is kept.
    pub(super) async fn piece(&self, db: &Transaction) -> Result<Option<P::Cursor>, Trouble> {
        self.pass.piece(db, self.cursor, self.size.rows()).await
    }

    /// A piece took so long, and was kept; whether others follow.
    pub(super) fn kept(&mut self, next: Option<P::Cursor>, took: Duration) -> bool {
        self.pieces += 1;
        self.size = self.size.after(took);
        let Some(next) = next else {
            tracing::debug!("{} over: {:?}, {} pieces", P::NAME, self.pass, self.pieces);
            return false;
        };
        self.cursor = next;
        true
    }
}
