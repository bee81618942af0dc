//! The two streams of an account.

string_enum! {
    /// Which of an account's two streams a question belongs to.
    Lane {
        /// What keeps the mirror current: looks, and mail that has just come.
        Live => "live",
        /// Mail of the past, and further tries.
        Backfill => "backfill",
    }
}
