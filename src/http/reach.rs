//! What must not be reached from here: a name in a config, or in somebody's DNS, may be that of a neighbour. Every
//! address is judged, and the one that was judged is connected to.

use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// What may be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ReachRule {
    /// What everybody reaches.
    Public,
    /// That, and private networks, and this machine.
    Any,
    /// Private networks and this machine: what is sent there may be sent in the clear.
    Private,
}

/// An address that is not reached, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotReached {
    /// It is nobody's out there.
    #[error("{0} is {1}; it is reached only with allow_private = true")]
    Private(IpAddr, &'static str),
    /// It is out there, and what is sent there can be read on the way.
    #[error("{0} is in no network of your own, and http:// sends in the clear; write https://")]
    InTheClear(IpAddr),
    /// What is sent can be read on the way.
    #[error(
        "http:// sends in the clear; write https://, or, in a network of your own, allow_private = true"
    )]
    Plain,
}

/// What is a network of one's own.
const OWN: [&str; 4] = ["loopback", "private", "link-local", "carrier-grade"];

/// What an address is, where it is no public one.
fn kind_of(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(address) => kind_of_v4(address),
        IpAddr::V6(address) => kind_of_v6(address),
    }
}

/// IANA's registry of special purposes (RFC 6890).
fn kind_of_v4(address: Ipv4Addr) -> Option<&'static str> {
    match address.octets() {
        [0, ..] => Some("unspecified"),
        [127, ..] => Some("loopback"),
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Some("private"),
        [169, 254, ..] => Some("link-local"),
        [100, 64..=127, ..] => Some("carrier-grade"),
        [192, 0, 0, _] | [192, 88, 99, _] | [240..=255, ..] => Some("reserved"),
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => Some("for documents"),
        [198, 18..=19, ..] => Some("for benchmarks"),
        [224..=239, ..] => Some("multicast"),
        _ => None,
    }
}

fn kind_of_v6(address: Ipv6Addr) -> Option<&'static str> {
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => Some("unspecified"),
        [0, 0, 0, 0, 0, 0, 0, 1] => Some("loopback"),
        [0, 0, 0, 0, 0, 0xffff, ..] => Some("a mapped address"),
        [0x64, 0xff9b, ..] | [0x2002, ..] => Some("a translated address"),
        [0x2001, 0..=0x1ff, ..] => Some("reserved"),
        [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => Some("for documents"),
        [0xfe80..=0xfebf, ..] => Some("link-local"),
        [0xfc00..=0xfdff, ..] | [0xfec0..=0xfeff, ..] => Some("private"),
        [0xff00..=0xffff, ..] => Some("multicast"),
        [0x2000..=0x3fff, ..] => None,
        // Nothing else is given out.
        _ => Some("reserved"),
    }
}

impl ReachRule {
    /// What a URL may reach.
    ///
    /// # Errors
    /// Nothing: it sends in the clear.
    pub(crate) fn of(url: &Url, allow_private: bool) -> Result<Self, NotReached> {
        match (url.scheme(), allow_private) {
            ("https", false) => Ok(Self::Public),
            ("https", true) => Ok(Self::Any),
            (_, true) => Ok(Self::Private),
            (_, false) => Err(NotReached::Plain),
        }
    }

    /// Whether an address may be reached.
    ///
    /// # Errors
    /// Why not.
    pub(crate) fn judge(self, address: IpAddr) -> Result<(), NotReached> {
        match (self, kind_of(address)) {
            (Self::Public, Some(kind)) => Err(NotReached::Private(address, kind)),
            // What stands for another address may lead anywhere.
            (Self::Private, kind) if !kind.is_some_and(|kind| OWN.contains(&kind)) => {
                Err(NotReached::InTheClear(address))
            }
            _ => Ok(()),
        }
    }
}

/// The address that a URL names, where it names one: whoever connects asks nobody for it.
pub(crate) fn literal_of(url: &Url) -> Option<IpAddr> {
    // Whatever form it was written in, the parser has read it as every client does (WHATWG URL §3.5).
    let host = url.host_str()?;
    let inner = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    inner.unwrap_or(host).parse().ok()
}

/// Finds addresses of names, and judges each: what may not be reached is not among them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Judging(pub(crate) ReachRule);

/// Those of some addresses that may be reached.
fn judged(
    reach: ReachRule,
    found: impl Iterator<Item = SocketAddr>,
) -> Result<Vec<SocketAddr>, NotReached> {
    let (mut reached, mut refused) = (Vec::new(), None);
    for address in found {
        match reach.judge(address.ip()) {
            Ok(()) => reached.push(address),
            Err(why) => refused = Some(why),
        }
    }
    match refused {
        Some(why) if reached.is_empty() => Err(why),
        _ => Ok(reached),
    }
}

impl Judging {
    /// The addresses of a name that may be reached.
    ///
    /// # Errors
    /// None of them, or there are none.
    pub(crate) async fn look(
        self,
        name: &str,
        port: u16,
    ) -> Result<Vec<SocketAddr>, Box<dyn std::error::Error + Send + Sync>> {
        Ok(judged(self.0, tokio::net::lookup_host((name, port)).await?)?)
    }
}

