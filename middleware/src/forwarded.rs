//! Where a client is that comes through proxies in front of this server: what `X-Forwarded-For` says, as far as those
//! who said it are trusted.
//!
//! Every proxy on the way adds the address it was asked from at the end of the list. So the list is read from its end,
//! and an address counts only if the one behind it, up to the other end of the connection, is trusted. What a client
//! writes into the list by itself stands before all that trusted proxies add, and is never reached.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use common::Body;
use common::service::HttpService;
use http::{HeaderMap, Request};
use ipnet::IpNet;

use crate::network;
use crate::{ClientAddress, PeerAddress};

const FORWARDED: &str = "x-forwarded-for";

/// The networks of the proxies that are believed.
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies(Arc<[IpNet]>);

impl TrustedProxies {
    /// Addresses, and networks as `10.0.0.0/8`.
    ///
    /// # Errors
    /// What is wrong with one of them, for the one who wrote it.
    pub fn new<S: AsRef<str>>(networks: &[S]) -> Result<Self, String> {
        let networks = networks.iter().map(|text| network::parse(text.as_ref()));
        networks.collect::<Result<_, _>>().map(Self)
    }

    /// Puts before `inner` what finds out who is behind trusted proxies; nothing, when none is trusted.
    pub fn before(self, inner: HttpService) -> HttpService {
        if self.0.is_empty() {
            return inner;
        }
        HttpService::from_fn(move |mut request: Request<Body>| {
            let peer = request.extensions().get::<PeerAddress>();
            if let Some(peer) = peer.map(|peer| peer.0.ip()) {
                let client = self.client(peer, request.headers());
                request.extensions_mut().insert(ClientAddress(client));
            }
            inner.handle(request)
        })
    }

    /// Who asks, when `peer` is the other end of the connection. Where the list ends, or holds what is no address, whoever
    /// was found last is the client: nobody is known beyond.
    fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer.to_canonical();
        let lines = headers.get_all(FORWARDED).iter();
        // What is not text has no address in it.
        let lines: Vec<&str> = lines.map(|line| line.to_str().unwrap_or("?")).collect();
        let entries = lines.iter().rev().flat_map(|line| line.rsplit(','));
        for entry in entries.map(str::trim).filter(|entry| !entry.is_empty()) {
            if !self.trusts(client) {
                break;
            }
            match address(entry) {
                Some(address) => client = address.to_canonical(),
                None => break,
            }
        }
        client
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }
}

/// An address as proxies write it: alone, in brackets, or with a port.
fn address(entry: &str) -> Option<IpAddr> {
    let bare = entry
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(entry);
    let with_port = || entry.parse().map(|address: SocketAddr| address.ip());
    bare.parse().or_else(|_| with_port()).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{remembering, request};

    fn client(peer: &str, lines: &[&str]) -> String {
        let trusted = TrustedProxies::new(&["10.0.0.0/8", "::1", "192.0.2.7"]).unwrap();
        let mut headers = HeaderMap::new();
        for line in lines {
            let line = http::HeaderValue::from_bytes(line.as_bytes()).unwrap();
            headers.append(FORWARDED, line);
        }
        trusted.client(peer.parse().unwrap(), &headers).to_string()
    }

    #[test]
    fn the_first_who_is_not_trusted_is_the_client() {
        for (peer, lines, expected) in [
            ("10.0.0.1", &["203.0.113.5"][..], "203.0.113.5"),
            ("10.0.0.1", &["1.1.1.1, 203.0.113.5, 10.0.0.2"], "203.0.113.5"),
            ("10.0.0.1", &["1.1.1.1", "203.0.113.5,10.0.0.2"], "203.0.113.5"),
            ("10.0.0.1", &["203.0.113.5", "10.0.0.2"], "203.0.113.5"),
            ("::1", &["2001:db8::5"], "2001:db8::5"),
            ("::ffff:10.0.0.1", &["::ffff:203.0.113.5"], "203.0.113.5"),
            ("192.0.2.7", &["[2001:db8::5]:4711"], "2001:db8::5"),
            ("192.0.2.7", &["[2001:db8::5]"], "2001:db8::5"),
            ("192.0.2.7", &["203.0.113.5:4711 ,, "], "203.0.113.5"),
        ] {
            assert_eq!(client(peer, lines), expected, "{peer} {lines:?}");
        }
    }

    #[test]
    fn nobody_else_is_believed() {
        for (peer, lines) in [
            ("203.0.113.9", &["1.1.1.1"][..]),
            ("192.0.2.8", &["10.0.0.1"]),
            ("203.0.113.9", &["1.1.1.1", "10.0.0.1"]),
            ("203.0.113.9", &[]),
        ] {
            assert_eq!(client(peer, lines), peer, "{lines:?}");
        }
    }

    #[test]
    fn beyond_what_makes_no_sense_nobody_is_known() {
        for line in [
            "unknown",
            "_hidden",
            "1.1.1.1, 1.2.3",
            "fe80::1%eth0",
            "\u{e4}",
            "[]",
            ":",
        ] {
            assert_eq!(client("10.0.0.1", &[line]), "10.0.0.1", "{line}");
        }
        assert_eq!(client("10.0.0.1", &[]), "10.0.0.1");
        // All of them are trusted: the first is as far as anybody knows.
        assert_eq!(client("10.0.0.1", &["10.0.0.3, 10.0.0.2"]), "10.0.0.3");
        assert_eq!(client("10.0.0.1", &["1.1.1.1, nonsense, 10.0.0.2"]), "10.0.0.2");
    }

    #[test]
    fn networks_that_are_none_are_refused() {
        assert!(
            TrustedProxies::new(&["10.0.0.0/33"])
                .unwrap_err()
                .contains("10.0.0.0/33")
        );
        assert!(TrustedProxies::new(&["proxy.example.com"]).is_err());
    }

    #[tokio::test]
    async fn what_was_found_out_travels_with_the_request() {
        let (inner, requests) = remembering();
        let trusted = TrustedProxies::new(&["127.0.0.1"]).unwrap();
        let service = trusted.before(inner);
        for peer in ["127.0.0.1:9", "127.0.0.2:9"] {
            let mut sent = request("GET", "/", &[(FORWARDED, "203.0.113.5")]);
            sent.extensions_mut().insert(PeerAddress(peer.parse().unwrap()));
            service.handle(sent).await.unwrap();
        }
        let requests = requests.lock();
        let seen: Vec<_> = requests
            .iter()
            .map(|head| ClientAddress::of(&head.extensions).unwrap().to_string())
            .collect();
        assert_eq!(seen, ["203.0.113.5", "127.0.0.2"]);
    }

    proptest! {
        #[test]
        fn who_is_not_trusted_cannot_lie(lines in prop::collection::vec("[ -~\u{e4}]{0,40}", 0..4)) {
            let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
            prop_assert_eq!(client("203.0.113.9", &lines), "203.0.113.9");
            // What a client writes stands before what the trusted proxy adds.
            let through: Vec<&str> = lines.iter().copied().chain(["203.0.113.9"]).collect();
            prop_assert_eq!(client("10.0.0.1", &through), "203.0.113.9");
        }
    }
}
