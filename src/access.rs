//! Who may speak to the gateway: the IP allowlist, trusted proxies, the admin token. Decides and nothing else: no I/O, no
//! log, no HTTP. `api::guard` asks for every request; `router` says of each route what it is for.

use std::net::IpAddr;

use ipnetwork::{IpNetwork, Ipv4Network};
use sha2::{Digest, Sha256};

use crate::config::{AccessConfig, AdminScope};

/// What a route is for, which decides what it asks of a caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Whether the gateway is well: for everybody.
    Watch,
    /// Calling a platform's functions: for the allowlist.
    Call,
    /// Creating, deploying, listing across platforms: with `ADMIN_SCOPE=deploy` the token is asked for.
    Deploy,
    /// `/admin/*`: the token is asked for, where there is one.
    Administer,
}

/// Why a caller is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccessError {
    /// Not in the allowlist.
    #[error("requests from {address} are not allowed; the gateway's ALLOWED_NETWORKS does not hold this address")]
    AddressNotAllowed {
        /// The client's address.
        address: IpAddr,
    },
    /// A trusted proxy says something that is no address.
    #[error("X-Forwarded-For holds {element:?}, which is no address; the proxy {proxy} sent it")]
    MalformedForwardedFor {
        /// The beginning of what is no address.
        element: String,
        /// Who passed it on.
        proxy: IpAddr,
    },
    /// No token, where one is asked for.
    #[error("this path needs the admin token; send it as \"Authorization: Bearer <ADMIN_TOKEN>\"")]
    TokenMissing,
    /// Another token than `ADMIN_TOKEN`.
    #[error("the admin token is wrong")]
    TokenWrong,
}

/// The rules, made once from the configuration.
#[derive(Clone, Debug)]
pub struct AccessRules {
    allowed: Vec<IpNetwork>,
    trusted: Vec<IpNetwork>,
    /// The token's SHA-256: two digests compare in a time that tells nothing of the token or its length.
    admin_token: Option<[u8; 32]>,
    scope: AdminScope,
}

impl AccessRules {
    /// Makes the rules. An IPv4 network written as IPv6 (`::ffff:10.0.0.0/104`) counts as IPv4.
    pub fn new(config: &AccessConfig) -> Self {
        let plain = |networks: &[IpNetwork]| networks.iter().copied().map(as_ipv4).collect();
        Self {
            allowed: plain(&config.allowed_networks),
            trusted: plain(&config.trusted_proxies),
            admin_token: config.admin_token.as_ref().map(|token| digest(token.0.as_bytes())),
            scope: config.admin_scope,
        }
    }

    /// The client's address, if it is allowed. `forwarded_for` are the values of all `X-Forwarded-For` lines, in order;
    /// they count only where the connection comes from a trusted proxy. No other forwarding header ever counts.
    pub fn admit<'a>(
        &self,
        peer: IpAddr,
        forwarded_for: impl DoubleEndedIterator<Item = &'a [u8]>,
    ) -> Result<IpAddr, AccessError> {
        let address = self.client_address(peer.to_canonical(), forwarded_for)?;
        match holds(&self.allowed, address) {
            true => Ok(address),
            false => Err(AccessError::AddressNotAllowed { address }),
        }
    }

    /// Whether a peer can be nobody who is allowed, nor anybody's proxy.
    pub fn is_stranger(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        !holds(&self.allowed, peer) && !holds(&self.trusted, peer)
    }

    /// From the nearest hop outwards, past the trusted ones: the first that is not is the client. What stands before it
    /// was written by the client and is not looked at. Where all are trusted, the farthest is the client.
    fn client_address<'a>(
        &self,
        peer: IpAddr,
        forwarded_for: impl DoubleEndedIterator<Item = &'a [u8]>,
    ) -> Result<IpAddr, AccessError> {
        let mut address = peer;
        for element in forwarded_for.rev().flat_map(|line| line.rsplit(|byte| *byte == b',')) {
            if !holds(&self.trusted, address) {
                break;
            }
            address = parse_hop(element).ok_or_else(|| AccessError::MalformedForwardedFor {
                element: String::from_utf8_lossy(element.trim_ascii()).chars().take(80).collect(),
                proxy: address,
            })?;
        }
        Ok(address)
    }

    /// Whether the value of an `Authorization` header opens what is for this purpose.
    pub fn check_token(&self, purpose: Purpose, authorization: Option<&[u8]>) -> Result<(), AccessError> {
        let is_guarded = match purpose {
            Purpose::Watch | Purpose::Call => false,
            Purpose::Deploy => self.scope == AdminScope::Deploy,
            Purpose::Administer => true,
        };
        let Some(expected) = self.admin_token.as_ref().filter(|_| is_guarded) else { return Ok(()) };
        let given = authorization.and_then(bearer_token).ok_or(AccessError::TokenMissing)?;
        match is_equal(&digest(given), expected) {
            true => Ok(()),
            false => Err(AccessError::TokenWrong),
        }
    }
}

