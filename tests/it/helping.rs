//! Two sessions that read the history of one mailbox, from a real Dovecot.

use crate::anew::{fill, who};
use crate::dovecot::{client, truth};
use crate::support::binary::{Postrider, SHORT};
use crate::support::check::consistent;
use crate::support::dovecot::Dovecot;
use crate::support::mail::blocking;
use crate::support::relay::Relay;
use postrider_core::mail::uid_set::UidSet;
use std::process::Command;
use std::time::{Duration, Instant};

/// Octets a second that a connection brings: so few that the store waits for mail.
const PACE: f64 = 70_000.0;

fn config(port: u16, sessions: usize) -> String {
    // Opening so large a Maildir takes its time.
    let head = SHORT.replace("silence = \"500ms\"", "silence = \"10s\"");
    let head = head.replace("[limits]", &format!("[limits]\nsessions_per_account = {sessions}"));
    format!(
        "{head}[[account]]\nid = \"u\"\nhost = \"127.0.0.1\"\nport = {port}\ntls = \"none\"\nusername = \"u\"\npassword = \"pw\"\n"
    )
}

/// The UIDs whose bodies were asked for, and how many there were.
fn asked(wire: &str) -> (UidSet, u64) {
    let (mut all, mut count) = (UidSet::new(), 0);
    for line in wire.lines().filter(|line| line.contains("BODY.PEEK[]")) {
        let set = line.split(' ').skip_while(|word| *word != "FETCH").nth(1).unwrap();
        for part in set.split(',') {
            let (from, to) = part.split_once(':').unwrap_or((part, part));
            let uids = UidSet::range(from.parse().unwrap(), to.parse().unwrap());
            count += uids.len();
            all = all.union(&uids);
        }
    }
    (all, count)
}

/// Each mail is asked for once, whoever asks.
#[tokio::test(flavor = "multi_thread")]
async fn two_sessions_share_the_history_of_one_folder() {
    let server = Dovecot::start();
    fill(&server, 6000);
    let mut other = client(&server, "u").await;
    let want = truth(&mut other).await;
    other.logout().await.unwrap();
    let relay = Relay::slow(server.port, PACE);
    for sessions in [2, 1] {
        let postrider = Postrider::new(&config(relay.port, sessions));
        let want = want.clone();
        blocking(move || {
            postrider.run(&["sync", "--once", "--wire-log", "wire"]).exits(0);
            let wire = std::fs::read_to_string(postrider.path("wire")).unwrap();
            assert_eq!(wire.matches(" AUTHENTICATE ").count(), sessions, "{wire}");
            let (uids, count) = asked(&wire);
            assert_eq!((uids.to_string().as_str(), count), ("1:6000", 6000));
            assert!(postrider.manifest("u") == want, "another mirror");
            postrider.run(&["verify", "u"]).exits(0);
            consistent(&postrider.database());
        })
        .await;
    }
}

/// Whichever of the two is cut, all of it comes.
#[tokio::test(flavor = "multi_thread")]
async fn one_of_two_sessions_is_cut() {
    let server = Dovecot::start();
    fill(&server, 6000);
    let mut other = client(&server, "u").await;
    let want = truth(&mut other).await;
    other.logout().await.unwrap();
    let relay = Relay::slow(server.port, PACE);
    for nth in 0..2 {
        let postrider = Postrider::new(&config(relay.port, 2));
        let want = want.clone();
        let both = || -> Vec<String> {
            let told = who(&server);
            let pids = told.split("pids)=(").nth(1).and_then(|rest| rest.split(')').next());
            pids.unwrap_or_default().split(' ').map(str::to_owned).collect()
        };
        let running = postrider.start(&["sync", "--once", "--wire-log", "wire"], &[]);
        let deadline = Instant::now() + Duration::from_secs(60);
        while both().len() < 2 {
            assert!(Instant::now() < deadline, "one session alone: {}", who(&server));
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let mut pids = both();
        pids.sort_by_key(|pid| pid.parse::<u32>().unwrap());
        assert!(Command::new("kill").args(["-9", &pids[nth]]).status().unwrap().success());
        blocking(move || {
            running.wait(Duration::from_secs(120));
            assert!(postrider.manifest("u") == want, "another mirror");
            consistent(&postrider.database());
            let wire = std::fs::read_to_string(postrider.path("wire")).unwrap();
            let (uids, count) = asked(&wire);
            assert_eq!(uids.to_string(), "1:6000");
            // What each had been asked for when it ended, and no more.
            assert!(count <= 6000 + 6 * 500, "{count} were asked for");
        })
        .await;
    }
}
