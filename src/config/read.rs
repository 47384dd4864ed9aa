//! One variable → one checked value. Every refusal is a [`ConfigError::Invalid`]; what may hold a password is not shown.

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;

use ipnetwork::IpNetwork;

use super::{ConfigError, Secret};

/// Longer values are cut in messages.
const SHOWN_CHARS: usize = 80;

/// Reads variables from `F`, which gives a variable's value.
pub(super) struct Reader<F> {
    get: F,
}

impl<F: Fn(&str) -> Option<String>> Reader<F> {
    pub(super) fn new(get: F) -> Self {
        Self { get }
    }

    /// The value as it stands, for passwords. Empty counts as unset.
    pub(super) fn verbatim(&self, variable: &'static str) -> Option<String> {
        (self.get)(variable).filter(|value| !value.is_empty())
    }

    /// The value without the blanks around it. Blank counts as unset.
    pub(super) fn text(&self, variable: &'static str) -> Option<String> {
        let value = self.verbatim(variable)?;
        let trimmed = value.trim();
        (!trimmed.is_empty()).then(|| trimmed.to_owned())
    }

    pub(super) fn path(&self, variable: &'static str) -> Option<PathBuf> {
        self.verbatim(variable).map(PathBuf::from)
    }

    /// A whole number within `range`.
    pub(super) fn number<N>(
        &self,
        variable: &'static str,
        default: N,
        range: RangeInclusive<N>,
    ) -> Result<N, ConfigError>
    where
        N: std::str::FromStr + PartialOrd + std::fmt::Display,
    {
        let Some(value) = self.text(variable) else { return Ok(default) };
        match value.parse() {
            Ok(number) if range.contains(&number) => Ok(number),
            Ok(_) | Err(_) => {
                Err(invalid(variable, &value, format!("a whole number from {} to {}", range.start(), range.end())))
            }
        }
    }

    /// One of a few words, in any case.
    pub(super) fn one_of<T: Copy>(
        &self,
        variable: &'static str,
        choices: &[(&str, T)],
    ) -> Result<Option<T>, ConfigError> {
        let Some(value) = self.text(variable) else { return Ok(None) };
        match choices.iter().find(|(word, _)| word.eq_ignore_ascii_case(&value)) {
            Some((_, choice)) => Ok(Some(*choice)),
            None => {
                let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
                Err(invalid(variable, &value, words.join(" or ")))
            }
        }
    }

    /// A host name or an address to listen on; an IPv6 address also in brackets.
    pub(super) fn host(&self, variable: &'static str, default: &str) -> Result<String, ConfigError> {
        let Some(value) = self.text(variable) else { return Ok(default.to_owned()) };
        parse_host(&value).ok_or_else(|| {
            invalid(variable, &value, "a host name or an IP address, without a port (that is GATEWAY_PORT)")
        })
    }

    /// An address and a port to listen on.
    pub(super) fn address(&self, variable: &'static str) -> Result<Option<SocketAddr>, ConfigError> {
        let Some(value) = self.text(variable) else { return Ok(None) };
        let address = value
            .parse()
            .map_err(|_| invalid(variable, &value, "an address and a port: 127.0.0.1:9100 or [::1]:9100"))?;
        Ok(Some(address))
    }

    /// Networks, separated by commas; host bits are dropped, a single address is a network of one.
    pub(super) fn networks(&self, variable: &'static str, default: &str) -> Result<Vec<IpNetwork>, ConfigError> {
        let value = self.text(variable).unwrap_or_else(|| default.to_owned());
        if value.is_empty() {
            return Ok(Vec::new());
        }
        let networks = value.split(',').map(|part| parse_network(part.trim()));
        networks.collect::<Option<_>>().ok_or_else(|| {
            invalid(
                variable,
                &value,
                "addresses or networks separated by commas, such as 10.0.0.0/8,192.168.1.7,::1/128",
            )
        })
    }

    /// A bearer token: what a header can carry.
    pub(super) fn token(&self, variable: &'static str) -> Result<Option<Secret>, ConfigError> {
        match self.verbatim(variable) {
            None => Ok(None),
            Some(token) if token.bytes().all(|byte| byte.is_ascii_graphic()) => Ok(Some(Secret(token))),
            Some(_) => Err(not_shown(variable, "visible ASCII characters without blanks")),
        }
    }

    /// A tracing filter.
    pub(super) fn log_filter(&self, variable: &'static str, default: &str) -> Result<String, ConfigError> {
        let value = self.text(variable).unwrap_or_else(|| default.to_owned());
        match tracing_subscriber::EnvFilter::try_new(&value) {
            Ok(_) => Ok(value),
            Err(_) => Err(invalid(
                variable,
                &value,
                "error, warn, info, debug, trace, off, or a filter such as info,stonescriptdb_gateway=debug",
            )),
        }
    }
}

/// A refusal that shows the value, unless it reads as if it held a password.
pub(super) fn invalid(variable: &'static str, value: &str, allowed: impl Into<String>) -> ConfigError {
    // A connection URL in the wrong variable is the likely way for a password to get here.
    let looks_secret = value.contains('@') || value.contains("://") || value.to_ascii_lowercase().contains("password");
    if looks_secret {
        return not_shown(variable, allowed);
    }
    let mut shown: String = value.chars().take(SHOWN_CHARS).collect();
    if shown.len() < value.len() {
        shown.push('…');
    }
    ConfigError::Invalid { variable, shown: format!("{shown:?}"), allowed: allowed.into() }
}

/// A refusal of a value that may hold a password.
pub(super) fn not_shown(variable: &'static str, allowed: impl Into<String>) -> ConfigError {
    let shown = "(not shown, it may hold a password)".to_owned();
    ConfigError::Invalid { variable, shown, allowed: allowed.into() }
}

/// A host name or address; brackets around an IPv6 address are taken off.
pub(super) fn parse_host(text: &str) -> Option<String> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    if bare.parse::<IpAddr>().is_ok() {
        return Some(bare.to_owned());
    }
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    // All digits and dots, yet no address: a mistyped one, which would go to the name server otherwise.
    let is_number = |byte: u8| byte.is_ascii_digit() || byte == b'.';
    let valid = !text.is_empty() && text.len() <= 253 && text.bytes().all(is_name) && !text.bytes().all(is_number);
    valid.then(|| text.to_owned())
}

fn parse_network(text: &str) -> Option<IpNetwork> {
    let network: IpNetwork = text.parse().ok()?;
    IpNetwork::new(network.network(), network.prefix()).ok()
}
