//! `auth`: a human grants access to a mailbox, and sees what was granted. The tokens are sealed here
//! and go to the server, or into the database while none runs.

mod redirect;

use crate::admin::view::instant;
use crate::boot::claims::Claims;
use crate::boot::grants::{is_identity, issuer, row_of_account, vault};
use crate::boot::wiring::Engine;
use crate::cli::args::{AuthArgs, AuthVerb, ClientArgs, LoginArgs, RotateArgs};
use crate::cli::auth::redirect::{NoCode, code_in, listen, wait};
use crate::cli::client::{CallError, Client, config_of, exit_of, in_path, seen_by};
use crate::cli::exit::Exit;
use crate::cli::out::{say, say_line};
use crate::cli::patience::opened;
use crate::cli::table::lay_out;
use crate::config::{Account, Config, SecretFrom};
use crate::credentials::Vault;
use crate::credentials::issuer::{Begun, Issued, Issuer};
use crate::credentials::tokens::{TokenPair, row_of};
use crate::push::resealed;
use crate::store::orders::Control;
use crate::store::{Done, OpenError, Reader};
use crate::telemetry::wire::WireLog;
use postrider_core::failure::Failure;
use postrider_core::oauth::CredentialRow;
use postrider_core::time::Micros;
use serde_json::{Value, json};
use std::time::Duration;

/// Longest wait for the database.
const DURABLE: Duration = Duration::from_secs(40);

/// Runs the command.
pub(super) async fn run(args: AuthArgs) -> Exit {
    match args.verb {
        AuthVerb::Login(args) => login(&args).await.err().unwrap_or(Exit::Success),
        AuthVerb::Status(args) => status(&args).await.err().unwrap_or(Exit::Success),
        AuthVerb::RotateKey(args) => rotate(&args).await.err().unwrap_or(Exit::Success),
    }
}

fn told(failure: &Failure) -> Exit {
    eprintln!("{failure}");
    Exit::of_class(failure.class)
}

fn refused(text: &str) -> Exit {
    eprintln!("{text}");
    Exit::Usage
}

/// The rows that are stored now.
async fn stored(config: &Config, account: Option<&str>) -> Result<Vec<CredentialRow>, Exit> {
    let db = match opened(config).await {
        Ok(db) => db,
        Err(OpenError::Missing(_)) => return Ok(Vec::new()),
        Err(e) => {
            eprintln!("{e}");
            return Err(Exit::Storage);
        }
    };
    let rows = Reader::new(&db).credentials(account).await;
    db.close().await;
    rows.map_err(|e| told(&e))
}

fn now() -> Micros {
    crate::clock::Clock::start().now().wall
}

async fn login(args: &LoginArgs) -> Result<(), Exit> {
    let config = config_of(&args.client)?;
    let Some(account) = config.accounts.iter().find(|a| a.id == args.account) else {
        return Err(refused(&format!("the config names no account {}", args.account)));
    };
    if let SecretFrom::Service(_) = account.secret {
        let text = "a service account signs for it: nobody has to grant anything";
        return Err(refused(&format!("{}: {text}", account.id)));
    }
    let SecretFrom::Grant(name) = account.secret else {
        let text = "it logs in with a secret of its own; write auth = \"oauth.google\" (or \"oauth.microsoft\") instead";
        return Err(refused(&format!("{}: {text}", account.id)));
    };
    let Some(client) = config.oauth.get(name) else {
        return Err(refused(&format!("there is no [oauth.{name}]")));
    };
    // Before anybody is sent to a browser.
    let vault = vault(&config).map_err(|e| told(&e))?;
    let issuer = issuer(client).map_err(|e| told(&e))?;
    let issued = if args.device {
        granted_elsewhere(&issuer, account).await?
    } else {
        granted(&issuer, account, args.paste).await?
    };
    check(&issued, account, &issuer, args.delegate)?;
    let Some(tokens) = TokenPair::of(&issued, None) else {
        let text = "the issuer gave no refresh token: take this client out of the mailbox's allowed applications, and try again";
        return Err(refused(text));
    };
    for _ in 0..3 {
        let rows = stored(&config, Some(&account.id)).await?;
        let before = rows.first().map_or(0, |row| row.version);
        let row = row_of(&account.id, name, &account.username, before, &issued, now());
        let row = tokens.seal(row, &vault).map_err(|e| told(&e))?;
        if hand_over(&config, before, row).await? {
            say_line(&format!("{}: access is granted", account.id));
            return Ok(());
        }
        // A server has renewed the grant before this one meanwhile.
    }
    Err(refused("the stored grant changes all the time; try again"))
}

/// Shows a code that a human enters on another device, and waits for it.
async fn granted_elsewhere(issuer: &Issuer, account: &Account) -> Result<Issued, Exit> {
    let grant = issuer.begin_device().await.map_err(|e| told(&e))?;
    // The tokens are asked for until then.
    let (place, code) = grant.shown();
    say_line(&format!(
        "On any device open {place} as {}, and enter the code {code}",
        account.username
    ));
    issuer.wait_for_device(&grant).await.map_err(|e| told(&e))
}

