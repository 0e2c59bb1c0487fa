//! Rules of security groups, and whether one lets through nothing that another does not.

use serde_json::Value;

use super::{cidr::Cidr, facts::plain};

/// Which traffic a rule lets through, from or to whom.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Rule {
    /// The security group and the direction.
    at: String,
    /// Protocol and ports; `None` is all traffic.
    traffic: Option<Traffic>,
    peer: Peer,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Traffic {
    Ports { protocol: String, from: i64, to: i64 },
    Other(String),
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Peer {
    Block(Cidr),
    /// A security group, a prefix list, or something that is not literal.
    Named(String),
}

impl Rule {
    /// Reads a rule; `None` if it lets nobody through.
    pub(super) fn read(at: &str, rule: &Value) -> Option<Self> {
        let peer = peer(rule);
        if matches!(&peer, Peer::Block(block) if block.is_nobody()) {
            return None;
        }
        Some(Self { at: at.to_owned(), traffic: traffic(rule), peer })
    }

    /// What a security group lets out that says nothing about it.
    pub(super) fn all_out(at: &str) -> [Option<Self>; 2] {
        ["0.0.0.0/0", "::/0"].map(|block| {
            Cidr::parse(block).map(|b| Self { at: at.to_owned(), traffic: None, peer: Peer::Block(b) })
        })
    }

    /// What it lets through, in a few words.
    pub(super) fn told(&self) -> String {
        let traffic = match &self.traffic {
            None => "everything".to_owned(),
            Some(Traffic::Ports { protocol, from, to }) if from == to => format!("{protocol} {from}"),
            Some(Traffic::Ports { protocol, from, to }) => format!("{protocol} {from}-{to}"),
            Some(Traffic::Other(_)) => "other traffic".to_owned(),
        };
        let everybody = matches!(&self.peer, Peer::Block(block) if block.is_everybody());
        if everybody { format!("{traffic} for everybody") } else { traffic }
    }

    /// Whether all that `narrow` lets through is let through by this.
    pub(super) fn covers(&self, narrow: &Self) -> bool {
        let peer = match (&self.peer, &narrow.peer) {
            (Peer::Block(wide), Peer::Block(narrow)) => wide.covers(*narrow),
            (wide, narrow) => wide == narrow,
        };
        let traffic = match (&self.traffic, &narrow.traffic) {
            (None, _) => true,
            (
                Some(Traffic::Ports { protocol: p, from: f, to: t }),
                Some(Traffic::Ports { protocol: q, from, to }),
            ) => p == q && f <= from && to <= t,
            (wide, narrow) => wide == narrow,
        };
        self.at == narrow.at && peer && traffic
    }
}

fn peer(rule: &Value) -> Peer {
    let about = ["IpProtocol", "FromPort", "ToPort", "Description", "GroupId", "GroupName", "Tags"];
    let peers = || rule.as_object().into_iter().flatten().filter(|(name, _)| !about.contains(&name.as_str()));
    let literal = ["CidrIp", "CidrIpv6", "CIDRIP"].iter().find_map(|name| rule.get(*name));
    // With two of them, one would hide the other.
    if let Some(block) = literal.and_then(Value::as_str).and_then(Cidr::parse)
        && peers().count() == 1
    {
        return Peer::Block(block);
    }
    let mut named: Vec<String> = peers().map(|(name, value)| format!("{name}={}", plain(value))).collect();
    named.sort();
    Peer::Named(named.join(","))
}

fn traffic(rule: &Value) -> Option<Traffic> {
    let protocol = match rule.get("IpProtocol") {
        Some(Value::String(text)) => text.to_ascii_lowercase(),
        Some(value) => plain(value),
        None => String::new(),
    };
    let protocol = match protocol.as_str() {
        "-1" => return None,
        "6" => "tcp",
        "17" => "udp",
        "1" => "icmp",
        "58" => "icmpv6",
        other => other,
    };
    let port = |name: &str| match rule.get(name) {
        Some(Value::Number(n)) => n.as_i64(),
        Some(Value::String(s)) => s.parse().ok(),
        _ => None,
    };
    // For ICMP these are type and code, and no range.
    Some(match (protocol, port("FromPort"), port("ToPort")) {
        ("tcp" | "udp", Some(from), Some(to)) => Traffic::Ports { protocol: protocol.to_owned(), from, to },
        _ => Traffic::Other(format!(
            "{protocol} {:?} {:?}",
            rule.get("FromPort").map(plain),
            rule.get("ToPort").map(plain)
        )),
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    #[rstest]
    #[case(json!({"CidrIp": "0.0.0.0/0", "IpProtocol": "tcp", "FromPort": 1, "ToPort": 100}), json!({"CidrIp": "10.0.0.0/8", "IpProtocol": "tcp", "FromPort": 22, "ToPort": "22"}), true)]
    #[case(json!({"CidrIp": "10.0.0.0/8", "IpProtocol": "tcp", "FromPort": 22, "ToPort": 22}), json!({"CidrIp": "0.0.0.0/0", "IpProtocol": "tcp", "FromPort": 22, "ToPort": 22}), false)]
    #[case(json!({"CidrIp": "0.0.0.0/0", "IpProtocol": "-1"}), json!({"CidrIp": "0.0.0.0/0", "IpProtocol": "udp", "FromPort": 1, "ToPort": 2}), true)]
    #[case(json!({"CidrIp": "0.0.0.0/0", "IpProtocol": "6", "FromPort": 1, "ToPort": 2}), json!({"CidrIp": "0.0.0.0/0", "IpProtocol": "udp", "FromPort": 1, "ToPort": 2}), false)]
    #[case(json!({"SourceSecurityGroupId": {"Ref": "A"}, "IpProtocol": "-1"}), json!({"SourceSecurityGroupId": {"Ref": "B"}, "IpProtocol": "-1"}), false)]
    #[case(json!({"CidrIp": {"Ref": "A"}, "IpProtocol": "-1"}), json!({"CidrIp": {"Ref": "A"}, "IpProtocol": "-1", "Description": "x"}), true)]
    #[case(json!({"CidrIp": "0.0.0.0/0", "IpProtocol": "icmp", "FromPort": 1}), json!({"CidrIp": "0.0.0.0/0", "IpProtocol": "icmp", "FromPort": 2}), false)]
    fn covering(#[case] wide: Value, #[case] narrow: Value, #[case] want: bool) {
        let [wide, narrow] = [wide, narrow].map(|r| Rule::read("in", &r).unwrap());
        assert_eq!(wide.covers(&narrow), want);
    }

    #[test]
    fn a_rule_for_nobody_is_none() {
        assert_eq!(Rule::read("out", &json!({"CidrIp": "255.255.255.255/32", "IpProtocol": "icmp"})), None);
    }
}
