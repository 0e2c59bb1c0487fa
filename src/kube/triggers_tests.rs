use kube::runtime::watcher::Event;
use serde_json::json;

use super::*;
use crate::kube::stores::Writers;

struct World {
    stores: Stores,
    writers: Writers,
}

fn world() -> World {
    let (stores, writers) = Stores::new("stackgate-system");
    World { stores, writers }
}

fn account(name: &str, id: &str) -> AwsAccount {
    serde_json::from_value(json!({
        "metadata": { "name": name, "generation": 1, "resourceVersion": "1" },
        "spec": { "accountID": id, "regions": ["eu-west-1"] },
    }))
    .unwrap()
}

fn stage(namespace: &str, name: &str, after: &[&str], assembly: &str, account: &str) -> Stage {
    let after: Vec<_> = after.iter().map(|n| json!({ "name": n })).collect();
    serde_json::from_value(json!({
        "metadata": { "name": name, "namespace": namespace, "generation": 1, "resourceVersion": "1" },
        "spec": { "assemblyRef": { "name": assembly }, "accounts": [account], "promoteFrom": after },
    }))
    .unwrap()
}

fn assembly(namespace: &str, name: &str, account: &str) -> CloudAssembly {
    serde_json::from_value(json!({
        "metadata": { "name": name, "namespace": namespace, "generation": 1, "resourceVersion": "1" },
        "spec": { "source": { "s3": {
            "account": account, "bucket": "the-bucket", "key": "k", "region": "eu-west-1" } } },
    }))
    .unwrap()
}

fn bootstrap(name: &str) -> Bootstrap {
    serde_json::from_value(json!({
        "metadata": { "name": name, "generation": 1, "resourceVersion": "1" },
        "spec": { "qualifier": "acme", "toolkitStackName": "CDKToolkit", "version": 33, "accounts": { "names": ["dev"] } },
    }))
    .unwrap()
}

fn plan(namespace: &str, name: &str, label: (&str, &str)) -> ChangePlan {
    serde_json::from_value(json!({
        "metadata": {
            "name": name, "namespace": namespace, "generation": 1, "resourceVersion": "1",
            "labels": { label.0: label.1 },
        },
        "spec": { "proposal": {
            "kind": "Stage", "name": "dev", "uid": "u", "operation": "Deploy", "id": format!("c1-{}", "0".repeat(40)) } },
    }))
    .unwrap()
}

/// dev → test → prod in namespace shop, a Stage of another namespace, accounts of which two share an id.
fn shop() -> World {
    let mut w = world();
    for a in
        [account("dev", "111111111111"), account("twin", "111111111111"), account("prod", "333333333333")]
    {
        w.writers.accounts.apply_watcher_event(&Event::Apply(a));
    }
    for s in [
        stage("shop", "dev", &[], "app", "dev"),
        stage("shop", "test", &["dev"], "app", "twin"),
        stage("shop", "prod", &["test"], "app", "prod"),
        stage("other", "dev", &[], "app", "prod"),
    ] {
        w.writers.stages.apply_watcher_event(&Event::Apply(s));
    }
    w.writers.assemblies.apply_watcher_event(&Event::Apply(assembly("shop", "app", "dev")));
    w.writers.bootstraps.apply_watcher_event(&Event::Apply(bootstrap("acme")));
    w
}

fn changed<K: Resource + Clone>(object: &K, change: impl Fn(&mut K)) -> K {
    let mut after = object.clone();
    after.meta_mut().resource_version = Some("2".to_owned());
    change(&mut after);
    after
}

fn respecified<K: Resource + Clone>(object: &K) -> K {
    changed(object, |o| o.meta_mut().generation = Some(2))
}

fn woken<K: Trigger>(w: &World, before: Option<&K>, after: Option<&K>) -> Vec<String> {
    K::woken(Change { before, after }, &w.stores).iter().map(ToString::to_string).collect()
}

#[test]
fn an_account_wakes_its_twins_and_whatever_names_one_of_them() {
    let a = account("dev", "111111111111");
    let expected = [
        "AwsAccount dev",
        "AwsAccount twin",
        "Bootstrap acme",
        "CloudAssembly shop/app",
        "Stage shop/dev",
        "Stage shop/test",
    ];
    assert_eq!(woken(&shop(), Some(&a), Some(&respecified(&a))), expected);
    assert_eq!(woken(&shop(), Some(&a), Some(&changed(&a, |_| ()))), ["AwsAccount dev"]);
    assert_eq!(woken(&shop(), Some(&a), None), expected, "also when it is deleted");
    assert_eq!(woken(&shop(), None, Some(&a)), expected, "also when it is new");
}

