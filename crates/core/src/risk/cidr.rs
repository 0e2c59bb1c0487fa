//! Blocks of addresses.

use std::net::IpAddr;

/// A block of addresses, such as `10.0.0.0/8`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Cidr {
    v6: bool,
    bits: u128,
    length: u32,
}

impl Cidr {
    /// Reads a block; `None` if it is not written as one.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (address, length) = text.split_once('/')?;
        let length: u32 = length.parse().ok()?;
        let (v6, bits, most) = match address.parse().ok()? {
            IpAddr::V4(a) => (false, u128::from(u32::from(a)) << 96, 32),
            IpAddr::V6(a) => (true, u128::from(a), 128),
        };
        (length <= most).then_some(Self { v6, bits, length })
    }

    /// Reads a block, or a single address.
    pub(super) fn of_address(text: &str) -> Option<Self> {
        match text.parse() {
            Ok(IpAddr::V4(_)) => Self::parse(&format!("{text}/32")),
            Ok(IpAddr::V6(_)) => Self::parse(&format!("{text}/128")),
            Err(_) => Self::parse(text),
        }
    }

    /// Whether all addresses of the other block are in this one.
    pub(super) fn covers(self, other: Self) -> bool {
        let mask = if self.length == 0 { 0 } else { u128::MAX << (128 - self.length) };
        self.v6 == other.v6 && self.length <= other.length && (self.bits ^ other.bits) & mask == 0
    }

    /// Whether it is every address.
    pub(super) fn is_everybody(self) -> bool {
        self.length == 0
    }

    /// Whether it is the one address that nothing has (`255.255.255.255/32`): the CDK writes rules with it to say "none".
    pub(super) fn is_nobody(self) -> bool {
        !self.v6 && self.length == 32 && self.bits >> 96 == u128::from(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("0.0.0.0/0", "10.0.0.0/8", true)]
    #[case("10.0.0.0/8", "0.0.0.0/0", false)]
    #[case("10.0.0.0/8", "10.2.3.4/32", true)]
    #[case("10.0.0.0/8", "11.0.0.0/9", false)]
    #[case("10.1.0.0/16", "10.1.0.0/16", true)]
    #[case("::/0", "2001:db8::/32", true)]
    #[case("::/0", "10.0.0.0/8", false)]
    #[case("0.0.0.0/0", "::/0", false)]
    #[case("2001:db8::/32", "2001:db8::1/128", true)]
    fn covering(#[case] wide: &str, #[case] narrow: &str, #[case] want: bool) {
        assert_eq!(Cidr::parse(wide).unwrap().covers(Cidr::parse(narrow).unwrap()), want);
    }

    #[rstest]
    #[case("10.0.0.0/33")]
    #[case("10.0.0.0")]
    #[case("10.0.0/8")]
    #[case("::/129")]
    #[case("")]
    fn no_block(#[case] text: &str) {
        assert_eq!(Cidr::parse(text), None);
    }
}
