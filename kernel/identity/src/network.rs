//! Networks as operators write them: `203.0.113.0/24`, `2001:db8::/32`, or one address. Pure.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// All addresses that begin with the same bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    first: IpAddr,
    bits: u8,
}

/// Why a text is no network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadNetwork {
    #[error("not an address or network such as 203.0.113.0/24 or 2001:db8::/32")]
    Form,
    /// `203.0.113.7/24` is either one address or a network; which of them was meant must not be
    /// guessed.
    #[error("the address has bits beyond the network's length")]
    HostBits,
}

impl Network {
    /// Whether the address is in it. An IPv4 address in IPv6 form is the IPv4 address.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.first, address.to_canonical()) {
            (IpAddr::V4(first), IpAddr::V4(a)) => v4(first, self.bits) == v4(a, self.bits),
            (IpAddr::V6(first), IpAddr::V6(a)) => v6(first, self.bits) == v6(a, self.bits),
            _ => false,
        }
    }
}

/// The leading bits; all gone at a length of nought.
fn v4(address: Ipv4Addr, bits: u8) -> u32 {
    let rest = 32_u32.saturating_sub(bits.into());
    address.to_bits().checked_shr(rest).unwrap_or(0)
}

fn v6(address: Ipv6Addr, bits: u8) -> u128 {
    let rest = 128_u32.saturating_sub(bits.into());
    address.to_bits().checked_shr(rest).unwrap_or(0)
}

impl FromStr for Network {
    type Err = BadNetwork;

    fn from_str(text: &str) -> Result<Self, BadNetwork> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let first: IpAddr = address.parse().map_err(|_| BadNetwork::Form)?;
        let most = if first.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            None => most,
            // One way to write a number, so that the text is the network's only name.
            Some(bits) if bits.len() > 1 && bits.starts_with('0') => return Err(BadNetwork::Form),
            Some(bits) if !bits.bytes().all(|b| b.is_ascii_digit()) => {
                return Err(BadNetwork::Form);
            }
            Some(bits) => bits.parse().map_err(|_| BadNetwork::Form)?,
        };
        if bits > most || matches!(first, IpAddr::V6(a) if a.to_ipv4_mapped().is_some()) {
            return Err(BadNetwork::Form);
        }
        let beyond = match first {
            IpAddr::V4(a) => a.to_bits().checked_shl(bits.into()).unwrap_or(0) != 0,
            IpAddr::V6(a) => a.to_bits().checked_shl(bits.into()).unwrap_or(0) != 0,
        };
        if beyond {
            return Err(BadNetwork::HostBits);
        }
        Ok(Self { first, bits })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.bits)
    }
}

impl Serialize for Network {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn holds(network: &str, address: &str) -> bool {
        let network: Network = network.parse().unwrap();
        network.contains(address.parse().unwrap())
    }

    #[test]
    fn an_address_is_in_the_network_that_it_begins_with() {
        for (network, address, inside) in [
            ("203.0.113.0/24", "203.0.113.255", true),
            ("203.0.113.0/24", "203.0.114.0", false),
            ("203.0.113.7", "203.0.113.7", true),
            ("203.0.113.7", "203.0.113.8", false),
            ("0.0.0.0/0", "198.51.100.1", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("::/0", "2001:db8::1", true),
            ("::/0", "198.51.100.1", false),
            ("2001:db8::/33", "2001:db8:7fff::1", true),
            ("2001:db8::/33", "2001:db8:8000::1", false),
            // As a socket that takes both kinds shows an IPv4 caller.
            ("203.0.113.0/24", "::ffff:203.0.113.9", true),
            ("::/0", "::ffff:203.0.113.9", false),
        ] {
            assert_eq!(holds(network, address), inside, "{network} {address}");
        }
    }

    #[test]
    fn what_might_mean_something_else_is_refused() {
        for (text, why) in [
            ("", BadNetwork::Form),
            ("203.0.113.0/33", BadNetwork::Form),
            ("203.0.113.0/024", BadNetwork::Form),
            ("203.0.113.0/+24", BadNetwork::Form),
            ("203.0.113.0/", BadNetwork::Form),
            ("203.0.113.0/24/8", BadNetwork::Form),
            ("203.0.113.010/32", BadNetwork::Form),
            ("203.0.113/24", BadNetwork::Form),
            ("example.com", BadNetwork::Form),
            ("::ffff:203.0.113.0/120", BadNetwork::Form),
            ("203.0.113.7/24", BadNetwork::HostBits),
            ("128.0.0.0/0", BadNetwork::HostBits),
            ("2001:db8::1/64", BadNetwork::HostBits),
        ] {
            assert_eq!(text.parse::<Network>(), Err(why), "{text}");
        }
    }

    proptest! {
        #[test]
        fn the_text_of_a_network_is_its_only_one(first: u32, bits in 0_u8..=32) {
            let kept = u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0);
            let text = format!("{}/{bits}", Ipv4Addr::from_bits(first & kept));
            let network: Network = text.parse().unwrap();
            prop_assert_eq!(network.to_string(), text);
            prop_assert!(network.contains(IpAddr::V4(Ipv4Addr::from_bits(first))));
        }

        #[test]
        fn no_text_makes_it_panic(text in ".{0,40}") {
            let _ = text.parse::<Network>();
        }
    }
}
