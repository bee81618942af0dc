//! What a user can get wrong, and what they are told.

use crate::support::binary::Postrider;
use crate::support::mail::{blocking, seed, serve_well};

#[test]
fn check_says_everything_at_once() {
    let postrider = Postrider::new("[sync]\nmode = \"fast\"\nmoed = 1\n[[account]]\nid = \"a\"\n");
    let ran = postrider.run(&["check", "--offline"]).exits(2);
    for want in [
        "config.toml:2: sync.mode: \"fast\" will not do; write \"aggressive\" or",
        "config.toml:3: sync.moed: there is no such key; did you mean sync.mode?",
        "config.toml:4: host: it is missing; write host = \"imap.example.org\"",
        "config.toml:4: password_file: there is no password",
    ] {
        assert!(ran.stderr.contains(want), "{want} is not in\n{}", ran.stderr);
    }
    postrider.sync().exits(2);
    assert!(!postrider.path("data").exists(), "a config with errors leaves nothing behind");
}

#[test]
fn the_example_is_accepted_once_its_secret_is_there() {
    let example = Postrider::new("").run(&["config-example"]).exits(0).stdout;
    assert_eq!(example, include_str!("../../config.toml"));
    let postrider = Postrider::new(&example);
    let ran = postrider.run(&["check", "--offline"]).exits(2);
    assert!(
        ran.stderr.contains("password_file") && ran.stderr.contains("secrets/work"),
        "{}",
        ran.stderr
    );
    std::fs::create_dir(postrider.path("secrets")).unwrap();
    std::fs::write(postrider.path("secrets/work"), "x\n").unwrap();
    postrider.run(&["check", "--offline"]).exits(0);
}