/// Sends a human to the issuer, and waits for what comes back.
async fn granted(issuer: &Issuer, account: &Account, paste: bool) -> Result<Issued, Exit> {
    let no_code = |why: NoCode| {
        eprintln!("{why}");
        if matches!(why, NoCode::Refused(_)) { Exit::Auth } else { Exit::Usage }
    };
    let shown = |begun: &Begun| {
        say_line(&format!(
            "Open this address in a browser, as {}:\n\n{}\n",
            account.username, begun.url
        ));
    };
    // Microsoft leaves the port out of account for this name alone, Google wants the number.
    let host = if issuer.place().name == "microsoft" { "localhost" } else { "127.0.0.1" };
    let (begun, code) = if paste {
        let nowhere = format!("http://{host}:1/");
        let begun = issuer.begin(&nowhere, &account.username).map_err(|e| told(&e))?;
        shown(&begun);
        say_line("The browser ends at a page that cannot be opened. Paste its whole address here:");
        let line = read_line().await?;
        let code = code_in(&line, &begun.state).map_err(no_code)?;
        (begun, code)
    } else {
        let (listener, port) = listen().await.map_err(no_code)?;
        let begun = issuer.begin(&format!("http://{host}:{port}/"), &account.username);
        let begun = begun.map_err(|e| told(&e))?;
        shown(&begun);
        let code = wait(listener, &begun.state).await.map_err(no_code)?;
        (begun, code)
    };
    issuer.exchange(begun, &code).await.map_err(|e| told(&e))
}

#[expect(clippy::disallowed_methods, reason = "a line is read on a thread that may block")]
async fn read_line() -> Result<String, Exit> {
    let reading = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).map(|_| line)
    });
    match reading.await {
        Ok(Ok(line)) => Ok(line),
        Ok(Err(e)) => Err(refused(&format!("nothing can be read: {e}"))),
        Err(_) => Err(Exit::Bug),
    }
}

/// Whether it is the mailbox that the config names, and enough.
fn check(issued: &Issued, account: &Account, issuer: &Issuer, delegate: bool) -> Result<(), Exit> {
    let is_it = |name: &String| name.eq_ignore_ascii_case(&account.username);
    match issued.mailboxes.first() {
        Some(mailbox) if !issued.mailboxes.iter().any(is_it) && !delegate => {
            return Err(refused(&format!(
                "access was granted to {mailbox}, and {} is the mailbox of {}: log in there as the other one, or say --delegate \
                 if {mailbox} may read that mailbox",
                account.id, account.username
            )));
        }
        Some(_) => {}
        None => eprintln!(
            "the issuer does not say whose mailbox this is; see that it was {}",
            account.username
        ),
    }
    let Some(scopes) = &issued.scopes else { return Ok(()) };
    let given: Vec<&str> = scopes.split_whitespace().collect();
    let lacks: Vec<&str> = issuer
        .place()
        .scopes
        .iter()
        .map(String::as_str)
        .filter(|scope| {
            !is_identity(scope) && !given.iter().any(|one| one.eq_ignore_ascii_case(scope))
        })
        .collect();
    if lacks.is_empty() {
        return Ok(());
    }
    Err(refused(&format!(
        "not everything was granted; this is missing: {} (tick every box on the issuer's page)",
        lacks.join(" ")
    )))
}

/// Makes a grant durable. Returns whether the stored one was the one that it follows.
async fn hand_over(config: &Config, from: i64, row: CredentialRow) -> Result<bool, Exit> {
    match Client::of(config) {
        Ok(client) => {
            let path = format!("/v1/accounts/{}/credential", in_path(&row.account));
            let body = crate::admin::grant::body(from, &row);
            let told = client.send(&path, &body).await.map_err(|e| exit_of(e, config))?;
            Ok(told.get("stored") == Some(&Value::Bool(true)))
        }
        Err(CallError::NoServer) => {
            // Whoever has lost the key begins anew: what is stored need not open.
            let config = Config { accounts: Vec::new(), ..config.clone() };
            let started =
                Engine::start(&config, "auth login", WireLog::default(), Claims::default()).await;
            let engine = started.map_err(|e| {
                eprintln!("{e}");
                Exit::of_start(&e)
            })?;
            let control = Control::Renew { from, row: Box::new(row) };
            let done = engine.switchboard().control(control, DURABLE).await;
            engine.stop().await;
            done.map(|done| done == Done::Changed).map_err(|e| told(&e))
        }
        Err(trouble) => Err(exit_of(trouble, config)),
    }
}