impl Resolve for Judging {
    fn resolve(&self, name: Name) -> Resolving {
        let judging = *self;
        Box::pin(async move {
            // Whoever connects puts in the port.
            let reached = judging.look(name.as_str(), 0).await?;
            Ok(Box::new(reached.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_public(text: &str) -> bool {
        ReachRule::Public.judge(text.parse().unwrap()).is_ok()
    }

    #[test]
    fn only_what_everybody_reaches_is_public() {
        for address in [
            "1.1.1.1",
            "8.8.8.8",
            "100.63.255.255",
            "100.128.0.0",
            "172.15.0.1",
            "172.32.0.1",
            "192.0.1.0",
            "198.17.0.1",
            "198.20.0.1",
            "223.255.255.255",
            "2606:4700::1111",
            "2001:200::1",
            "2a00:1450::1",
            "2003::1",
            "3ffe::1",
        ] {
            assert!(is_public(address), "{address}");
            assert_eq!(ReachRule::Any.judge(address.parse().unwrap()), Ok(()));
            assert!(ReachRule::Private.judge(address.parse().unwrap()).is_err(), "{address}");
        }
        for address in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "10.255.255.255",
            "100.64.0.0",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::2",
            "::127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:8.8.8.8",
            "64:ff9b::a00:1",
            "64:ff9b::808:808",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:1ff:ffff::1",
            "2001:db8::1",
            "2002:7f00:1::1",
            "3fff::1",
            "4000::1",
            "5f00::1",
            "fc00::1",
            "fdff::1",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "feff::1",
            "ff02::1",
        ] {
            assert!(!is_public(address), "{address}");
            assert_eq!(ReachRule::Any.judge(address.parse().unwrap()), Ok(()));
        }
    }

    #[test]
    fn what_is_sent_in_the_clear_stays_in_a_network_of_ones_own() {
        let rule = |address: &str| ReachRule::Private.judge(address.parse().unwrap());
        for address in
            ["127.0.0.1", "10.0.0.1", "169.254.1.1", "100.64.0.1", "::1", "fd00::1", "fe80::1"]
        {
            assert_eq!(rule(address), Ok(()), "{address}");
        }
        for address in [
            "8.8.8.8",
            "::ffff:8.8.8.8",
            "64:ff9b::808:808",
            "2002:808:808::1",
            "2001::1",
            "240.0.0.1",
            "0.0.0.0",
        ] {
            assert!(rule(address).is_err(), "{address}");
        }
    }

    /// Every form in which an address may be written is that address, and is judged.
    #[test]
    fn an_address_is_one_in_whatever_form() {
        for (host, address) in [
            ("127.0.0.1", "127.0.0.1"),
            ("2130706433", "127.0.0.1"),
            ("0x7f000001", "127.0.0.1"),
            ("0x7f.1", "127.0.0.1"),
            ("0177.0.0.1", "127.0.0.1"),
            ("127.1", "127.0.0.1"),
            ("127.0.0.1.", "127.0.0.1"),
            ("0", "0.0.0.0"),
            ("%31%32%37.0.0.1", "127.0.0.1"),
            ("１２７。0。0。1", "127.0.0.1"),
            ("169.254.169.254", "169.254.169.254"),
            ("[::1]", "::1"),
            ("[0:0:0:0:0:0:0:1]", "::1"),
            ("[::ffff:10.0.0.1]", "::ffff:10.0.0.1"),
        ] {
            let url = Url::parse(&format!("https://{host}/x")).unwrap();
            let literal = literal_of(&url);
            assert_eq!(literal, Some(address.parse().unwrap()), "{host}");
            assert!(ReachRule::Public.judge(literal.unwrap()).is_err());
        }
        for name in ["localhost", "localhost.", "example.org", "127.0.0.1.example.org"] {
            assert_eq!(literal_of(&Url::parse(&format!("https://{name}/")).unwrap()), None);
        }
    }

    #[test]
    fn of_several_addresses_those_are_taken_that_may_be_reached() {
        let all = |texts: &[&str]| -> Vec<SocketAddr> {
            texts.iter().map(|text| text.parse().unwrap()).collect()
        };
        let reached = |texts: &[&str]| judged(ReachRule::Public, all(texts).into_iter());
        assert_eq!(reached(&["8.8.8.8:0", "127.0.0.1:0"]), Ok(all(&["8.8.8.8:0"])));
        let why = reached(&["127.0.0.1:0", "10.0.0.1:0"]).unwrap_err().to_string();
        assert!(why.starts_with("10.0.0.1 is private") && why.contains("allow_private"), "{why}");
        assert_eq!(reached(&[]), Ok(Vec::new()));
    }

    #[tokio::test]
    async fn a_name_of_this_machine_is_not_reached() {
        let why = Judging(ReachRule::Public).look("localhost", 1).await.unwrap_err();
        assert!(why.downcast_ref::<NotReached>().is_some(), "{why}");
        assert!(!Judging(ReachRule::Any).look("localhost", 1).await.unwrap().is_empty());
    }

    #[test]
    fn in_the_clear_is_for_a_network_of_ones_own() {
        let of = |url: &str, private| ReachRule::of(&Url::parse(url).unwrap(), private);
        assert_eq!(of("https://x/", false), Ok(ReachRule::Public));
        assert_eq!(of("https://x/", true), Ok(ReachRule::Any));
        assert_eq!(of("http://x/", true), Ok(ReachRule::Private));
        assert_eq!(of("http://x/", false), Err(NotReached::Plain));
    }
}