fn holds(networks: &[IpNetwork], address: IpAddr) -> bool {
    networks.iter().any(|network| network.contains(address))
}

/// A mapped IPv6 network as the IPv4 network that it means: addresses are compared as IPv4.
fn as_ipv4(network: IpNetwork) -> IpNetwork {
    const MAPPED_PREFIX: u8 = 96;
    match network {
        IpNetwork::V6(v6) => {
            let address = v6.ip().to_ipv4_mapped();
            let prefix = v6.prefix().checked_sub(MAPPED_PREFIX);
            let v4 = address.zip(prefix).and_then(|(address, prefix)| Ipv4Network::new(address, prefix).ok());
            v4.map_or(network, IpNetwork::V4)
        }
        IpNetwork::V4(_) => network,
    }
}

/// One element of `X-Forwarded-For`: an address, with a port where the proxy adds one.
fn parse_hop(element: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(element).ok()?.trim();
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse::<std::net::Ipv6Addr>().ok().map(IpAddr::V6);
    let with_port = || text.parse::<std::net::SocketAddr>().ok().map(|socket| socket.ip());
    let address = text.parse::<IpAddr>().ok().or_else(bracketed).or_else(with_port)?;
    Some(address.to_canonical())
}

/// The token of `Bearer <token>`; the scheme's case does not matter.
fn bearer_token(authorization: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = authorization.split_at_checked(b"bearer".len())?;
    let token = token.strip_prefix(b" ")?.trim_ascii();
    (scheme.eq_ignore_ascii_case(b"bearer") && !token.is_empty()).then_some(token)
}

