//! Where a face listens: elsewhere than on loopback only with TLS, or behind a proxy.

use crate::config::raw::RawValue;
use crate::config::taker::{Taker, shown};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// Where a face listens, and what protects it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listening {
    /// The address.
    pub listen: SocketAddr,
    /// Certificate chain and key, PEM.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// A proxy in front of it does TLS.
    pub behind_proxy: bool,
}

/// Reads the keys of a table; none where it says no address, and there is no default.
pub(super) fn listening(
    t: &mut Taker<'_>,
    base: &Path,
    table: &str,
    default: Option<SocketAddr>,
) -> Option<Listening> {
    let key = |end: &str| format!("{table}.{end}");
    let listen = address(t, &key("listen")).or(default);
    let behind_proxy = t.flag(&key("behind_proxy"));
    let (cert, private) = (t.text(&key("tls_cert")), t.text(&key("tls_key")));
    if cert.is_some() != private.is_some() {
        let (has, lacks) =
            if cert.is_some() { ("tls_cert", "tls_key") } else { ("tls_key", "tls_cert") };
        let place = t.item(&key(has)).map_or_else(|| t.missing.clone(), |item| item.place);
        t.wrong(place, &key(has), format!("it needs {lacks} beside it"));
    }
    let listen = listen?;
    let tls = cert.zip(private).map(|(cert, key)| (base.join(cert), base.join(key)));
    if !listen.ip().is_loopback() && tls.is_none() && !behind_proxy {
        let place = t.item(&key("listen")).map_or_else(|| t.missing.clone(), |item| item.place);
        let text = "off loopback this needs tls_cert and tls_key, or behind_proxy = true";
        t.wrong(place, &key("listen"), text);
    }
    Some(Listening { listen, tls, behind_proxy })
}

/// An address to listen on.
fn address(t: &mut Taker<'_>, key: &str) -> Option<SocketAddr> {
    let item = t.item(key)?;
    let address = match &item.value {
        RawValue::Text(text) => text.parse::<SocketAddr>().ok(),
        _ => None,
    };
    if address.is_none() {
        let text =
            format!("{} will not do; write an address like \"127.0.0.1:8025\"", shown(&item.value));
        t.wrong(item.place, key, text);
    }
    address
}
