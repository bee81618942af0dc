//! How a PostgreSQL server is logged in to: by a password of a file, over TLS that is believed; and where the database
//! is, for whoever is told only the data folder.

use crate::support::binary::{Postrider, SHORT, account};
use crate::support::database::{TestDatabase, change};
use crate::support::mail::{blocking, seed, serve_well};
use crate::support::postgres::OwnServer;

/// The variables by which a config says it.
const URL: &str = "POSTRIDER_STORE__URL";
const PASSWORD: &str = "POSTRIDER_STORE__PASSWORD_FILE";

#[tokio::test(flavor = "multi_thread")]
async fn a_server_is_logged_in_to_by_a_password_over_tls() {
    let mailbox = seed::mailbox(51, 20);
    let imap = serve_well("u", &mailbox).await;
    let postrider = Postrider::new(&format!("{SHORT}{}", account("u", imap.port(), "pw")));
    blocking(move || {
        let server = OwnServer::start_guarded("geheim's");
        let plain = server.url();
        let cert = server.file("cert.pem");
        std::fs::write(postrider.path("right"), "geheim's\n").unwrap();
        std::fs::write(postrider.path("wrong"), "falsch\n").unwrap();
        let believed = format!("{plain}?sslmode=verify-full&sslrootcert={}", cert.display());
        let right = (PASSWORD, "right");
        std::fs::copy(&cert, postrider.path("beside.pem")).unwrap();
        std::fs::write(postrider.path("pgpass"), "elsewhere:5432:*:postrider:falsch\n").unwrap();
        let own = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(postrider.path("pgpass"), own).unwrap();
        let of_file = ("PGPASSFILE", "pgpass");
        let with = |what: &str| format!("{plain}?{what}");
        let nameless = believed.replace("postrider@", "");
        for (url, password, code, told) in [
            // Nobody believes a certificate that signed itself.
            (with("sslmode=verify-full"), right, 7, "sslrootcert names a file"),
            (believed.clone(), (PASSWORD, "wrong"), 7, "the password is that of wrong"),
            (believed.clone(), ("PGPASSWORD", "falsch"), 7, "that of PGPASSWORD"),
            (believed.clone(), of_file, 7, "no password was found"),
            (believed.replace("postrider@", "postrider:falsch@"), of_file, 7, "that of store.url"),
            (nameless, right, 7, "store.url names no user: write"),
            (believed.replace("/postgres?", "/nowhere?"), right, 7, "name another in store.url"),
            (with("sslmode=disable"), right, 7, "pg_hba.conf"),
            // What is not there is the config's fault, and needs no server to be found.
            (believed.clone(), (PASSWORD, "nowhere"), 2, "password_file: nowhere cannot be read"),
            (with("sslmode=verify-full&sslrootcert=none.pem"), right, 2, "none.pem cannot be read"),
            (with("sslmode=verify-full&sslrootcert=right"), right, 2, "holds no certificate"),
        ] {
            let ran = postrider.run_with(&["sync", "--once"], &[(URL, &url), password]).exits(code);
            assert!(ran.stderr.contains(told), "{url}: {}", ran.stderr);
            for word in ["Query Error", "Custom Error", "at line", "error returned"] {
                assert!(!ran.stderr.contains(word), "{word}: {}", ran.stderr);
            }
            if code == 2 {
                let check = ["check", "--offline"];
                let ran = postrider.run_with(&check, &[(URL, &url), password]).exits(2);
                assert!(ran.stderr.contains(told), "{url}: {}", ran.stderr);
            }
            assert!(
                !ran.stderr.contains("geheim") && !ran.stderr.contains("falsch"),
                "{}",
                ran.stderr
            );
        }
        // Files that it names lie beside the config, wherever it is run.
        let beside = with("sslmode=verify-full&sslrootcert=beside.pem");
        postrider.run_with(&["sync", "--once"], &[(URL, &beside), right]).exits(0);
        let noted = std::fs::read_to_string(postrider.path("data/store")).unwrap();
        assert!(noted.contains("%2Fbeside.pem"), "{noted}");
        postrider.run_with(&["sync", "--once"], &[(URL, &believed), right]).exits(0);
        // A password in the URL works, is warned about, and is shown nowhere.
        let inside = believed.replace("postrider@", "postrider:geheim%27s@");
        let ran = postrider.run_with(&["check", "--offline"], &[(URL, &inside)]).exits(0);
        assert!(ran.stderr.contains("password_file is safer"), "{}", ran.stderr);
        let ran = postrider.run_with(&["sync", "--once"], &[(URL, &inside)]).exits(0);
        assert!(!format!("{}{}", ran.stdout, ran.stderr).contains("geheim"), "{}", ran.stderr);
        let noted = std::fs::read_to_string(postrider.path("data/store")).unwrap();
        assert_eq!(noted.trim(), believed);
        let mode = std::fs::metadata(postrider.path("data/store")).unwrap();
        assert_eq!(std::os::unix::fs::PermissionsExt::mode(&mode.permissions()) & 0o777, 0o600);
        // Whoever is told only the folder finds it, with the password from where libpq looks for it.
        let export = ["export", "u", "--data", "data"];
        let told = postrider.run_with(&export, &[("PGPASSWORD", "geheim's")]).exits(0);
        assert_eq!(told.stdout.lines().count(), 20);
        // Nor does it find another one where a file has gone that the noted URL names.
        let noted = believed.replace("cert.pem", "gone.pem");
        std::fs::write(postrider.path("data/store"), &noted).unwrap();
        let lost = postrider.run_with(&export, &[("PGPASSWORD", "geheim's")]).exits(7);
        assert!(lost.stderr.contains("the database postgres://"), "{}", lost.stderr);
        let told = postrider.run_with(&["check"], &[(URL, &believed), right]).exits(0);
        assert!(
            told.stdout.contains("PostgreSQL ") && told.stdout.contains(" ms"),
            "{}",
            told.stdout
        );
    })
    .await;
}

