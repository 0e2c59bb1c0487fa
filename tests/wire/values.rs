//! The values of parameters: the Secret and the ConfigMap that they lie in, and where the Secret's must never stand (I7).

use std::{collections::HashMap, sync::LazyLock};

use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE, Engine};
use serde_json::json;
use stackgate_core::api::{Parameter, Stage};
use stackgate_sim::world::NAMESPACE;

use crate::{
    ground::Ground,
    run::{Manner, runtime, to_the_end},
    site::Site,
    stories::{DEV, all},
};

/// The value of the Secret, and what it is rotated to. No word of any text has six characters in a row with them.
pub const PASSWORDS: [&str; 2] = ["kzQ7vM2xTb9RwL4h", "Yd3JpNf8CqWs6GuX"];

/// So many characters in a row of a value tell too much of it: what the controller promises to take out (docs/parameters.md).
const RUN: usize = 6;

const SECRET: &str = "/secrets/database";

/// The Secret holds this from now on.
pub fn set_password(ground: &mut Ground, password: &str) {
    let data = json!({"password": BASE64_STANDARD.encode(password)});
    let labels = json!({"stackgate.dev/parameters": "true"});
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "data": data,
        "metadata": {"name": "database", "namespace": NAMESPACE, "labels": labels}});
    ground.others.insert(format!("/api/v1/namespaces/{NAMESPACE}{SECRET}"), secret);
}

/// The ConfigMap holds this from now on.
pub fn set_size(ground: &mut Ground, size: &str) {
    let name = "settings";
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"size": size},
        "metadata": {"name": name, "namespace": NAMESPACE}});
    ground.others.insert(format!("/api/v1/namespaces/{NAMESPACE}/configmaps/{name}"), map);
}

/// A Stage takes its values from both.
pub fn take(stage: &mut Stage) {
    let from = |name: &str, from: serde_json::Value| -> Parameter {
        serde_json::from_value(json!({"name": name, "valueFrom": from})).unwrap()
    };
    stage.spec.parameters = vec![
        from("Dev-Store:Password", json!({"secretKeyRef": {"name": "database", "key": "password"}})),
        from("Size", json!({"configMapKeyRef": {"name": "settings", "key": "size"}})),
    ];
}

/// Every run of a password that must not be told, in plain or in base64 wherever it begins, and whose it is.
static RUNS: LazyLock<HashMap<[u8; RUN], &'static str>> = LazyLock::new(|| {
    let forms = PASSWORDS.into_iter().flat_map(|password| {
        let shifted = (0..3).flat_map(move |by| {
            let bytes = [&vec![b'-'; by], password.as_bytes()].concat();
            // The first characters depend on what stands before, the last on what follows.
            [BASE64_STANDARD.encode(&bytes), BASE64_URL_SAFE.encode(&bytes)].map(|t| t[4..20].to_owned())
        });
        shifted.chain([password.to_owned()]).map(move |form| (form, password))
    });
    forms
        .flat_map(|(form, password)| {
            let runs: Vec<[u8; RUN]> = form.as_bytes().array_windows().copied().collect();
            runs.into_iter().map(move |run| (run, password))
        })
        .collect()
});

/// The password that a text tells something of, if any.
fn told_in(text: &str) -> Option<&'static str> {
    text.as_bytes().array_windows().find_map(|run| RUNS.get(run).copied())
}

/// I7: what a controller writes or logs tells nothing of the Secret, where there is one.
pub fn must_not_tell(ground: &mut Ground, text: &str) {
    let has_secret = ground.others.keys().any(|path| path.ends_with(SECRET));
    if let Some(password) = has_secret.then(|| told_in(text)).flatten() {
        ground.wrong.push(format!("I7: {password} stands in {text}"));
    }
}

#[test]
fn a_value_is_found_in_plain_and_in_base64() {
    let [value, _] = PASSWORDS;
    assert_eq!(told_in("chosen to fail, Password is (hidden)"), None);
    assert_eq!(told_in(&format!("the start of it: {}", &value[..6])), Some(value));
    for before in ["", "a", "ab"] {
        assert_eq!(told_in(&BASE64_STANDARD.encode(format!("{before}{value}"))), Some(value));
    }
}

/// The stories are about what they say: the values arrive, the later ones, too, and CloudFormation's words are shown without them.
#[test]
fn values_arrive_and_stand_in_no_text() {
    let ends = |of: &str| {
        let story = all().into_iter().find(|s| s.name.contains(of)).unwrap();
        runtime().block_on(async {
            let site = Site::new((story.ground)());
            let end = to_the_end(&site, Manner::default()).await.unwrap();
            let stage = site.ground().stage(DEV).unwrap();
            (end, serde_json::to_string(&stage.status).unwrap())
        })
    };
    let (changed, _) = ends("change before and after the approval");
    let given = format!("Password={} Size=large", PASSWORDS[1]);
    assert!(changed.stacks.values().any(|stack| stack.ends_with(&given)), "{changed:#?}");
    let (_, status) = ends("tells the value of a Secret");
    assert!(status.contains("Password is (hidden), Size is small"), "{status}");
}
