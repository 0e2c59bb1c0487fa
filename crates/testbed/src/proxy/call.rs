//! One AWS request in our words: who calls which operation of which service, with which parameters.

use std::collections::BTreeMap;

use hyper::{HeaderMap, Method, Uri};

use super::s3;

/// A request as the proxy saw it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Call {
    /// The service it was signed for, such as `cloudformation`, `sts`, `ssm`, `s3`; empty when unsigned.
    pub service: String,
    /// The operation, such as `CreateChangeSet`; for S3 as the SDK calls it (`PutObject`), else the HTTP method.
    pub operation: String,
    /// The region it was signed for; empty when unsigned.
    pub region: String,
    /// The access key id it was signed with; empty when unsigned.
    pub access_key_id: String,
    /// The account of the session it was signed with; empty for base credentials.
    pub account: String,
    /// The form fields (`Parameters.member.1.ParameterKey`), the top-level fields of a JSON body, or for S3 `Bucket`, `Key` and
    /// the query.
    pub params: BTreeMap<String, String>,
    /// The headers by lower-case name, without those that hold credentials.
    pub headers: BTreeMap<String, String>,
    /// The HTTP method.
    pub method: String,
    /// The path, as sent.
    pub path: String,
}

/// How a call counts when a deployment is weighed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CallKind {
    /// A CloudFormation call that is about one stack.
    NamesStack,
    /// A CloudFormation call that looks at all stacks of a region.
    RegionPoll,
    /// Everything else: publishing, sessions, parameters.
    Other,
}

impl Call {
    pub(super) fn parse(method: &Method, uri: &Uri, headers: &HeaderMap, body: &[u8]) -> Self {
        let query: BTreeMap<String, String> = form(uri.query().unwrap_or_default().as_bytes());
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let scope = Scope::find(text("authorization"), query.get("X-Amz-Credential"));
        let mut call = Self {
            service: scope.service,
            region: scope.region,
            access_key_id: scope.access_key_id,
            account: String::new(), // only the records know sessions
            operation: method.to_string(),
            params: query,
            headers: shown(headers),
            method: method.to_string(),
            path: uri.path().to_owned(),
        };
        if call.service == "s3" {
            call.operation = s3::operation(method, uri.path(), &call.params);
            call.params.extend(s3::place(uri.path()));
        } else if let Some((_, operation)) = text("x-amz-target").rsplit_once('.') {
            operation.clone_into(&mut call.operation);
            call.params.extend(json_fields(body));
        } else {
            if text("content-type").starts_with("application/x-www-form-urlencoded") {
                call.params.extend(form(body));
            }
            if let Some(action) = call.params.get("Action") {
                call.operation.clone_from(action);
            }
        }
        call
    }

    /// One parameter; empty when absent.
    #[must_use]
    pub fn param(&self, name: &str) -> &str {
        self.params.get(name).map_or("", String::as_str)
    }

    /// How it counts when a deployment is weighed.
    #[must_use]
    pub fn kind(&self) -> CallKind {
        if self.service != "cloudformation" {
            return CallKind::Other;
        }
        let about_one =
            ["StackName", "StackId", "ChangeSetName"].iter().any(|name| !self.param(name).is_empty());
        match (about_one, self.param("TargetId").is_empty()) {
            (true, _) => CallKind::NamesStack,
            // ListHookResults asks for one change set by its ARN.
            (false, false) => CallKind::Other,
            (false, true) => CallKind::RegionPoll,
        }
    }

    /// Whether it changes something in AWS. A session (`AssumeRole…`) does not count as a change.
    #[must_use]
    pub fn is_mutating(&self) -> bool {
        let reads = [
            "Get",
            "List",
            "Describe",
            "Head",
            "Assume",
            "Validate",
            "Estimate",
            "Detect",
            "BatchGet",
            "BatchCheck",
        ];
        let http_reads = ["GET", "HEAD", "OPTIONS"];
        !reads.iter().any(|verb| self.operation.starts_with(verb))
            && !http_reads.contains(&self.operation.as_str())
    }
}

/// What a signature says about its caller.
#[derive(Default)]
struct Scope {
    access_key_id: String,
    region: String,
    service: String,
}

