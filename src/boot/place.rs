//! Which accounts share a pool.

use crate::config::Account;
use postrider_core::provider::server::Security;

/// TLS on its usual port, none on a loopback port: what needs no word in the tree.
fn is_usual(account: &Account) -> bool {
    match account.security {
        Security::Implicit => account.port == if account.api.is_some() { 443 } else { 993 },
        Security::Plain => true,
        Security::StartTls => false,
    }
}

/// Where the pool of an account's server stands in the tree.
pub(super) fn pool_of(account: &Account) -> String {
    // Who speaks another protection, trusts other roots or goes another way must not be waited
    // for by the others.
    let protection = match account.security {
        Security::Plain | Security::Implicit if is_usual(account) => String::new(),
        Security::Plain => " plain".into(),
        Security::Implicit => " tls".into(),
        Security::StartTls => " starttls".into(),
    };
    let trust =
        account.ca_file.as_ref().map(|file| format!(" ({})", file.display())).unwrap_or_default();
    let way = account.proxy.as_ref().map(|proxy| {
        let user = proxy.username.as_ref().map(|user| format!(" as {user}"));
        format!(" by {proxy}{}", user.unwrap_or_default())
    });
    let way = way.unwrap_or_default();
    // What is refused to one application is none of another's trouble.
    let grant = account.api.as_ref().and_then(|api| api.grant.as_ref());
    let application = grant.map(|grant| format!(" {}", grant.application)).unwrap_or_default();
    format!(
        "root/endpoints/{} {}:{}{application}{protection}{trust}{way}",
        account.provider, account.host, account.port
    )
}