#[test]
fn usage_is_told() {
    let postrider = Postrider::new("");
    postrider.run(&["sync", "--twice"]).exits(2);
    postrider.run(&["sync"]).exits(2);
    postrider.run(&["--version"]).exits(0);
    let ran = postrider.run(&["export", "nobody", "--data", "nowhere"]).exits(7);
    assert!(ran.stderr.contains("there is no database at nowhere/postrider.db"), "{}", ran.stderr);
    let ran = postrider
        .run(&["sync", "--once", "--imap", "imaps://u:pw@h", "--password-env", "P"])
        .exits(2);
    assert!(ran.stderr.contains("--password-env"), "{}", ran.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mailbox_needs_no_config() {
    let mailbox = seed::mailbox(2, 30);
    let server = serve_well("me", &mailbox).await;
    let url = format!("imap://me@127.0.0.1:{}", server.port());
    let postrider = Postrider::new("");
    std::fs::remove_file(postrider.path("config.toml")).unwrap();
    blocking(move || {
        let args = ["sync", "--once", "--imap", url.as_str(), "--password-env", "PW"];
        let ran = postrider.run(&args).exits(2);
        assert!(ran.stderr.contains("the environment has no PW"), "{}", ran.stderr);
        assert!(!postrider.path("data").exists(), "nothing is begun that cannot log in");
        postrider.run_with(&args, &[("PW", "pw")]).exits(0);
        let lines = postrider.run(&["export", "me@127.0.0.1"]).exits(0).stdout;
        assert_eq!(lines.lines().count(), mailbox.all().len());
        let ran = postrider.run(&["export", "you"]).exits(2);
        assert!(ran.stderr.contains("there is: me@127.0.0.1"), "{}", ran.stderr);
        let verify =
            ["verify", "me@127.0.0.1", "--json", "--imap", url.as_str(), "--password-env", "PW"];
        let ran = postrider.run_with(&verify, &[("PW", "pw")]).exits(0);
        assert!(ran.stdout.contains("\"proved\":true"), "{}", ran.stdout);
        let uid = mailbox.append("INBOX", crate::support::mail::note("behind our back"));
        let ran = postrider.run_with(&verify, &[("PW", "pw")]).exits(1);
        assert!(
            ran.stdout.contains(&format!("UID {uid}: the server has it, we do not")),
            "{}",
            ran.stdout
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_mailbox_under_a_known_id_is_refused() {
    let mailbox = seed::mailbox(2, 10);
    let server =
        crate::support::mail::serve(&[("one", &mailbox), ("two", &mailbox)], |_, _| None).await;
    let port = server.port();
    let config = move |user: &str| {
        format!(
            "[[account]]\nid = \"x\"\nhost = \"127.0.0.1\"\nport = {port}\ntls = \"none\"\nusername = \"{user}\"\npassword = \"pw\"\n"
        )
    };
    let postrider = Postrider::new(&config("one"));
    blocking(move || {
        postrider.sync().exits(0);
        let before = crate::support::check::state(&postrider.database());
        std::fs::write(postrider.path("config.toml"), config("two")).unwrap();
        let ran = postrider.sync().exits(2);
        assert!(ran.stdout.contains("is the mirror of another mailbox"), "{}", ran.stdout);
        assert_eq!(crate::support::check::state(&postrider.database()), before);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn check_logs_in_and_counts_folders() {
    let mailbox = seed::mailbox(2, 10);
    let server = serve_well("me", &mailbox).await;
    let account = crate::support::binary::account("me", server.port(), "pw");
    let postrider =
        Postrider::new(&format!("{account}folders = {{ exclude = [\"Junk\", \"Pro*\"] }}\n"));
    blocking(move || {
        let ran = postrider.run(&["check"]).exits(0);
        assert!(ran.stdout.contains("me: logged in; 7 folders, 5 to be synced"), "{}", ran.stdout);
        postrider.sync().exits(0);
        let lines = postrider.manifest("me");
        assert!(
            !lines.is_empty()
                && !lines.iter().any(|l| l.starts_with("Junk") || l.starts_with("Pro"))
        );
    })
    .await;
}

#[test]
fn what_is_wrong_with_a_grant_is_told() {
    let account = "[[account]]\nid = \"a\"\nhost = \"h\"\nusername = \"me@example.org\"\n";
    let client = "[credentials]\nkey_env = \"K\"\n[oauth.google]\nclient_id = \"c\"\n";
    for (config, want) in [
        (
            format!(
                "{client}token_url = \"http://127.0.0.1:80@evil.example/t\"\n{account}auth = \"oauth.google\"\n"
            ),
            "secrets would cross the network in the clear; write https://",
        ),
        (
            format!("{account}auth = \"oauth.google\"\n"),
            "auth: there is no [oauth.google]; write it, with client_id",
        ),
        (
            format!("{client}{account}auth = \"google\"\n"),
            "auth: write \"oauth.google\", \"oauth.microsoft\" or \"service.google\"",
        ),
        (
            format!("{client}{account}auth = \"service.google\"\n"),
            "auth: there is no service account; write service_account_file",
        ),
        (
            format!(
                "[oauth.google]\nservice_account_file = \"s\"\n{account}auth = \"oauth.google\"\n"
            ),
            "auth: [oauth.google] has no client_id; write it",
        ),
        (
            format!("{account}password_env = \"P\"\ndownload_per_day = \"much\"\n"),
            "download_per_day: \"much\" will not do; write a size like \"2500MB\"",
        ),
        (
            format!("{client}{account}auth = \"oauth.google\"\npassword_file = \"p\"\n"),
            "there are several (auth, password_file); keep one",
        ),
        (
            format!("[oauth.google]\nscopes = [\"mail\"]\n{account}password_env = \"P\"\n"),
            "config.toml:2: oauth.google.client_id: it is missing",
        ),
        (
            format!("{client}scopes = []\n{account}auth = \"oauth.google\"\n"),
            "oauth.google.scopes: an empty list asks for nothing",
        ),
        (
            format!(
                "{client}token_url = \"http://example.org/token\"\n{account}auth = \"oauth.google\"\n"
            ),
            "oauth.google.token_url: \"http://example.org/token\" will not do; secrets would cross the network in the clear",
        ),
        (
            format!(
                "[credentials]\nkey_env = \"K\"\nkey_file = \"k\"\n[oauth.google]\nclient_id = \"c\"\n{account}auth = \"oauth.google\"\n"
            ),
            "credentials: there are several keys; keep one",
        ),
        (
            format!("[oauth.google]\nclient_id = \"c\"\n{account}auth = \"oauth.google\"\n"),
            "auth: its tokens are sealed with a key: write key_file",
        ),
        (
            format!("{client}client_sceret_file = \"s\"\n{account}auth = \"oauth.google\"\n"),
            "did you mean oauth.google.client_secret_file?",
        ),
        (
            format!("{client}client_secret_file = \"s\"\n{account}auth = \"oauth.google\"\n"),
            "client_secret_file",
        ),
    ] {
        let postrider = Postrider::new(&config);
        let env = [("K", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")];
        let ran = postrider.run_with(&["sync", "--once"], &env).exits(2);
        assert!(ran.stderr.contains(want), "{want} is not in\n{}", ran.stderr);
    }
}

/// What is wrong with an account of Gmail's API is told, each at its line, all at once.
#[test]
fn what_is_wrong_with_a_gmail_account_is_told() {
    let account = "[[account]]\nid = \"a\"\nprovider = \"gmail\"\nusername = \"me@example.org\"\naccess_token_file = \"token\"\n";
    for (more, wants) in [
        (
            "api_url = \"http://example.org\"\nquota = \"6000\"\n",
            &[
                "6: api_url: \"http://example.org\" will not do; secrets would cross",
                "7: quota: it is a table; write quota = { per_minute",
            ][..],
        ),
        ("api_url = \"example\"\n", &["it is no URL; write one that begins with https://"]),
        ("api_url = \"ftp://example.org\"\n", &["write a URL that begins with https://"]),
        ("api_url = \"https://h:99999\"\n", &["a port is at most 65535"]),
        ("api_url = \"https://u:secret@h\"\n", &["write it without a user"]),
        ("host = \"imap.gmail.com\"\n", &["host: it is for provider = \"imap\"; leave it out"]),
        (
            "folders.exclude = [\"[Gmail]/Spam\"]\n",
            &["folders.exclude: \"[Gmail]/Spam\" would match nothing: that is a name of IMAP's"],
        ),
        ("quota = { per_minute = 20 }\n", &["is too little to read a message"]),
        ("ca_file = \"none.pem\"\n", &["6: account a: ca_file: ", "none.pem: cannot be read"]),
    ] {
        let postrider = Postrider::new(&format!("{account}{more}"));
        std::fs::write(postrider.path("token"), "t\n").unwrap();
        let ran = postrider.run(&["check", "--offline"]).exits(2);
        for want in wants {
            assert!(ran.stderr.contains(want), "{want} is not in\n{}", ran.stderr);
        }
        assert!(!ran.stderr.contains("secret@"), "{}", ran.stderr);
    }
    // What is no TOML is found by its key; what stands behind it may be a secret.
    let ran = Postrider::new("[admin]\nlisten = \n[store]\npassword_file = geheim\n");
    let ran = ran.run(&["check", "--offline"]).exits(2);
    for want in [
        "config.toml:2: this is not TOML, at listen",
        "config.toml:4: this is not TOML, at password_file",
    ] {
        assert!(ran.stderr.contains(want), "{}", ran.stderr);
    }
    assert!(!ran.stderr.contains("geheim"), "{}", ran.stderr);
    let ran = Postrider::new("account = []\n[[account]]\nid = \"a\"\n");
    let ran = ran.run(&["check", "--offline"]).exits(2);
    let want = "config.toml:2: this is not TOML, at [[account]]: duplicate key";
    assert!(ran.stderr.contains(want), "{}", ran.stderr);
    for (token, want) in [("", "token is empty"), ("{\"a\": 1}\n", "token holds no access token")] {
        let postrider = Postrider::new(account);
        std::fs::write(postrider.path("token"), token).unwrap();
        let ran = postrider.run(&["check", "--offline"]).exits(2);
        assert!(ran.stderr.contains(want), "{}", ran.stderr);
    }
}

/// One account may be tried alone; several are tried at once, and told in their order.
#[tokio::test(flavor = "multi_thread")]
async fn accounts_are_tried_together_or_alone() {
    let mailbox = crate::support::mail::seed::mailbox(70, 8);
    let slow = |_: &str, command: &str| {
        let late = std::time::Duration::from_millis(700);
        command.starts_with("LIST").then_some(postrider_imapd::Misbehaviour::Delay(late))
    };
    let server = crate::support::mail::serve(&[("u", &mailbox)], slow).await;
    let of = |id: &str, password: &str| {
        crate::support::binary::account("u", server.port(), password)
            .replace("id = \"u\"", &format!("id = \"{id}\""))
    };
    let ids = ["a", "b", "c", "d", "e", "f"];
    let all: String = ids.iter().map(|id| of(id, "pw")).collect();
    let postrider = Postrider::new(&format!("{all}{}", of("w", "wrong")));
    crate::support::mail::blocking(move || {
        let began = std::time::Instant::now();
        let ran = postrider.run(&["check"]).exits(4);
        assert!(began.elapsed() < std::time::Duration::from_millis(6 * 700), "one after the other");
        let told: Vec<&str> = ran.stdout.lines().skip(1).collect();
        assert_eq!(told.len(), 6, "{}", ran.stdout);
        assert!(
            ids.iter().zip(&told).all(|(id, line)| line.starts_with(&format!("{id}: logged in")))
        );
        let ran = postrider.run(&["check", "c", "--json"]).exits(0);
        let lines = ran.stdout.lines().map(serde_json::from_str::<serde_json::Value>);
        let told: Vec<_> = lines.map(Result::unwrap).collect();
        assert!(told.len() == 2 && told.iter().all(|line| line["ok"] == true), "{told:?}");
        assert_eq!(told[1]["account"], "c", "{told:?}");
        let offline = postrider.run(&["check", "--offline", "--json"]).exits(0);
        assert!(offline.stdout.contains("\"ok\":true"), "{}", offline.stdout);
        let ran = postrider.run(&["check", "w", "--json"]).exits(4);
        assert!(ran.stdout.contains("\"class\":\"auth\""), "{}", ran.stdout);
        let ran = postrider.run(&["check", "nobody"]).exits(2);
        assert!(ran.stderr.contains("there is no account nobody"), "{}", ran.stderr);
    })
    .await;
}

/// Who moves the data folder alone hears what stays; a folder that is not there is a matter of the config.
#[test]
fn places_outside_the_data_folder_are_told() {
    let config = format!(
        "data_dir = \"elsewhere\"\n[store]\nurl = \"sqlite://nowhere/postrider.db\"\n{}",
        crate::support::binary::account("u", 1, "pw")
    );
    let postrider = Postrider::new(&config);
    let ran = postrider.run(&["check", "--offline"]).exits(0);
    assert!(ran.stderr.contains("store.url:") && ran.stderr.contains("data_dir"), "{}", ran.stderr);
    let ran = postrider.run(&["sync", "--once"]).exits(2);
    assert!(ran.stderr.contains("leave `store.url` out of the config"), "{}", ran.stderr);
    assert!(!postrider.run(&["config-example"]).stdout.contains("\nurl ="));
}

/// Names that no command could give are refused; what others may read, or look into, is told.
#[test]
fn names_and_modes_that_will_not_do() {
    use std::os::unix::fs::PermissionsExt;
    let of = |id: &str| crate::support::binary::account(id, 1, "pw");
    for id in [".", "..", "-x"] {
        let ran = Postrider::new(&of(id)).run(&["check", "--offline"]).exits(2);
        assert!(ran.stderr.contains("begins with a letter or a digit"), "{}", ran.stderr);
    }
    let elsewhere = "[bodies]\ndir = \"packs\"\n[admin]\ntls_cert = \"cert\"\ntls_key = \"key\"\n";
    let postrider = Postrider::new(&format!("{elsewhere}{}", of("u")));
    let open = |name: &str, mode: u32| {
        let mode = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(postrider.path(name), mode).unwrap();
    };
    std::fs::write(postrider.path("key"), "").unwrap();
    open("key", 0o644);
    open("config.toml", 0o644);
    let ran = postrider.run(&["check", "--offline"]);
    assert!(
        ran.stderr.contains("admin.tls_key: ") && ran.stderr.contains("key can be read"),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("config.toml holds a password"), "{}", ran.stderr);
    open("config.toml", 0o600);
    let ran = postrider.run(&["check", "--offline"]);
    assert!(!ran.stderr.contains("holds a password"), "{}", ran.stderr);
    // Bodies that lie elsewhere lie there closed.
    std::fs::create_dir(postrider.path("packs")).unwrap();
    std::fs::write(postrider.path("packs/x"), "").unwrap();
    open("packs", 0o777);
    let ran = postrider.run(&["sync", "--once"]).exits(7);
    assert!(ran.stderr.contains("run chmod 700 packs"), "{}", ran.stderr);
}
