//! Who writes a PostgreSQL database: a start that would not stand takes nothing, and a server that comes back without
//! what was told is noticed.

use crate::support::binary::{Postrider, account};
use crate::support::check::consistent;
use crate::support::database::ask;
use crate::support::mail::{blocking, note, seed, serve_well};
use crate::support::pgway::PgWay;
use crate::support::served::{head, until, wait_until, wait_within};
use std::time::{Duration, Instant};

const URL: &str = "POSTRIDER_STORE__URL";
/// So far numbers leap.
const LEAP: i64 = 1 << 32;

fn config(port: u16) -> String {
    format!("{}{}", head(), account("u", port, "pw"))
}

/// A second server is told who has the database, at once, and writes nothing; the first one does not notice.
#[tokio::test(flavor = "multi_thread")]
async fn a_second_start_is_told_who_writes() {
    let mailbox = seed::mailbox(3, 40);
    let server = serve_well("u", &mailbox).await;
    let postrider = Postrider::on_server(&config(server.port()));
    let other = Postrider::new(&config(server.port()));
    blocking(move || {
        let url = postrider.database().url().to_owned();
        let served = postrider.serve(&[]);
        served.settle(&postrider, "u", &mailbox);
        // Its end is told behind the last of its mail.
        until(&postrider.database(), "SELECT count(*) AS x FROM run", "1");
        let before = crate::support::check::state(&postrider.database());
        let began = Instant::now();
        let ran = other.run_with(&["sync", "--once"], &[(URL, &url)]).exits(8);
        assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
        let pid = format!(", process {} (backend ", served.running.child.id());
        assert!(
            ran.stderr.contains("is held by postrider on ")
                && ran.stderr.contains(&pid)
                && ran.stderr.contains("--take-over"),
            "{}",
            ran.stderr
        );
        assert_eq!(crate::support::check::state(&postrider.database()), before);
        mailbox.append("INBOX", note("afterwards"));
        served.settle(&postrider, "u", &mailbox);
        served.stop();
        consistent(&postrider.database());
    })
    .await;
}

/// Another with a data folder of its own that knows the instance, and the same bodies.
fn beside(a: &Postrider, port: u16) -> Postrider {
    let bodies = a.path("data/bodies");
    let b = Postrider::new(&format!("[bodies]\ndir = \"{}\"\n{}", bodies.display(), config(port)));
    std::fs::create_dir_all(b.path("data")).unwrap();
    for name in ["data/instance", "data/starts"] {
        std::fs::copy(a.path(name), b.path(name)).unwrap();
    }
    let private = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    std::fs::set_permissions(b.path("data"), private).unwrap();
    b
}

/// Where nothing happens that would have to be written, it is seen all the same who has the database now.
#[tokio::test(flavor = "multi_thread")]
async fn who_is_taken_over_in_a_quiet_hour_finds_out() {
    let mailbox = seed::mailbox(5, 20);
    let server = serve_well("u", &mailbox).await;
    let a = Postrider::on_server(&config(server.port()));
    blocking(move || {
        let url = a.database().url().to_owned();
        let first = a.serve(&[]);
        first.settle(&a, "u", &mailbox);
        wait_until("its end", || ask(&a.database(), "SELECT state AS x FROM account") == "idle");
        let b = beside(&a, server.port());
        let second = b.serve_with(&["serve", "--take-over"], &[(URL, &url)]);
        let ended = first.running.wait(Duration::from_secs(60)).exits(8);
        assert!(ended.stderr.contains("has been taken over"), "{}", ended.stderr);
        second.stop();
        consistent(&a.database());
    })
    .await;
}

/// Who takes the database over has it; who had it writes not one row more, and says who has it.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_taken_over_is_written_by_one() {
    let mailbox = seed::mailbox(4, 60);
    let server = serve_well("u", &mailbox).await;
    let a = Postrider::on_server(&config(server.port()));
    blocking(move || {
        let url = a.database().url().to_owned();
        let first = a.serve(&[]);
        first.settle(&a, "u", &mailbox);
        let b = beside(&a, server.port());
        first.running.signal("STOP");
        mailbox.append("INBOX", note("for B"));
        let second = b.serve_with(&["serve", "--take-over"], &[(URL, &url)]);
        until(&a.database(), "SELECT count(*) AS x FROM message WHERE subject = 'for B'", "1");
        let created = "SELECT count(*) AS x FROM event WHERE kind = 'message.created'";
        wait_until("B's run", || ask(&a.database(), "SELECT state AS x FROM account") == "idle");
        let signed = ask(&a.database(), "SELECT value AS x FROM setting WHERE name = 'writer'");
        assert!(signed.contains(&format!(" {} ", second.running.child.id())), "{signed}");
        first.running.signal("CONT");
        // It says who has it, and ends: nothing that it could wait for would give it back.
        let ended = first.running.wait(Duration::from_secs(60)).exits(8);
        let told = format!("taken over: postrider on {}", signed.split(' ').nth(1).unwrap());
        assert!(ended.stderr.contains(&told), "{told}: {}", ended.stderr);
        mailbox.append("INBOX", note("for B again"));
        until(
            &a.database(),
            "SELECT count(*) AS x FROM message WHERE subject = 'for B again'",
            "1",
        );
        assert_eq!(
            ask(&a.database(), "SELECT value AS x FROM setting WHERE name = 'writer'"),
            signed
        );
        assert_eq!(
            ask(&a.database(), created),
            ask(&a.database(), "SELECT count(*) AS x FROM message")
        );
        second.stop();
        consistent(&a.database());
        assert_eq!(b.run_with(&["verify", "u", "--offline"], &[(URL, &url)]).code, Some(0));
    })
    .await;
}

