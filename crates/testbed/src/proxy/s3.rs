//! Names for S3 requests, which carry none. Path style only: that is what an endpoint on an IP address gets.

use std::collections::BTreeMap;

use hyper::Method;

/// Subresources of an object and of a bucket that the controller and the CDK CLI use, and what the SDK calls them.
const OBJECT: [&str; 4] = ["attributes", "tagging", "acl", "uploads"];
const BUCKET: [&str; 9] = [
    "versioning",
    "versions",
    "location",
    "policy",
    "encryption",
    "lifecycle",
    "tagging",
    "acl",
    "publicAccessBlock",
];

/// The operation, as the SDK calls it.
pub(super) fn operation(method: &Method, path: &str, query: &BTreeMap<String, String>) -> String {
    let (bucket, key) = split(path);
    let verb = capitalised(method.as_str());
    let (of, subresources): (&str, &[&str]) =
        if key.is_empty() { ("Bucket", &BUCKET) } else { ("Object", &OBJECT) };
    if let Some(subresource) = subresources.iter().find(|name| query.contains_key(**name)) {
        return match *subresource {
            "versions" => "ListObjectVersions".to_owned(),
            "uploads" => "CreateMultipartUpload".to_owned(),
            other => {
                let mut name = other.chars();
                let first: String = name.next().into_iter().flat_map(char::to_uppercase).collect();
                format!("{verb}{of}{first}{}", name.as_str())
            }
        };
    }
    match (method.as_str(), bucket.is_empty(), key.is_empty()) {
        ("GET", true, _) => "ListBuckets".to_owned(),
        ("GET", _, true) if query.contains_key("list-type") => "ListObjectsV2".to_owned(),
        ("GET", _, true) => "ListObjects".to_owned(),
        ("PUT", _, true) => "CreateBucket".to_owned(),
        ("POST", _, true) if query.contains_key("delete") => "DeleteObjects".to_owned(),
        ("PUT", ..) if query.contains_key("uploadId") => "UploadPart".to_owned(),
        ("POST", ..) if query.contains_key("uploadId") => "CompleteMultipartUpload".to_owned(),
        _ => format!("{verb}{of}"),
    }
}

/// The parameters that lie in the path.
pub(super) fn place(path: &str) -> impl Iterator<Item = (String, String)> {
    let (bucket, key) = split(path);
    [("Bucket", bucket), ("Key", key)]
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| (name.to_owned(), decoded(value)))
}

fn split(path: &str) -> (&str, &str) {
    let path = path.strip_prefix('/').unwrap_or(path);
    path.split_once('/').unwrap_or((path, ""))
}

/// Percent-decoded. A plus sign is itself in a path, unlike in a form.
fn decoded(text: &str) -> String {
    form_urlencoded::parse(text.replace('+', "%2B").replace('&', "%26").replace('=', "%3D").as_bytes())
        .map(|(name, _)| name.into_owned())
        .collect()
}

fn capitalised(method: &str) -> String {
    let (first, rest) = method.split_at(method.len().min(1));
    format!("{first}{}", rest.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_get_the_names_of_the_sdk() {
        let cases = [
            ("GET", "/b/k", "", "GetObject"),
            ("HEAD", "/b/k", "", "HeadObject"),
            ("HEAD", "/b", "", "HeadBucket"),
            ("PUT", "/b/", "", "CreateBucket"),
            ("GET", "/b/k", "attributes", "GetObjectAttributes"),
            ("GET", "/b", "versioning", "GetBucketVersioning"),
            ("GET", "/b", "versions", "ListObjectVersions"),
            ("GET", "/b", "list-type", "ListObjectsV2"),
            ("DELETE", "/b/k/l", "", "DeleteObject"),
        ];
        for (method, path, query, expected) in cases {
            let query = BTreeMap::from([(query.to_owned(), String::new())]);
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            assert_eq!(operation(&method, path, &query), expected, "{method} {path}");
        }
    }

    #[test]
    fn keys_are_decoded() {
        let found: Vec<_> = place("/b/a%20b+c/d&e=f").collect();
        assert_eq!(found[1], ("Key".to_owned(), "a b+c/d&e=f".to_owned()));
    }
}
