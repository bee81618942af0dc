//! How a PostgreSQL server is logged in to: by a password of a file, over TLS that is believed; and where the database
//! is, for whoever is told only the data folder.

use crate::support::binary::{Postrider, SHORT, account};
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
        for (url, password, told) in [
            // Nobody believes a certificate that signed itself.
            (format!("{plain}?sslmode=verify-full"), right, "certificate"),
            (believed.clone(), (PASSWORD, "wrong"), "password authentication failed"),
            (believed.clone(), (PASSWORD, "nowhere"), "password_file nowhere cannot be read"),
            (format!("{plain}?sslmode=disable"), right, "pg_hba.conf"),
        ] {
            let ran = postrider.run_with(&["sync", "--once"], &[(URL, &url), password]).exits(7);
            assert!(ran.stderr.contains(told), "{url}: {}", ran.stderr);
            assert!(
                !ran.stderr.contains("geheim") && !ran.stderr.contains("falsch"),
                "{}",
                ran.stderr
            );
        }
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
        let told = postrider.run_with(&["check"], &[(URL, &believed), right]).exits(0);
        assert!(
            told.stdout.contains("PostgreSQL ") && told.stdout.contains(" ms"),
            "{}",
            told.stdout
        );
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
