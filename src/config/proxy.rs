//! The proxy of an account: what stands between us and its server.

use crate::config::raw::RawValue;
use crate::config::secret::is_open;
use crate::config::taker::Taker;
use oauth2::url::Url;
use postrider_core::provider::server::{Proxy, ProxyKind};
use std::path::Path;

const KEY: &str = "proxy";
const PASSWORD: &str = "proxy_password_file";
const WANT: &str =
    "an address like \"http://proxy.example.org:3128\" or \"socks5://user@127.0.0.1:1080\"";

/// Reads both keys. What an address says is never repeated: a password may be in it.
pub(super) fn proxy(t: &mut Taker<'_>, base: &Path, warnings: &mut Vec<String>) -> Option<Proxy> {
    let file = t.text(PASSWORD).map(|file| base.join(file));
    let Some(item) = t.item(KEY) else {
        if let Some(item) = t.item(PASSWORD) {
            t.wrong(
                item.place,
                PASSWORD,
                "there is no proxy that it is for; write proxy, or leave it out",
            );
        }
        return None;
    };
    let RawValue::Text(text) = &item.value else {
        t.wrong(item.place, KEY, format!("it must be {WANT}"));
        return None;
    };
    let mut read = match read(text) {
        Ok(read) => read,
        Err(why) => {
            t.wrong(item.place, KEY, why);
            return None;
        }
    };
    if let (Some(item), None) = (t.item(PASSWORD), &read.username) {
        let text = format!(
            "nobody logs in at the proxy; write {KEY} = \"http://user@…\", or leave it out"
        );
        t.wrong(item.place, PASSWORD, text);
    }
    if let Some(file) = file.as_ref().filter(|file| is_open(file)) {
        let (shown, place) =
            (file.display(), t.item(PASSWORD).map_or_else(|| t.missing.clone(), |i| i.place));
        warnings.push(format!("{place}: {shown} can be read by others: chmod 600 {shown}"));
    }
    read.password_file = file;
    Some(read)
}

fn read(text: &str) -> Result<Proxy, String> {
    let want = || format!("it will not do; write {WANT}");
    let url = Url::parse(text).map_err(|_| want())?;
    let (kind, usual) = match url.scheme() {
        "http" => (ProxyKind::Connect, 80),
        "socks5" | "socks5h" => (ProxyKind::Socks5, 1080),
        _ => return Err(want()),
    };
    if url.password().is_some() {
        return Err(format!(
            "it has a password; write that into a file, and {PASSWORD} = \"secrets/proxy\""
        ));
    }
    if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
        return Err(want());
    }
    let host = url.host_str().filter(|host| !host.is_empty()).ok_or_else(want)?;
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let name = url.username();
    let decoded =
        oauth2::url::form_urlencoded::parse(format!("u={}", name.replace('+', "%2B")).as_bytes())
            .next()
            .map(|(_, name)| name.into_owned());
    Ok(Proxy {
        kind,
        host,
        port: url.port().unwrap_or(usual),
        username: decoded.filter(|name| !name.is_empty()),
        password_file: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_proxies() {
        let shown = |text: &str| {
            read(text)
                .map(|p| format!("{p} {} {}", p.port, p.username.as_deref().unwrap_or_default()))
        };
        for (text, want) in [
            ("http://proxy.example.org:3128", "http://proxy.example.org:3128 3128 "),
            ("http://proxy", "http://proxy:80 80 "),
            ("socks5://me%40here@127.0.0.1", "socks5://127.0.0.1:1080 1080 me@here"),
            ("socks5h://a+b@[::1]:9", "socks5://[::1]:9 9 a+b"),
        ] {
            assert_eq!(shown(text).as_deref(), Ok(want), "{text}");
        }
        for text in ["proxy:3128", "https://proxy:1", "http://", "http://a/b", "socks4://a:1", ""] {
            let refused = shown(text).unwrap_err();
            assert!(refused.contains("will not do"), "{text}: {refused}");
        }
        let told = shown("http://me:geheim@proxy:1").unwrap_err();
        assert!(told.contains("proxy_password_file") && !told.contains("geheim"), "{told}");
    }
}