/// A start whose data folder is another mirror's says so, and whoever has the database does not notice.
#[tokio::test(flavor = "multi_thread")]
async fn what_would_not_stand_takes_nothing_over() {
    let mailbox = seed::mailbox(71, 20);
    let server = serve_well("u", &mailbox).await;
    let a = Postrider::on_server(&config(server.port()));
    let b = Postrider::new(&config(server.port()));
    blocking(move || {
        let url = a.database().url().to_owned();
        let served = a.serve(&[]);
        served.settle(&a, "u", &mailbox);
        let signed = "SELECT value AS x FROM setting WHERE name = 'writer'";
        let before = ask(&a.database(), signed);
        let ran = b.run_with(&["serve", "--take-over"], &[(URL, &url)]).exits(2);
        assert!(ran.stderr.contains("do not belong together"), "{}", ran.stderr);
        assert_eq!(ask(&a.database(), signed), before);
        mailbox.append("INBOX", note("still here"));
        until(&a.database(), "SELECT count(*) AS x FROM message WHERE subject = 'still here'", "1");
        served.stop();
        consistent(&a.database());
        let ran = b.run(&["serve", "--take-over"]).exits(2);
        assert!(ran.stderr.contains("--take-over is for"), "{}", ran.stderr);
    })
    .await;
}

/// A standby that was promoted lacks the last commits: no number that was told is used again, of an event, a message,
/// a folder or an account.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_lacks_what_was_told_is_noticed() {
    let mailbox = seed::mailbox(72, 20);
    let server = serve_well("u", &mailbox).await;
    let postrider = Postrider::on_server(&config(server.port()));
    blocking(move || {
        let served = postrider.serve(&[]);
        served.settle(&postrider, "u", &mailbox);
        let database = postrider.database();
        let standby = database.copied();
        mailbox.create("Later", "");
        mailbox.append("INBOX", note("told"));
        mailbox.append("Later", note("told there"));
        served.ask("POST", "/v1/accounts/u/sync-now");
        served.settle(&postrider, "u", &mailbox);
        let told: i64 = ask(&database, "SELECT max(seq) AS x FROM event").parse().unwrap();
        standby.promote();
        mailbox.append("INBOX", note("behind it"));
        until(&database, "SELECT count(*) AS x FROM message WHERE subject = 'behind it'", "1");
        served.ask("POST", "/v1/accounts/u/sync-now");
        served.settle(&postrider, "u", &mailbox);
        let between = format!(
            "SELECT count(*) AS x FROM event WHERE seq > {told} AND seq <= {told} + {LEAP}"
        );
        assert_eq!(ask(&database, &between), "0");
        for number in [
            "SELECT max(seq) AS x FROM event",
            "SELECT min(id) AS x FROM message WHERE subject LIKE 'told%'",
            "SELECT id AS x FROM folder WHERE path = 'Later'",
            "SELECT nextval(pg_get_serial_sequence('account', 'id')) AS x",
        ] {
            let got: i64 = ask(&database, number).parse().unwrap();
            assert!(got > LEAP, "{number}: {got}");
        }
        served.stop();
        // What is missing is said by no gap: the leap is a row.
        postrider.run(&["verify", "u", "--offline"]).exits(0);
    })
    .await;
}

/// What lies between forgets all connections, and tells nobody: readers and writer are made anew within their
/// deadlines, and none of the old ones is waited for.
#[tokio::test(flavor = "multi_thread")]
async fn connections_that_went_silent_are_given_up() {
    let mailbox = seed::mailbox(73, 20);
    let server = serve_well("u", &mailbox).await;
    let config = format!("[store]\ntimeout = \"2s\"\n{}", config(server.port()));
    let postrider = Postrider::on_server(&config);
    blocking(move || {
        let way = PgWay::to(postrider.database().url());
        let by_way = way.url(postrider.database().url());
        let served = postrider.serve(&[(URL, &by_way)]);
        served.settle(&postrider, "u", &mailbox);
        let all_read = || {
            let ask = || served.ask("GET", "/v1/accounts").0 == 200;
            std::thread::scope(|s| {
                let asked: Vec<_> = (0..12).map(|_| s.spawn(ask)).collect();
                asked.into_iter().all(|asked| asked.join().unwrap())
            })
        };
        let begun = Instant::now();
        // One that was used a moment ago is believed to be there; any other shows it first.
        for (n, idle, most) in [(0, Duration::ZERO, 15), (1, Duration::from_millis(1500), 5)] {
            wait_until("readers", all_read);
            std::thread::sleep(idle);
            way.silence();
            let began = Instant::now();
            mailbox.append("INBOX", note(&format!("behind it {n}")));
            wait_within(Duration::from_secs(most), "readers", all_read);
            println!("read after {:?}", began.elapsed());
        }
        let sql = "SELECT count(*) AS x FROM message WHERE subject LIKE 'behind it%'";
        wait_within(Duration::from_secs(45), "the mail", || ask(&postrider.database(), sql) == "2");
        println!("stored after {:?}", begun.elapsed());
        served.settle(&postrider, "u", &mailbox);
        served.stop();
        consistent(&postrider.database());
    })
    .await;
}