/// A server that takes connections and says nothing is waited for once, and so long as the config has it.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_says_nothing_is_given_up() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("postgres://u@{}/x", silent.local_addr().unwrap());
    let postrider = Postrider::new(&format!("{SHORT}{}", account("u", 1, "pw")));
    blocking(move || {
        let told = [(URL, url.as_str()), ("POSTRIDER_STORE__TIMEOUT", "3s")];
        for command in [&["status"][..], &["sync", "--once"], &["check"]] {
            let began = std::time::Instant::now();
            let ran = postrider.run_with(command, &told).exits(7);
            assert!(began.elapsed().as_secs() < 6, "{command:?}: {:?}", began.elapsed());
            assert!(ran.stderr.contains("did not answer within 3 s"), "{}", ran.stderr);
        }
        let waiting = postrider.run_with(&["status"], &told).exits(7).stderr;
        assert!(waiting.contains("waiting for the database postgres://"), "{waiting}");
        drop(silent);
    })
    .await;
}

/// What a start refuses, `check` has refused before, in the same words.
#[tokio::test(flavor = "multi_thread")]
async fn what_will_not_do_is_found_by_a_check() {
    let mailbox = seed::mailbox(53, 5);
    let imap = serve_well("u", &mailbox).await;
    let postrider = Postrider::new(&format!("{SHORT}{}", account("u", imap.port(), "pw")));
    blocking(move || {
        let server = OwnServer::start();
        let (database, url) = (server.database(), server.url());
        for sql in [
            "CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'",
            "CREATE DATABASE ascii ENCODING 'SQL_ASCII' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'",
            "CREATE DATABASE good ENCODING 'UTF8' TEMPLATE template0",
            "CREATE ROLE weak LOGIN",
        ] {
            change(&database, sql);
        }
        let of = |name: &str| url.replace("/postgres", &format!("/{name}"));
        for (url, told) in [
            (of("latin"), "server_encoding = LATIN1"),
            (of("ascii"), "server_encoding = SQL_ASCII"),
            (of("good").replace("postrider@", "weak@"), "may not make tables"),
        ] {
            for (command, code) in [(&["check"][..], 7), (&["check", "--json"], 7), (&["sync", "--once"], 7)] {
                let ran = postrider.run_with(command, &[(URL, &url)]).exits(code);
                let said = format!("{}{}", ran.stdout, ran.stderr);
                assert!(said.contains(told), "{command:?} {url}: {said}");
            }
        }
        let check = || postrider.run_with(&["check"], &[(URL, &of("good"))]).exits(0).stdout;
        assert!(check().contains("the first start makes the tables"), "{}", check());
        assert!(!TestDatabase::at(of("good")).exists(), "a look makes nothing");
        postrider.run_with(&["sync", "--once"], &[(URL, &of("good"))]).exits(0);
        assert!(check().contains("PostgreSQL "), "{}", check());
        // A mirror's folder, and a database that is nobody's: by a slip of the name.
        change(&database, "CREATE DATABASE slip ENCODING 'UTF8' TEMPLATE template0");
        let ran = postrider.run_with(&["check"], &[(URL, &of("slip"))]).exits(7);
        assert!(ran.stderr.contains("is it another name in `store.url`"), "{}", ran.stderr);
        let ran = postrider.run_with(&["sync", "--once"], &[(URL, &of("slip"))]).exits(2);
        assert!(ran.stderr.contains("is it another name in `store.url`"), "{}", ran.stderr);
        assert!(!ran.stderr.contains("--adopt"), "{}", ran.stderr);
    })
    .await;
}

/// What a mirror cannot rest on is refused, with the setting's name.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_forgets_is_refused() {
    let mailbox = seed::mailbox(52, 5);
    let imap = serve_well("u", &mailbox).await;
    let postrider = Postrider::on_server(&format!("{SHORT}{}", account("u", imap.port(), "pw")));
    blocking(move || {
        let url = postrider.database().url().to_owned();
        for (setting, told) in [
            ("synchronous_commit%3Doff", "synchronous_commit = off"),
            ("default_transaction_read_only%3Don", "default_transaction_read_only = on"),
            ("search_path%3Dnowhere", "search_path"),
        ] {
            let url = format!("{url}?options=-c%20{setting}");
            let ran = postrider.run_with(&["sync", "--once"], &[(URL, &url)]).exits(7);
            assert!(ran.stderr.contains(told), "{setting}: {}", ran.stderr);
            assert!(!postrider.database().exists(), "nothing was written");
        }
        let url = format!("{url}?sslmood=require");
        let ran = postrider.run_with(&["sync", "--once"], &[(URL, &url)]).exits(2);
        assert!(ran.stderr.contains("store.url: there is no parameter sslmood"), "{}", ran.stderr);
    })
    .await;
}
