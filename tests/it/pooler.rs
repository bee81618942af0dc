//! Between us and PostgreSQL stands a pooler (PgBouncer).

use crate::support::binary::{Postrider, SHORT, account};
use crate::support::check::consistent;
use crate::support::mail::{blocking, seed, serve_well};
use crate::support::postgres::Pooler;

/// A pooler that keeps a session's server is as good as none; one that hands it on between transactions is refused,
/// with what to write.
#[tokio::test(flavor = "multi_thread")]
async fn a_pooler_of_sessions_will_do_and_one_of_transactions_will_not() {
    let mailbox = seed::mailbox(41, 60);
    let server = serve_well("u", &mailbox).await;
    let postrider = Postrider::on_server(&format!("{SHORT}{}", account("u", server.port(), "pw")));
    blocking(move || {
        let url = postrider.database().url().to_owned();
        let through = |pooler: &Pooler| {
            let by_pooler = pooler.url(&url);
            postrider.run_with(&["sync", "--once"], &[("POSTRIDER_STORE__URL", &by_pooler)])
        };
        let of_transactions = Pooler::start(&url, "transaction");
        let refused = through(&of_transactions).exits(7);
        assert!(refused.stderr.contains("pool_mode = session"), "{}", refused.stderr);
        assert!(!postrider.database().exists(), "nothing was written");
        let of_sessions = Pooler::start(&url, "session");
        through(&of_sessions).exits(0);
        consistent(&postrider.database());
        assert_eq!(postrider.manifest("u"), crate::support::check::expected(&mailbox));
    })
    .await;
}
