//! What says that database and data folder belong together.

use crate::store::sql::query::{queries, rows};

rows! {
    pub(in crate::store) struct Kept {
        pub(in crate::store) value: String,
    }

    pub(in crate::store) struct Told {
        pub(in crate::store) version: String,
    }

    pub(in crate::store) struct NextSeq {
        pub(in crate::store) next: i64,
    }
}

queries! {
    /// A text about settings, and about the numbers of events.
    SettingText, setting:
    Setting { name: String } -> Kept;
    /// Notes that the numbers of events leap by so much.
    LeapRow { by: i64 };
    /// All that is handed out by number leaps: messages and folders with the events.
    LeapCounters { by: i64 };
    /// The numbers of accounts are the database's own to hand out.
    LeapAccounts { by: i64 } -> NextSeq;
    NextEvent {} -> NextSeq;
    PutSetting { name: String, value: String };
    ForgetSetting { name: String };
    Version {} -> Told;
}