impl Scope {
    /// From the `Authorization` header or, for a presigned URL, the query.
    fn find(authorization: &str, presigned: Option<&String>) -> Self {
        let in_header = authorization
            .split_once("Credential=")
            .map(|(_, rest)| rest.split(',').next().unwrap_or_default().to_owned());
        let Some(credential) = in_header.or_else(|| presigned.cloned()) else { return Self::default() };
        let parts: Vec<&str> = credential.split('/').collect();
        match parts.as_slice() {
            [key, _date, region, service, _end] => Self::of(key, region, service),
            // SigV4A: one signature for many regions
            [key, _date, service, _end] => Self::of(key, "", service),
            _ => Self::default(),
        }
    }

    fn of(key: &str, region: &str, service: &str) -> Self {
        Self { access_key_id: key.to_owned(), region: region.to_owned(), service: service.to_owned() }
    }
}

fn form(bytes: &[u8]) -> BTreeMap<String, String> {
    form_urlencoded::parse(bytes).into_owned().collect()
}

fn json_fields(body: &[u8]) -> BTreeMap<String, String> {
    let fields: BTreeMap<String, serde_json::Value> = serde_json::from_slice(body).unwrap_or_default();
    fields
        .into_iter()
        .map(|(name, value)| (name, value.as_str().map_or_else(|| value.to_string(), str::to_owned)))
        .collect()
}

fn shown(headers: &HeaderMap) -> BTreeMap<String, String> {
    headers
        .iter()
        .filter(|(name, _)| !["authorization", "x-amz-security-token"].contains(&name.as_str()))
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed(service: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let text = format!(
            "AWS4-HMAC-SHA256 Credential=AKIDX/20261124/ap-southeast-2/{service}/aws4_request, SignedHeaders=host, Signature=0"
        );
        headers.insert("authorization", text.parse().unwrap());
        headers
    }

    #[test]
    fn a_query_call_is_named_by_its_action() {
        let mut headers = signed("cloudformation");
        headers.insert("content-type", "application/x-www-form-urlencoded".parse().unwrap());
        let body = b"Action=DescribeStacks&Version=2010-05-15&StackName=Prod-Api";
        let call = Call::parse(&Method::POST, &Uri::from_static("/"), &headers, body);
        assert_eq!((call.service.as_str(), call.operation.as_str()), ("cloudformation", "DescribeStacks"));
        assert_eq!((call.region.as_str(), call.access_key_id.as_str()), ("ap-southeast-2", "AKIDX"));
        assert_eq!(call.param("StackName"), "Prod-Api");
        assert_eq!(call.kind(), CallKind::NamesStack);
        assert!(!call.is_mutating());

        let poll = Call::parse(&Method::POST, &Uri::from_static("/"), &headers, b"Action=DescribeStacks");
        assert_eq!(poll.kind(), CallKind::RegionPoll);
    }

    #[test]
    fn a_json_call_is_named_by_its_target() {
        let mut headers = signed("ssm");
        headers.insert("x-amz-target", "AmazonSSM.PutParameter".parse().unwrap());
        let body = br#"{"Name": "/a", "Overwrite": true}"#;
        let call = Call::parse(&Method::POST, &Uri::from_static("/"), &headers, body);
        assert_eq!(call.operation, "PutParameter");
        assert_eq!((call.param("Name"), call.param("Overwrite")), ("/a", "true"));
        assert_eq!(call.kind(), CallKind::Other);
        assert!(call.is_mutating());
    }

    #[test]
    fn an_s3_call_is_named_by_method_and_path() {
        let uri = Uri::from_static("/bucket/a/b.zip?x-id=PutObject");
        let call = Call::parse(&Method::PUT, &uri, &signed("s3"), b"zip");
        assert_eq!(call.operation, "PutObject");
        assert_eq!((call.param("Bucket"), call.param("Key")), ("bucket", "a/b.zip"));
        assert!(call.is_mutating());
        assert!(!call.headers.contains_key("authorization"));
    }

    #[test]
    fn a_presigned_url_and_an_unsigned_call_are_told_apart() {
        let uri =
            Uri::from_static("/b/k?X-Amz-Credential=AK%2F20261124%2Fap-southeast-2%2Fs3%2Faws4_request");
        let call = Call::parse(&Method::GET, &uri, &HeaderMap::new(), b"");
        assert_eq!((call.service.as_str(), call.operation.as_str()), ("s3", "GetObject"));
        let call = Call::parse(&Method::GET, &Uri::from_static("/b/k"), &HeaderMap::new(), b"");
        assert_eq!((call.service.as_str(), call.operation.as_str()), ("", "GET"));
    }
}
