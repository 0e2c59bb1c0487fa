//! The words of AWS, as types: each is parsed once, at the edge, and can then be trusted.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};

/// Why a text is not the word that it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} {text:?} is not valid: {rule}")]
pub struct BadWord {
    /// Which word was expected, in the user's terms.
    pub what: &'static str,
    /// The text as found, cut after 80 characters.
    pub text: String,
    /// The rule that it breaks.
    pub rule: &'static str,
}

fn bad(what: &'static str, text: &str, rule: &'static str) -> BadWord {
    BadWord { what, text: text.chars().take(80).collect(), rule }
}

macro_rules! word {
    ($(#[$doc:meta])* $name:ident, $what:literal, $rule:literal, $pattern:literal, $max:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// The text itself.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl FromStr for $name {
            type Err = BadWord;
            fn from_str(s: &str) -> Result<Self, BadWord> {
                let check: fn(&str) -> bool = $check;
                if check(s) { Ok(Self(s.into())) } else { Err(bad($what, s, $rule)) }
            }
        }
        impl TryFrom<String> for $name {
            type Error = BadWord;
            fn try_from(s: String) -> Result<Self, BadWord> {
                s.parse()
            }
        }
        impl From<$name> for String {
            fn from(w: $name) -> String {
                String::from(&*w.0)
            }
        }
        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }
            fn inline_schema() -> bool {
                true
            }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({"type": "string", "pattern": $pattern, "maxLength": $max})
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0)
            }
        }
    };
}

word!(
    /// An AWS account id.
    AccountId, "account id", "12 digits", r"^[0-9]{12}$", 12, |s| s.len() == 12 && s.bytes().all(|b| b.is_ascii_digit())
);
word!(
    /// An AWS region, such as `ap-southeast-2`.
    Region, "region", "lower-case letters, digits and hyphens, at most 25", r"^[a-z0-9]+(-[a-z0-9]+)+$", 25,     |s| (3..=25).contains(&s.len()) && s.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && s.contains('-')
);
word!(
    /// A bootstrap qualifier. Lower case only, since it becomes part of a bucket name.
    Qualifier, "qualifier", "1 to 10 of a-z, 0-9 and hyphen", r"^[a-z0-9-]{1,10}$", 10,     |s| (1..=10).contains(&s.len()) && s.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
);
word!(
    /// The name of a CloudFormation stack.
    StackName, "stack name", "a letter, then letters, digits and hyphens, at most 128", r"^[A-Za-z][A-Za-z0-9-]*$", 128,     |s| (1..=128).contains(&s.len()) && s.as_bytes()[0].is_ascii_alphabetic()
        && s.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
);
word!(
    /// The name of a change set.
    ChangeSetName, "change set name", "a letter, then letters, digits and hyphens, at most 128", r"^[A-Za-z][A-Za-z0-9-]*$", 128,     |s| (1..=128).contains(&s.len()) && s.as_bytes()[0].is_ascii_alphabetic()
        && s.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
);
word!(
    /// The name of an S3 bucket.
    BucketName, "bucket name", "3 to 63 of a-z, 0-9, dot and hyphen", r"^[a-z0-9.-]{3,63}$", 63,     |s| (3..=63).contains(&s.len())
        && s.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.')
);
word!(
    /// The UID of a Kubernetes object.
    Uid, "uid", "1 to 64 of letters, digits and hyphen", r"^[A-Za-z0-9-]{1,64}$", 64,     |s| (1..=64).contains(&s.len()) && s.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
);

word!(
    /// A span of time as GEP-2257 of the Kubernetes Gateway API writes it, such as `24h` or `1h30m`.
    Span, "duration", "up to four numbers with h, m, s or ms, such as 1h30m", r"^([0-9]{1,5}(h|m|s|ms)){1,4}$", 32, |s| span(s).is_some()
);

impl Span {
    /// How long that is; at most 99,999 hours for each number.
    #[must_use]
    pub fn get(&self) -> jiff::SignedDuration {
        span(&self.0).unwrap_or_default()
    }
}

fn span(text: &str) -> Option<jiff::SignedDuration> {
    let mut rest = text;
    let mut millis: i64 = 0;
    for part in 0.. {
        if rest.is_empty() {
            return (part > 0).then(|| jiff::SignedDuration::from_millis(millis));
        }
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = rest.split_at(digits);
        let letters = unit.bytes().take_while(u8::is_ascii_lowercase).count();
        let (unit, more) = unit.split_at(letters);
        let factor = match unit {
            "h" => 3_600_000,
            "m" => 60_000,
            "s" => 1_000,
            "ms" => 1,
            _ => return None,
        };
        if part == 4 || digits > 5 {
            return None;
        }
        millis = millis.checked_add(number.parse::<i64>().ok()?.checked_mul(factor)?)?;
        rest = more;
    }
    None
}