/// Seals every grant with another key: all of them, or none. The data folder's lock is held, so
/// that no server goes on with the old one.
async fn rotate(args: &RotateArgs) -> Result<(), Exit> {
    let config = config_of(&args.client)?;
    let old = vault(&config).map_err(|e| told(&e))?;
    let key =
        SecretFrom::File(args.new_key_file.clone()).get_as("new_key").map_err(|e| told(&e))?;
    let new = Vault::with(&key).map_err(|why| refused(&format!("--new-key-file: {why}")))?;
    let alone = Config { accounts: Vec::new(), ..config };
    let engine =
        Engine::start(&alone, "auth rotate-key", WireLog::default(), Claims::default()).await;
    let engine = engine.map_err(|e| {
        eprintln!("{e}");
        Exit::of_start(&e)
    })?;
    let sealed = reseal(&engine, &old, &new).await;
    engine.stop().await;
    let (grants, webhooks) = sealed.map_err(|e| told(&e))?;
    let of_webhooks = match webhooks {
        0 => String::new(),
        count => format!(" and {count} secret(s) of webhooks"),
    };
    say_line(&format!(
        "{grants} grant(s){of_webhooks} are sealed with the new key ({}): name it in [credentials] before the next start, and give the old one up",
        new.print()
    ));
    Ok(())
}

async fn reseal(engine: &Engine, old: &Vault, new: &Vault) -> Result<(usize, usize), Failure> {
    let stored = engine.reader().credentials(None).await?;
    // A second time it has nothing to do.
    let left = stored.into_iter().filter(|row| row.key_print != new.print());
    let sealed = left.map(|row| {
        let tokens = TokenPair::open(&row, old)?;
        tokens.seal(CredentialRow { version: row.version + 1, ..row }, new)
    });
    let rows = sealed.collect::<Result<Vec<_>, Failure>>()?;
    let (webhooks, closed) = resealed(engine.reader().subscriptions().await?, old, new)?;
    for source in closed {
        eprintln!(
            "what the webhook of {source} signs with opens neither with the key of [credentials] nor with the new one, and is left as it \
             is: keep the key that it was sealed with, or another webhook will be made"
        );
    }
    let count = (rows.len(), webhooks.len());
    engine.switchboard().control(Control::Reseal { rows, webhooks }, DURABLE).await?;
    Ok(count)
}

/// What an account logs in with that somebody else keeps.
fn kind_of(account: &Account, kept: &SecretFrom) -> String {
    let is_granted = account.api.as_ref().is_some_and(|api| api.grant.is_some());
    match kept {
        SecretFrom::Service(name) => format!("service.{name}"),
        SecretFrom::Token(_) => "access token".to_owned(),
        _ if is_granted => "application key".to_owned(),
        _ => "password".to_owned(),
    }
}

/// How each account logs in: kind, expiry, scopes, what went wrong last. No secret is read.
async fn status(args: &ClientArgs) -> Result<(), Exit> {
    let config = seen_by(args)?;
    let rows = stored(&config, None).await?;
    let now = now();
    let key = vault(&config);
    let closed = |row: &CredentialRow| match &key {
        Ok(vault) if vault.print() != row.key_print => Some(format!(
            "its tokens were sealed with another key ({}) than that of [credentials] ({}): give that key, or run \
             `postrider auth login {}`",
            row.key_print,
            vault.print(),
            row.account
        )),
        // Without the key nothing can be said of it.
        _ => None,
    };
    let mut items = Vec::new();
    for account in &config.accounts {
        let row = row_of_account(&rows, account);
        items.push(match (&account.secret, row) {
            (SecretFrom::Grant(name), Some(row)) if closed(row).is_some() => json!({
                "account": account.id, "kind": format!("oauth.{name}"), "granted": false,
                "error": closed(row),
            }),
            (SecretFrom::Grant(name), Some(row)) => json!({
                "account": account.id, "kind": format!("oauth.{name}"), "granted": true,
                "expires_in_s": row.expires_at.since(now).as_secs(), "scopes": row.scopes,
                "renewed_at": instant(row.renewed_at), "error": row.trouble.as_ref().map(|(text, _)| text),
            }),
            (SecretFrom::Grant(name), None) => json!({
                "account": account.id, "kind": format!("oauth.{name}"), "granted": false,
                "error": format!("nobody has granted access yet: run `postrider auth login {}`", account.id),
            }),
            (kept, _) => json!({ "account": account.id, "kind": kind_of(account, kept) }),
        });
    }
    if args.json {
        say_line(&Value::Array(items).to_string());
        return Ok(());
    }
    let mut lines = vec![
        ["account", "kind", "expires in", "renewed", "scopes", "last error"]
            .map(str::to_owned)
            .to_vec(),
    ];
    let text = |item: &Value, key: &str| match item.get(key) {
        Some(Value::String(text)) => text.clone(),
        _ => String::new(),
    };
    for item in &items {
        let left = item.get("expires_in_s").and_then(Value::as_u64);
        lines.push(vec![
            text(item, "account"),
            text(item, "kind"),
            left.map_or(String::new(), |s| {
                if s == 0 { "over".into() } else { format!("{} min", s.div_ceil(60)) }
            }),
            text(item, "renewed_at"),
            text(item, "scopes"),
            text(item, "error"),
        ]);
    }
    say(&lay_out(&lines));
    Ok(())
}