#[test]
fn a_bootstrap_wakes_all_stages() {
    let b = bootstrap("acme");
    let all = ["Bootstrap acme", "Stage other/dev", "Stage shop/dev", "Stage shop/prod", "Stage shop/test"];
    assert_eq!(woken(&shop(), Some(&b), Some(&respecified(&b))), all);
    assert_eq!(woken(&shop(), Some(&b), Some(&changed(&b, |_| ()))), all, "also by its status");
}

#[test]
fn a_bootstrap_wakes_the_others_that_it_may_be_in_the_way_of() {
    let b = bootstrap("rival");
    let all = [
        "Bootstrap acme",
        "Bootstrap rival",
        "Stage other/dev",
        "Stage shop/dev",
        "Stage shop/prod",
        "Stage shop/test",
    ];
    assert_eq!(woken(&shop(), None, Some(&b)), all);
    assert_eq!(woken(&shop(), Some(&b), None), all);
    assert_eq!(woken(&shop(), Some(&b), Some(&changed(&b, |_| ()))), all[1..], "not by its status");
}

#[test]
fn an_assembly_wakes_the_stages_of_its_namespace_also_by_its_status() {
    let a = assembly("shop", "app", "dev");
    let stages = ["Stage shop/dev", "Stage shop/prod", "Stage shop/test"];
    let own = [&["CloudAssembly shop/app"], &stages[..]].concat();
    assert_eq!(woken(&shop(), Some(&a), Some(&changed(&a, |_| ()))), own);
    let asked = changed(&a, |a| {
        a.annotations_mut().insert("stackgate.dev/requestedAt".to_owned(), "now".to_owned());
    });
    assert_eq!(woken(&shop(), Some(&a), Some(&asked)), own);
}

#[test]
fn a_stage_wakes_all_that_follow_and_by_its_status_itself_alone() {
    let s = stage("shop", "dev", &[], "app", "dev");
    let all = ["Stage shop/dev", "Stage shop/prod", "Stage shop/test"];
    assert_eq!(woken(&shop(), Some(&s), Some(&respecified(&s))), all);
    assert_eq!(woken(&shop(), Some(&s), None), all);
    assert_eq!(woken(&shop(), Some(&s), Some(&changed(&s, |_| ()))), ["Stage shop/dev"]);
    let meta: [fn(&mut Stage); 4] = [
        |s| s.metadata.finalizers = Some(vec!["f".to_owned()]),
        |s| {
            s.metadata.deletion_timestamp =
                Some(serde_json::from_value(json!("2026-11-24T10:00:00Z")).unwrap())
        },
        |s| s.metadata.labels = Some([("a".to_owned(), "b".to_owned())].into()),
        |s| s.metadata.uid = Some("another".to_owned()),
    ];
    for change in meta {
        assert_eq!(woken(&shop(), Some(&s), Some(&changed(&s, change))), all);
    }
}

#[test]
fn a_circle_of_stages_wakes_each_once() {
    let mut w = world();
    for (name, after) in [("a", "c"), ("b", "a"), ("c", "b")] {
        w.writers.stages.apply_watcher_event(&Event::Apply(stage("shop", name, &[after], "app", "dev")));
    }
    let a = stage("shop", "a", &["c"], "app", "dev");
    assert_eq!(woken(&w, None, Some(&a)), ["Stage shop/a", "Stage shop/b", "Stage shop/c"]);
}

#[test]
fn a_plan_wakes_its_owner_and_the_next_stages() {
    let p = plan("shop", "dev-0", (LABEL_STAGE, "dev"));
    let expected = ["Stage shop/dev", "Stage shop/test", "ChangePlan shop/dev-0"];
    assert_eq!(woken(&shop(), Some(&p), Some(&respecified(&p))), expected);
    assert_eq!(woken(&shop(), Some(&p), None), expected);
    assert_eq!(woken(&shop(), Some(&p), Some(&changed(&p, |_| ()))), ["ChangePlan shop/dev-0"]);
    let b = plan("stackgate-system", "acme-0", (LABEL_BOOTSTRAP, "acme"));
    assert_eq!(woken(&shop(), None, Some(&b)), ["Bootstrap acme", "ChangePlan stackgate-system/acme-0"]);
}

fn freeze(name: &str) -> Freeze {
    serde_json::from_value(json!({
        "metadata": { "name": name, "generation": 1, "resourceVersion": "1" },
        "spec": { "reason": "stocktaking" },
    }))
    .unwrap()
}

/// The plan of a Bootstrap, as it waits for its gate.
fn waiting_toolkits() -> ChangePlan {
    let mut waits = plan("stackgate-system", "acme-1", (LABEL_BOOTSTRAP, "acme"));
    waits.spec.proposal.kind = stackgate_core::api::ProposalKind::Bootstrap;
    let opened = json!({ "seq": 0, "time": "2026-11-24T00:00:00Z", "opened": { "order": 1 } });
    waits.spec.ledger = vec![serde_json::from_value(opened).unwrap()];
    waits
}