macro_rules! arn {
    ($(#[$doc:meta])* $name:ident, $what:literal, $rule:literal, $pattern:literal, $service:literal, $prefix:literal) => {
        word!($(#[$doc])* $name, $what, $rule, $pattern, 2048, |s| {
            let p: Vec<&str> = s.splitn(6, ':').collect();
            let is_partition = |b: u8| b.is_ascii_lowercase() || b == b'-';
            // Whatever else stood there would be the host of a link to the console.
            let is_region = |text: &str| text.bytes().all(|b| is_partition(b) || b.is_ascii_digit());
            p.len() == 6 && s.len() <= 2048 && p[0] == "arn" && p[1].starts_with("aws") && p[1].bytes().all(is_partition)
                && p[2] == $service && is_region(p[3]) && p[3].is_empty() == ($service == "iam")
                && p[4].len() == 12 && p[4].bytes().all(|b| b.is_ascii_digit())
                && p[5].starts_with($prefix) && p[5].len() > $prefix.len()
                && s.bytes().all(|b| b.is_ascii_graphic())
        });
        impl $name {
            /// The account that the ARN names.
            #[must_use]
            pub fn account(&self) -> AccountId {
                AccountId(self.0.split(':').nth(4).unwrap_or_default().into())
            }
            /// The region that the ARN names; empty for global services.
            #[must_use]
            pub fn region(&self) -> &str {
                self.0.split(':').nth(3).unwrap_or_default()
            }
        }
    };
}

arn!(
    /// The ARN of an IAM role.
    RoleArn, "role ARN", "arn:<partition>:iam::<account>:role/<name>", r"^arn:aws[a-z-]*:iam::[0-9]{12}:role/[!-~]+$", "iam", "role/"
);
arn!(
    /// The unique id of a CloudFormation stack; unlike its name it is never used again.
    StackId, "StackId", "arn:<partition>:cloudformation:<region>:<account>:stack/<name>/<id>",
    r"^arn:aws[a-z-]*:cloudformation:[a-z0-9-]+:[0-9]{12}:stack/[!-~]+$", "cloudformation", "stack/"
);
arn!(
    /// The ARN of a change set.
    ChangeSetArn, "change set ARN", "arn:<partition>:cloudformation:<region>:<account>:changeSet/<name>/<id>",
    r"^arn:aws[a-z-]*:cloudformation:[a-z0-9-]+:[0-9]{12}:changeSet/[!-~]+$", "cloudformation", "changeSet/"
);

impl ChangeSetName {
    /// The name of a change set of ours: `stackgate-` and 32 hexadecimal digits.
    #[must_use]
    pub fn ours(d: &Digest) -> Self {
        Self(format!("stackgate-{}", d.short(32)).into())
    }
}

macro_rules! change_id {
    ($(#[$doc:meta])* $name:ident, $what:literal, $prefix:literal, $pattern:literal) => {
        word!($(#[$doc])* $name, $what, "the prefix and 40 lower-case hexadecimal digits, whole", $pattern, 43, |s| {
            s.strip_prefix($prefix).is_some_and(|h| {
                h.len() == 40 && h.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
            })
        });
        impl $name {
            /// The id made of the first 160 bits of the digest.
            #[must_use]
            pub fn from_digest(d: &Digest) -> Self {
                Self(format!("{}{}", $prefix, d.short(40)).into())
            }
            /// The 40 hexadecimal digits.
            #[must_use]
            pub fn digits(&self) -> &str {
                &self.0[3..]
            }
        }
    };
}
change_id!(
    /// Names a release for one Stage: everything that goes into it.
    ReleaseId, "release id", "a1-", r"^a1-[0-9a-f]{40}$"
);
change_id!(
    /// Names one change of a Stage: release, baseline and what would happen.
    StageChangeId, "change id", "c1-", r"^c1-[0-9a-f]{40}$"
);
change_id!(
    /// Names one change of a Bootstrap.
    BootstrapChangeId, "change id", "b1-", r"^b1-[0-9a-f]{40}$"
);

/// What a decision is about: the id of a ChangePlan.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum ChangeId {
    /// A change of a Stage.
    Stage(StageChangeId),
    /// A change of a Bootstrap.
    Bootstrap(BootstrapChangeId),
}

impl ChangeId {
    /// The whole id, prefix included.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Stage(id) => id.as_str(),
            Self::Bootstrap(id) => id.as_str(),
        }
    }
    /// The 40 hexadecimal digits.
    #[must_use]
    pub fn digits(&self) -> &str {
        match self {
            Self::Stage(id) => id.digits(),
            Self::Bootstrap(id) => id.digits(),
        }
    }
}
impl fmt::Display for ChangeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
impl TryFrom<String> for ChangeId {
    type Error = BadWord;
    fn try_from(s: String) -> Result<Self, BadWord> {
        s.parse()
    }
}
impl FromStr for ChangeId {
    type Err = BadWord;
    fn from_str(s: &str) -> Result<Self, BadWord> {
        if s.starts_with("b1-") { s.parse().map(Self::Bootstrap) } else { s.parse().map(Self::Stage) }
    }
}
impl From<ChangeId> for String {
    fn from(id: ChangeId) -> String {
        id.as_str().to_owned()
    }
}
impl schemars::JsonSchema for ChangeId {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ChangeId".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string", "pattern": "^[cb]1-[0-9a-f]{40}$", "maxLength": 43})
    }
}

