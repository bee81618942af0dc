//! A password is nowhere but in the config.

use crate::support::binary::{Postrider, SHORT};
use crate::support::mail::{blocking, seed};
use postrider_imapd::{Server, User};
use std::collections::BTreeMap;

const SECRET: &str = "s3cr3t-hunter2";

#[tokio::test(flavor = "multi_thread")]
async fn no_log_error_or_file_holds_it() {
    let user = User { password: SECRET.into(), mailbox: seed::mailbox(1, 20) };
    let server = Server::start(BTreeMap::from([("me".to_owned(), user)]), |_, _| None).await.unwrap();
    let config = |password: &str| {
        format!(
            "[telemetry]\nlog = \"trace\"\n{SHORT}[[account]]\nid = \"a\"\nhost = \"127.0.0.1\"\nport = {}\ntls = \"none\"\nusername = \"me\"\n{password}\n",
            server.port()
        )
    };
    let ways = [
        (config(&format!("password = \"{SECRET}\"")), 0),
        (config(&format!("password = \"{SECRET}-wrong\"")), 4),
        (config("password_env = \"PW\""), 0),
        (config("password_command = \"printf %s $PW\""), 0),
        (config("password_file = \"pw\""), 0),
    ];
    blocking(move || {
        for (config, code) in ways {
            let postrider = Postrider::new(&config);
            std::fs::write(postrider.path("pw"), format!("{SECRET}\n")).unwrap();
            let args = ["sync", "--once", "--wire-log", "wire", "--metrics", "metrics"];
            let ran = postrider.run_with(&args, &[("PW", SECRET)]);
            assert_eq!(ran.code, Some(code), "{}\n{}", ran.stdout, ran.stderr);
            let coded = ["czNjcjN0", "AG1lAHMz"];
            for text in [&ran.stdout, &ran.stderr] {
                assert!(!text.contains(SECRET) && !coded.iter().any(|c| text.contains(c)), "{text}");
            }
            for file in ["wire", "metrics", "data/postrider.db", "data/postrider.db-wal", "data/lock"] {
                let bytes = std::fs::read(postrider.path(file)).unwrap_or_default();
                let text = String::from_utf8_lossy(&bytes);
                assert!(!text.contains(SECRET) && !coded.iter().any(|c| text.contains(c)), "{file}");
            }
        }
    })
    .await;
}