#[test]
fn a_freeze_wakes_all_that_waits_before_a_gate() {
    let mut w = shop();
    w.writers.plans.apply_watcher_event(&Event::Apply(waiting_toolkits()));
    let all = [
        "Bootstrap acme",
        "Stage other/dev",
        "Stage shop/dev",
        "Stage shop/prod",
        "Stage shop/test",
        "ChangePlan stackgate-system/acme-1",
        "Freeze stocktaking",
    ];
    let f = freeze("stocktaking");
    let sorted = |mut keys: Vec<String>| {
        keys.sort();
        keys
    };
    let expected = sorted(all.map(str::to_owned).to_vec());
    assert_eq!(sorted(woken(&w, None, Some(&f))), expected);
    assert_eq!(sorted(woken(&w, Some(&f), None)), expected, "also when it is deleted");
    assert_eq!(woken(&w, Some(&f), Some(&changed(&f, |_| ()))), ["Freeze stocktaking"]);
}

#[test]
fn policies_that_come_into_force_wake_all_that_waits_before_a_gate() {
    let mut w = shop();
    w.writers.plans.apply_watcher_event(&Event::Apply(waiting_toolkits()));
    let woken = std::cell::RefCell::new(BTreeSet::new());
    let now = stackgate_core::gate::Enforcement {
        state: stackgate_core::gate::InForceState::InForce,
        ..stackgate_core::gate::Enforcement::default()
    };
    w.stores.enforce(now, |key| {
        woken.borrow_mut().insert(key.to_string());
    });
    let woken = woken.into_inner();
    for key in ["Bootstrap acme", "ChangePlan stackgate-system/acme-1", "Stage shop/prod"] {
        assert!(woken.contains(key), "{key} was not woken: {woken:?}");
    }
}

#[test]
fn accounts_and_the_bootstrap_itself_wake_plans_that_show_their_gate() {
    let mut w = shop();
    w.writers.plans.apply_watcher_event(&Event::Apply(waiting_toolkits()));
    let plan = "ChangePlan stackgate-system/acme-1".to_owned();
    let a = account("prod", "333333333333");
    assert!(woken(&w, Some(&a), Some(&respecified(&a))).contains(&plan));
    let b = bootstrap("acme");
    assert!(woken(&w, Some(&b), Some(&respecified(&b))).contains(&plan));
}

#[test]
fn a_plan_wakes_those_of_its_stage_that_wait() {
    let mut w = shop();
    let digest = format!("sha256:{}", "0".repeat(64));
    let mut waits = plan("shop", "dev-1", (LABEL_STAGE, "dev"));
    waits.spec.proposal.stacks = vec![
        serde_json::from_value(json!({
            "account": "111111111111", "region": "eu-west-1", "stackName": "Dev-Store", "qualifier": "acme",
            "artifact": "Store", "plan": "Prepared", "input": digest, "leaf": digest,
            "count": { "add": 1, "modify": 0, "remove": 0, "replace": 0, "maybeReplace": 0 }
        }))
        .unwrap(),
    ];
    let opened = json!({ "seq": 0, "time": "2026-11-24T00:00:00Z", "opened": { "order": 1 } });
    waits.spec.ledger = vec![serde_json::from_value(opened).unwrap()];
    w.writers.plans.apply_watcher_event(&Event::Apply(waits));
    w.writers.plans.apply_watcher_event(&Event::Apply(plan("shop", "dev-2", (LABEL_STAGE, "dev"))));
    let p = plan("shop", "dev-0", (LABEL_STAGE, "dev"));
    let all = woken(&w, Some(&p), Some(&respecified(&p)));
    assert_eq!(all, ["Stage shop/dev", "Stage shop/test", "ChangePlan shop/dev-0", "ChangePlan shop/dev-1"]);
}

#[test]
fn plans_are_found_by_label_in_their_namespace_and_in_order() {
    let mut w = world();
    for p in [
        plan("shop", "dev-2", (LABEL_STAGE, "dev")),
        plan("shop", "dev-1", (LABEL_STAGE, "dev")),
        plan("shop", "test-1", (LABEL_STAGE, "test")),
        plan("other", "dev-3", (LABEL_STAGE, "dev")),
        plan("other", "acme-0", (LABEL_BOOTSTRAP, "acme")),
        plan("stackgate-system", "acme-1", (LABEL_BOOTSTRAP, "acme")),
    ] {
        w.writers.plans.apply_watcher_event(&Event::Apply(p));
    }
    let names =
        |plans: Vec<std::sync::Arc<ChangePlan>>| plans.iter().map(|p| p.name_any()).collect::<Vec<_>>();
    assert_eq!(names(w.stores.plans_of_stage("shop", "dev")), ["dev-1", "dev-2"]);
    assert_eq!(names(w.stores.plans_of_bootstrap("acme")), ["acme-1"]);
}