/// What an annotation names: a change, or a release before its change is known.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum DecisionId {
    /// One change, whole.
    Change(ChangeId),
    /// A release for one Stage, whatever its change will be.
    Release(ReleaseId),
}

impl fmt::Display for DecisionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Change(id) => id.fmt(f),
            Self::Release(id) => id.fmt(f),
        }
    }
}
impl TryFrom<String> for DecisionId {
    type Error = BadWord;
    fn try_from(s: String) -> Result<Self, BadWord> {
        s.parse()
    }
}
impl FromStr for DecisionId {
    type Err = BadWord;
    fn from_str(s: &str) -> Result<Self, BadWord> {
        if s.starts_with("a1-") { s.parse().map(Self::Release) } else { s.parse().map(Self::Change) }
    }
}
impl From<DecisionId> for String {
    fn from(id: DecisionId) -> String {
        id.to_string()
    }
}
impl schemars::JsonSchema for DecisionId {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "DecisionId".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string", "pattern": "^[abc]1-[0-9a-f]{40}$", "maxLength": 43})
    }
}

/// A SHA-256 digest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of the bytes.
    #[must_use]
    pub fn of(bytes: impl AsRef<[u8]>) -> Self {
        use sha2::Digest as _;
        Self(sha2::Sha256::digest(bytes.as_ref()).into())
    }
    /// Wraps the result of a hash that was fed piece by piece.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
    /// The 32 bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
    /// All 64 hexadecimal digits, lower case.
    #[must_use]
    pub fn hex(&self) -> String {
        hex(&self.0)
    }
    /// The first `n` hexadecimal digits (at most 64).
    #[must_use]
    pub fn short(&self, n: usize) -> String {
        let mut h = hex(self.0.get(..n.div_ceil(2)).unwrap_or(&self.0));
        h.truncate(n);
        h
    }
}

/// Lower-case hexadecimal digits of the bytes.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(2 * bytes.len());
    for b in bytes {
        text.push(char::from(DIGITS[usize::from(b >> 4)]));
        text.push(char::from(DIGITS[usize::from(b & 15)]));
    }
    text
}

impl schemars::JsonSchema for Digest {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Digest".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string", "pattern": "^sha256:[0-9a-f]{64}$", "maxLength": 71})
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.hex())
    }
}
impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.short(12))
    }
}
impl FromStr for Digest {
    type Err = BadWord;
    fn from_str(s: &str) -> Result<Self, BadWord> {
        let err = || bad("digest", s, "sha256:<64 lower-case hexadecimal digits>");
        let h = s.strip_prefix("sha256:").ok_or_else(err)?.as_bytes();
        if h.len() != 64 {
            return Err(err());
        }
        let nibble = |b: u8| match b {
            b'0'..=b'9' => Some(b - b'0'),
            b'a'..=b'f' => Some(b - b'a' + 10),
            _ => None,
        };
        let mut out = [0; 32];
        for (o, pair) in out.iter_mut().zip(h.chunks_exact(2)) {
            *o = nibble(pair[0]).ok_or_else(err)? << 4 | nibble(pair[1]).ok_or_else(err)?;
        }
        Ok(Self(out))
    }
}
impl TryFrom<String> for Digest {
    type Error = BadWord;
    fn try_from(s: String) -> Result<Self, BadWord> {
        s.parse()
    }
}
impl From<Digest> for String {
    fn from(d: Digest) -> String {
        d.to_string()
    }
}

/// An account and a region: what CDK calls an environment.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Env {
    /// The account.
    pub account: AccountId,
    /// The region.
    pub region: Region,
}