fn digest(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// Compares all bytes, wherever the first difference is.
fn is_equal(a: &[u8; 32], b: &[u8; 32]) -> bool {
    a.iter().zip(b).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;

    fn networks(list: &[&str]) -> Vec<IpNetwork> {
        list.iter().map(|network| network.parse().unwrap()).collect()
    }

    fn rules(allowed: &[&str], trusted: &[&str]) -> AccessRules {
        AccessRules::new(&AccessConfig {
            allowed_networks: networks(allowed),
            trusted_proxies: networks(trusted),
            admin_token: None,
            admin_scope: AdminScope::Admin,
        })
    }

    /// The address that counts, if everything is allowed.
    fn client(trusted: &[&str], peer: &str, lines: &[&str]) -> Result<String, AccessError> {
        let rules = rules(&["0.0.0.0/0", "::/0"], trusted);
        rules.admit(peer.parse().unwrap(), lines.iter().map(|line| line.as_bytes())).map(|address| address.to_string())
    }

    #[test]
    fn only_addresses_of_the_allowlist_are_admitted() {
        let rules = rules(&["127.0.0.0/8", "::1/128", "192.168.1.100/24"], &[]);
        for (peer, expected) in [
            ("127.0.0.1", true),
            ("127.8.9.1", true),
            ("::1", true),
            ("::ffff:127.0.0.1", true),
            ("192.168.1.7", true),
            ("192.168.2.7", false),
            ("::2", false),
            ("::ffff:10.0.0.1", false),
            ("203.0.113.9", false),
        ] {
            assert_eq!(rules.admit(peer.parse().unwrap(), [].into_iter()).is_ok(), expected, "{peer}");
        }
    }

    #[test]
    fn a_network_of_all_ipv6_admits_no_ipv4_and_a_mapped_one_does() {
        let mapped: IpAddr = "::ffff:10.1.2.3".parse().unwrap();
        assert!(rules(&["::/0"], &[]).admit(mapped, [].into_iter()).is_err());
        assert!(rules(&["::ffff:10.0.0.0/104"], &[]).admit(mapped, [].into_iter()).is_ok());
        assert!(rules(&["::ffff:11.0.0.0/104"], &[]).admit(mapped, [].into_iter()).is_err());
    }

    #[test]
    fn the_refusal_names_the_address_and_the_setting() {
        let error =
            rules(&["10.0.0.0/8"], &[]).admit("::ffff:203.0.113.9".parse().unwrap(), [].into_iter()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "requests from 203.0.113.9 are not allowed; the gateway's ALLOWED_NETWORKS does not hold this address"
        );
    }

    #[test]
    fn forwarding_counts_only_from_trusted_proxies_and_from_the_right() {
        let trusted = &["10.0.0.0/8", "fd00::/8"][..];
        for (trusted, peer, lines, expected) in [
            (&[][..], "203.0.113.9", &["127.0.0.1"][..], "203.0.113.9"),
            (trusted, "203.0.113.9", &["127.0.0.1"], "203.0.113.9"),
            (trusted, "10.0.0.1", &["198.51.100.4"], "198.51.100.4"),
            (trusted, "::ffff:10.0.0.1", &["198.51.100.4"], "198.51.100.4"),
            (trusted, "10.0.0.1", &["127.0.0.1, 198.51.100.4"], "198.51.100.4"),
            (trusted, "10.0.0.1", &["127.0.0.1, 198.51.100.4 , 10.0.0.2,fd00::1"], "198.51.100.4"),
            (trusted, "10.0.0.1", &["127.0.0.1", "198.51.100.4, 10.3.0.1", "10.0.0.2"], "198.51.100.4"),
            (trusted, "10.0.0.1", &["nonsense, , 198.51.100.4"], "198.51.100.4"),
            (trusted, "10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
            (trusted, "10.0.0.1", &[], "10.0.0.1"),
            (trusted, "10.0.0.1", &["198.51.100.4:5678"], "198.51.100.4"),
            (trusted, "10.0.0.1", &["[2001:db8::7]:443"], "2001:db8::7"),
            (trusted, "10.0.0.1", &["[2001:db8::7]"], "2001:db8::7"),
            (trusted, "fd00::9", &["::ffff:198.51.100.4"], "198.51.100.4"),
        ] {
            assert_eq!(client(trusted, peer, lines).as_deref(), Ok(expected), "{peer} {lines:?}");
        }
    }

    #[test]
    fn what_a_trusted_proxy_garbles_is_refused() {
        for line in ["unknown", "", "198.51.100.4, ", "198.51.100.4,,10.0.0.2", "1.2.3", "_hidden", "1.2.3.4:x", "[::1"]
        {
            let error = client(&["10.0.0.0/8"], "10.0.0.1", &[line]).unwrap_err();
            assert!(matches!(error, AccessError::MalformedForwardedFor { .. }), "{line:?}: {error}");
        }
    }

    fn with_token(token: Option<&str>, admin_scope: AdminScope) -> AccessRules {
        let admin_token = token.map(|token| Secret(token.to_owned()));
        AccessRules::new(&AccessConfig { allowed_networks: vec![], trusted_proxies: vec![], admin_token, admin_scope })
    }

    #[test]
    fn the_admin_token_opens_and_nothing_else_does() {
        let rules = with_token(Some("s3cret"), AdminScope::Admin);
        let check = |header: Option<&str>| rules.check_token(Purpose::Administer, header.map(str::as_bytes));
        for header in ["Bearer s3cret", "bearer s3cret", "BEARER  s3cret "] {
            assert_eq!(check(Some(header)), Ok(()), "{header}");
        }
        for header in ["Bearer s3cre", "Bearer s3cret1", "Bearer S3CRET", "Bearer x"] {
            assert_eq!(check(Some(header)), Err(AccessError::TokenWrong), "{header}");
        }
        for header in ["", "Bearer", "Bearer ", "s3cret", "Basic s3cret", "Bearers3cret"] {
            assert_eq!(check(Some(header)), Err(AccessError::TokenMissing), "{header}");
        }
        assert_eq!(check(None), Err(AccessError::TokenMissing));
        assert_eq!(with_token(None, AdminScope::Admin).check_token(Purpose::Administer, None), Ok(()));
    }

    #[test]
    fn the_scope_says_what_the_token_guards() {
        use Purpose::{Administer, Call, Deploy, Watch};
        for (token, scope, guarded) in [
            (None, AdminScope::Admin, &[][..]),
            (Some("x"), AdminScope::Admin, &[Administer]),
            (Some("x"), AdminScope::Deploy, &[Administer, Deploy]),
        ] {
            let rules = with_token(token, scope);
            for purpose in [Watch, Call, Deploy, Administer] {
                let refused = rules.check_token(purpose, None).is_err();
                assert_eq!(refused, guarded.contains(&purpose), "{scope:?} {purpose:?}");
                assert_eq!(rules.check_token(purpose, Some(b"Bearer x")), Ok(()));
            }
        }
    }
}
