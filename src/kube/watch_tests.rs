use serde_json::json;
use stackgate_core::{api::Stage, cluster::ClusterView};

use super::*;

fn stage(name: &str, version: &str, assembly: &serde_json::Value) -> DeserializeGuard<Stage> {
    serde_json::from_value(json!({
        "apiVersion": "stackgate.dev/v1alpha1",
        "kind": "Stage",
        "metadata": {
            "name": name, "namespace": "shop", "generation": 1, "resourceVersion": version,
            "managedFields": [{ "manager": "kubectl" }],
            "annotations": { LAST_APPLIED: "{}", "gate.stackgate.dev/approve": "yes" },
        },
        "spec": { "assemblyRef": { "name": assembly }, "accounts": ["dev"] },
    }))
    .unwrap()
}

fn good(name: &str, version: &str) -> DeserializeGuard<Stage> {
    stage(name, version, &json!("app"))
}

/// As one written by another version of the definitions.
fn unreadable(name: &str, version: &str) -> DeserializeGuard<Stage> {
    stage(name, version, &json!(7))
}

struct Watching {
    stores: Stores,
    writer: Writer<Stage>,
}

impl Watching {
    fn new() -> Self {
        let (stores, writers) = Stores::new("stackgate-system");
        Self { stores, writer: writers.stages }
    }

    fn see(&mut self, event: Event<DeserializeGuard<Stage>>) -> Vec<String> {
        let woken = self.stores.take_in(event, &mut self.writer, &self.stores.stages);
        woken.iter().map(ToString::to_string).collect()
    }

    fn list(&mut self, objects: impl IntoIterator<Item = DeserializeGuard<Stage>>) -> Vec<String> {
        assert!(self.see(Event::Init).is_empty());
        for object in objects {
            assert!(self.see(Event::InitApply(object)).is_empty());
        }
        self.see(Event::InitDone)
    }
}

#[test]
fn the_first_list_wakes_all_and_a_later_one_only_what_it_shows_changed_or_gone() {
    let mut w = Watching::new();
    assert_eq!(w.list([good("a", "1"), good("b", "1")]), ["Stage shop/a", "Stage shop/b"]);
    assert_eq!(w.list([good("a", "1"), good("b", "1")]), [""; 0]);
    assert_eq!(w.list([good("a", "1"), good("c", "1")]), ["Stage shop/b", "Stage shop/c"]);
    assert!(w.stores.stage("shop", "b").is_none());
}

/// The API server was put back to an older revision.
#[test]
fn a_list_in_which_a_version_stands_for_something_else_wakes_it() {
    let mut w = Watching::new();
    w.list([good("a", "1"), good("b", "1")]);
    let mut approved = good("b", "1");
    let annotations = approved.0.as_mut().unwrap().annotations_mut();
    annotations.insert("gate.stackgate.dev/approve".to_owned(), "another".to_owned());
    assert_eq!(w.list([good("a", "1"), approved]), ["Stage shop/b"]);
}

#[test]
fn what_nobody_reads_is_not_kept() {
    let mut w = Watching::new();
    w.see(Event::Apply(good("a", "1")));
    let kept = w.stores.stage("shop", "a").unwrap();
    assert!(kept.metadata.managed_fields.is_none());
    let annotations: Vec<&String> = kept.metadata.annotations.iter().flatten().map(|(k, _)| k).collect();
    assert_eq!(annotations, ["gate.stackgate.dev/approve"]);
}

#[test]
fn an_object_that_cannot_be_read_hides_no_other_and_is_not_taken_for_gone() {
    let mut w = Watching::new();
    assert_eq!(w.list([unreadable("new", "1"), good("a", "1")]), ["Stage shop/a"]);
    assert!(w.see(Event::Apply(unreadable("a", "2"))).is_empty());
    assert!(w.stores.stage("shop", "a").is_some());
    assert!(w.list([unreadable("a", "2")]).is_empty());
    assert!(w.stores.stage("shop", "a").is_some());
    assert_eq!(w.see(Event::Delete(unreadable("a", "3"))), ["Stage shop/a"]);
    assert!(w.stores.stage("shop", "a").is_none());
    assert!(w.see(Event::Delete(unreadable("new", "2"))).is_empty());
}

#[test]
fn waits_between_tries_double_to_8_s() {
    let mut waits = Doubling::default();
    let first: Vec<f32> = waits.by_ref().take(6).map(|d| d.as_secs_f32()).collect();
    assert_eq!(first, [0.5, 1.0, 2.0, 4.0, 8.0, 8.0]);
    waits.reset();
    assert_eq!(waits.next(), Some(Duration::from_millis(500)));
}