impl fmt::Display for Env {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "aws://{}/{}", self.account, self.region)
    }
}
impl FromStr for Env {
    type Err = BadWord;
    fn from_str(s: &str) -> Result<Self, BadWord> {
        let parts = s.strip_prefix("aws://").and_then(|rest| rest.split_once('/'));
        let (account, region) = parts.ok_or_else(|| bad("environment", s, "aws://<account id>/<region>"))?;
        Ok(Self { account: account.parse()?, region: region.parse()? })
    }
}

/// Where a stack lives, by name: account, region and stack name are unique together.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct StackKey {
    /// Account and region.
    pub env: Env,
    /// The stack's name there.
    pub name: StackName,
}

impl fmt::Display for StackKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.env.account, self.env.region, self.name)
    }
}

/// The AWS partition of a region, as ARNs spell it.
#[must_use]
pub fn partition(region: &Region) -> &'static str {
    let r = region.as_str();
    if r.starts_with("cn-") {
        "aws-cn"
    } else if r.starts_with("us-gov-") {
        "aws-us-gov"
    } else {
        "aws"
    }
}

/// The names that `cdk bootstrap` gives to what it makes, computed, never taken from an assembly
/// (CDK bootstrap template version 33).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ToolkitNames {
    /// The qualifier.
    pub qualifier: Qualifier,
    /// Account and region.
    pub env: Env,
}

impl ToolkitNames {
    fn role(&self, kind: &str) -> RoleArn {
        let (q, a, r) = (&self.qualifier, &self.env.account, &self.env.region);
        RoleArn(format!("arn:{}:iam::{a}:role/cdk-{q}-{kind}-role-{a}-{r}", partition(r)).into())
    }
    /// The role that calls CloudFormation.
    #[must_use]
    pub fn deploy_role(&self) -> RoleArn {
        self.role("deploy")
    }
    /// The role that CloudFormation acts with.
    #[must_use]
    pub fn execution_role(&self) -> RoleArn {
        self.role("cfn-exec")
    }
    /// The role that uploads file assets.
    #[must_use]
    pub fn file_publishing_role(&self) -> RoleArn {
        self.role("file-publishing")
    }
    /// The role that pushes image assets.
    #[must_use]
    pub fn image_publishing_role(&self) -> RoleArn {
        self.role("image-publishing")
    }
    /// The role that reads.
    #[must_use]
    pub fn lookup_role(&self) -> RoleArn {
        self.role("lookup")
    }
    /// The bucket of file assets.
    #[must_use]
    pub fn bucket(&self) -> BucketName {
        BucketName(format!("cdk-{}-assets-{}-{}", self.qualifier, self.env.account, self.env.region).into())
    }
    /// The repository of image assets.
    #[must_use]
    pub fn repository(&self) -> String {
        format!("cdk-{}-container-assets-{}-{}", self.qualifier, self.env.account, self.env.region)
    }
    /// The SSM parameter that holds the version of the bootstrap template.
    #[must_use]
    pub fn version_parameter(&self) -> String {
        format!("/cdk-bootstrap/{}/version", self.qualifier)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_accept_and_refuse() {
        assert!("111111111111".parse::<AccountId>().is_ok());
        assert!("11111111111".parse::<AccountId>().is_err());
        assert!("ap-southeast-2".parse::<Region>().is_ok());
        assert!("AP-SOUTHEAST-2".parse::<Region>().is_err());
        assert!("Acme".parse::<Qualifier>().is_err());
        assert!("Dev-Store".parse::<StackName>().is_ok());
        assert!("-Dev".parse::<StackName>().is_err());
        assert!("arn:aws:iam::111111111111:role/x".parse::<RoleArn>().is_ok());
        assert!("arn:aws:iam::111111111111:user/x".parse::<RoleArn>().is_err());
        let id: StackId =
            "arn:aws:cloudformation:ap-southeast-2:111111111111:stack/Dev/1-2".parse().expect("a StackId");
        for region in ["", "evil.example/", "AP-SOUTHEAST-2", "x#"] {
            let arn = format!("arn:aws:cloudformation:{region}:111111111111:stack/Dev/1-2");
            assert!(arn.parse::<StackId>().is_err(), "{arn}");
        }
        assert!("arn:aws:iam:r:111111111111:role/x".parse::<RoleArn>().is_err());
        assert!("arn:aws2:iam::111111111111:role/x".parse::<RoleArn>().is_err());
        assert_eq!(id.account().as_str(), "111111111111");
        assert_eq!(id.region(), "ap-southeast-2");
        let d = Digest::of(b"x");
        assert_eq!(d.to_string().parse::<Digest>(), Ok(d));
        assert!(d.hex().parse::<Digest>().is_err());
    }
}
