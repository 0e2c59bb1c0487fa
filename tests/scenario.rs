//! The main job on real parts: API server, CDK assembly, AWS on the wire, the controller as its own process. The steps and
//! their checks are those of `make demo`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use anyhow::{Context, Result, ensure};
use jiff::Timestamp;
use serde_json::{Value, json};
use stackgate_testbed::{
    Audited, User, repository,
    scenario::{Kind, SHOP, SOON, STEPS, SYSTEM, Story, Teller, World},
};

#[test]
fn releases_travel_from_dev_to_prod_by_approval_and_a_quiet_system_stays_quiet() -> Result<()> {
    let mut story = Story::begin(Teller::quiet(), Some(env!("CARGO_BIN_EXE_stackgate").into()))?;
    for step in STEPS {
        (step.run)(&mut story).with_context(|| format!("step {} ({})", step.number, step.name))?;
    }
    let (most, which) = story.most_calls_for_a_deployment();
    ensure!(most <= 10, "the deployment of a stack took {most} CloudFormation calls that name it: {which}");
    plans_are_read_at_one_look(&story.world)?;
    what_the_story_does_not_come_to(&story.world)?;
    rights_are_those_that_are_used(&story.world.cluster.audited()?, story.world.signs)
}

/// What `kubectl describe` may show of a plan of this story, in bytes: two stacks, at most eight changes, three rounds of decisions.
const ONE_LOOK: usize = 12 * 1024;

#[expect(clippy::print_stdout, reason = "a figure of the README")]
fn plans_are_read_at_one_look(world: &World) -> Result<()> {
    let all = world.kubectl().run(&["-n", SHOP, "get", "plan", "-o", "name"])?;
    let mut largest = 0;
    for name in all.lines() {
        let shown = world.kubectl().run(&["-n", SHOP, "describe", name])?;
        ensure!(shown.len() <= ONE_LOOK, "{name} takes {} bytes:\n{shown}", shown.len());
        largest = largest.max(shown.len());
    }
    println!("the largest of {} plans takes {largest} bytes", all.lines().count());
    ensure!(largest > 0, "there is no plan");
    Ok(())
}

/// So that no right is left out below: each of them is used.
fn what_the_story_does_not_come_to(world: &World) -> Result<()> {
    freezes_show(world).context("a Freeze")?;
    events_are_repeated(world).context("an Event that comes again")?;
    policies_become_others(world).context("other policies")
}

/// src/pass/shown.rs: the story has no Freeze. This one holds up nobody in it.
fn freezes_show(world: &World) -> Result<()> {
    let kubectl = world.kubectl();
    let freeze = json!({ "apiVersion": "stackgate.dev/v1alpha1", "kind": "Freeze", "metadata": { "name": "elsewhere" },
        "spec": { "reason": "the sale", "namespaces": ["elsewhere"] } });
    kubectl.apply(&freeze.to_string())?;
    kubectl.run(&["wait", "--for=condition=Active", "freeze/elsewhere", "--timeout=60s"])?;
    kubectl.run(&["delete", "freeze", "elsewhere"]).map(drop)
}

/// src/kube/events.rs: the same about the same object within six minutes is a patch of the first Event.
fn events_are_repeated(world: &World) -> Result<()> {
    let suspend = |suspended: bool| {
        let patch = json!({ "spec": { "suspend": suspended } }).to_string();
        world.kubectl().run(&["-n", SHOP, "patch", "cdkstage", "dev", "--type=merge", "-p", &patch])?;
        world.until((Kind::Stage, SHOP, "dev"), &format!("suspended: {suspended}"), SOON, |stage| {
            (stage.is("Waiting", Some("Suspended")) == suspended).then_some(())
        })
    };
    [true, false, true].into_iter().try_for_each(suspend)?;
    world.until_some("the Event Suspended has come twice", SOON, || {
        let found =
            world.kubectl().run(&["get", "--raw", "/apis/events.k8s.io/v1/namespaces/shop/events"])?;
        let found: Value = serde_json::from_str(&found)?;
        let mut all = found["items"].as_array().into_iter().flatten();
        Ok(all.any(|e| e["reason"] == "Suspended" && e["series"].is_object()).then_some(()))
    })?;
    suspend(false)
}

/// src/kube/policies/record.rs: that the policies are others is kept.
fn policies_become_others(world: &World) -> Result<()> {
    let shows = |enforced: bool| {
        let what = format!("ApprovalsEnforced is {enforced}");
        world.until((Kind::Stage, SHOP, "dev"), &what, SOON, |stage| {
            (stage.condition("ApprovalsEnforced")?.is_true == enforced).then_some(())
        })
    };
    shows(true)?;
    world.kubectl().run(&["delete", "validatingadmissionpolicybinding", "room.stackgate.dev"])?;
    shows(false)?;
    world.apply_files(&[&repository().join("deploy/policies.yaml")])?;
    shows(true)
}

/// The controller was denied nothing, and may do nothing that it does not do: by verb, resource, namespace and name.
fn rights_are_those_that_are_used(audited: &[Audited], signs: bool) -> Result<()> {
    let calls: Vec<&Audited> = audited.iter().filter(|call| call.user == User::Controller.name()).collect();
    // Not by a status of 403: the admission policies deny what the controller tries them with.
    let denied: BTreeSet<_> = calls
        .iter()
        .filter(|call| noted(call, "authorization.k8s.io/decision") == "forbid")
        .map(|call| (&call.verb, &call.group, &call.resource, &call.namespace, &call.name))
        .collect();
    ensure!(denied.is_empty(), "the chart gives the controller too little: {denied:?}");

    let objects: Vec<Value> = serde_saphyr::from_multiple(include_str!("../deploy/rbac.yaml"))?;
    // deploy/ is rendered for the newest Kubernetes; before 1.36 the chart leaves these out.
    let (left_out, given): (BTreeSet<Right>, BTreeSet<Right>) = rights(&objects)?
        .into_iter()
        .partition(|right| !signs && right.resource.starts_with("mutatingadmissionpolic"));
    for call in &calls {
        let is_left_out = left_out.iter().any(|right| right.grants(call));
        ensure!(!is_left_out, "the chart leaves out what is used: {call:?}");
        is_judged_as_by_the_api_server(&given, call)?;
    }
    let beyond = beyond(&given, &calls);
    ensure!(beyond.is_empty(), "the chart gives the controller too much: {beyond:#?}");
    Ok(())
}

/// What the audit log says of a call under a key.
fn noted<'a>(call: &'a Audited, key: &str) -> &'a str {
    call.annotations.iter().find(|(found, _)| found == key).map_or("", |(_, value)| value.as_str())
}

/// Which kind of role has let a call pass, the API server notes itself: [`Right::grants`] has to find one.
fn is_judged_as_by_the_api_server(given: &BTreeSet<Right>, call: &Audited) -> Result<()> {
    let why = noted(call, "authorization.k8s.io/reason");
    for (kind, everywhere) in [("Role", false), ("ClusterRole", true)] {
        let is_told = why.contains(&format!(" of {kind} \"stackgate\" to "));
        let is_found =
            given.iter().any(|right| right.grants(call) && right.namespace.is_none() == everywhere);
        ensure!(!is_told || is_found, "{why}; but no rule of that {kind} is for it: {call:?}");
    }
    Ok(())
}

/// One verb on one resource.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Right {
    verb: String,
    group: String,
    resource: String,
    /// What its object is called; nothing: whatever that is.
    name: Option<String>,
    /// Where a RoleBinding gives it; nothing: everywhere, by a ClusterRoleBinding.
    namespace: Option<String>,
}

impl Right {
    fn grants(&self, call: &Audited) -> bool {
        // How an object will be called stands in the audit log, and RBAC does not know it yet.
        let knows_the_name = call.verb != "create";
        self.verb == call.verb
            && self.group == call.group
            && self.resource == call.resource
            && self.namespace.as_ref().is_none_or(|namespace| *namespace == call.namespace)
            && self.name.as_ref().is_none_or(|name| knows_the_name && *name == call.name)
    }
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.verb, self.resource)?;
        if !self.group.is_empty() {
            write!(f, ".{}", self.group)?;
        }
        if let Some(name) = &self.name {
            write!(f, " {name}")?;
        }
        match &self.namespace {
            Some(namespace) => write!(f, " in {namespace}"),
            None => write!(f, " everywhere"),
        }
    }
}

/// What these manifests give to the controller.
fn rights(objects: &[Value]) -> Result<BTreeSet<Right>> {
    let controller = json!({ "kind": "ServiceAccount", "name": "stackgate", "namespace": SYSTEM });
    let list = |rule: &Value, field: &str| -> Vec<String> {
        rule[field].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let mut found = BTreeSet::new();
    for binding in objects {
        let is_given = binding["subjects"].as_array().is_some_and(|all| all.contains(&controller));
        if !is_given {
            continue;
        }
        let namespace = binding["metadata"]["namespace"].as_str().map(str::to_owned);
        ensure!((binding["kind"] == "RoleBinding") == namespace.is_some(), "an odd binding: {binding}");
        let role = &binding["roleRef"];
        let is_it = |object: &&Value| {
            object["kind"] == role["kind"]
                && object["metadata"]["name"] == role["name"]
                && (role["kind"] == "ClusterRole"
                    || object["metadata"]["namespace"] == binding["metadata"]["namespace"])
        };
        let rules = objects.iter().find(is_it).and_then(|role| role["rules"].as_array());
        for rule in rules.with_context(|| format!("there is no role {role}"))? {
            let names = list(rule, "resourceNames");
            let names: Vec<Option<String>> =
                if names.is_empty() { vec![None] } else { names.into_iter().map(Some).collect() };
            for group in list(rule, "apiGroups") {
                for resource in list(rule, "resources") {
                    for verb in list(rule, "verbs") {
                        found.extend(names.iter().map(|name| Right {
                            verb: verb.clone(),
                            group: group.clone(),
                            resource: resource.clone(),
                            name: name.clone(),
                            namespace: namespace.clone(),
                        }));
                    }
                }
            }
        }
    }
    Ok(found)
}

/// The rights without which every call would have passed as well, and those everywhere that are used in the controller's own namespace alone.
fn beyond(given: &BTreeSet<Right>, calls: &[&Audited]) -> BTreeSet<String> {
    let mut needed: BTreeMap<&Right, BTreeSet<&str>> = BTreeMap::new();
    for call in calls {
        let granting: Vec<&Right> = given.iter().filter(|right| right.grants(call)).collect();
        // What two give takes neither of them.
        if let [only] = granting.as_slice() {
            needed.entry(*only).or_default().insert(call.namespace.as_str());
        }
    }
    let says = |right: &Right| match needed.get(right) {
        None => Some(format!("{right}: no call needs it")),
        Some(namespaces) if right.namespace.is_none() && namespaces.iter().all(|n| *n == SYSTEM) => {
            Some(format!("{right}: too wide, all calls are in {SYSTEM}"))
        }
        Some(_) => None,
    };
    given.iter().filter_map(says).collect()
}

/// The comparison itself: it sees where a rule holds, and for which names.
#[test]
fn what_rules_give_beyond_the_calls_is_found() -> Result<()> {
    let binding = |kind: &str, namespace: Option<&str>, to: &str| {
        json!({ "kind": format!("{kind}Binding"), "metadata": { "name": "stackgate", "namespace": namespace },
            "roleRef": { "kind": kind, "name": "stackgate" },
            "subjects": [{ "kind": "ServiceAccount", "name": to, "namespace": SYSTEM }] })
    };
    let rule = |resource: &str, verbs: &[&str], names: &[&str]| -> Value {
        json!({ "apiGroups": [""], "resources": [resource], "verbs": verbs, "resourceNames": names })
    };
    let objects = [
        json!({ "kind": "ClusterRole", "metadata": { "name": "stackgate" }, "rules": [
            rule("pods", &["get"], &[]), rule("nodes", &["get"], &[]), rule("secrets", &["get", "list"], &[]),
        ] }),
        binding("ClusterRole", None, "stackgate"),
        json!({ "kind": "Role", "metadata": { "name": "stackgate", "namespace": SYSTEM }, "rules": [
            rule("leases", &["update"], &["stackgate", "other"]), rule("leases", &["create"], &["stackgate"]), rule("pods", &["get"], &[]),
        ] }),
        binding("Role", Some(SYSTEM), "stackgate"),
        json!({ "kind": "Role", "metadata": { "name": "stackgate", "namespace": SHOP }, "rules": [rule("leases", &["list"], &[])] }),
        binding("Role", Some(SHOP), "somebody"),
    ];
    let call = |verb: &str, resource: &str, namespace: &str, name: &str| Audited {
        user: User::Controller.name().to_owned(),
        verb: verb.to_owned(),
        group: String::new(),
        resource: resource.to_owned(),
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        code: 200,
        annotations: Vec::new(),
        received: Timestamp::UNIX_EPOCH,
    };
    let calls = [
        call("get", "pods", SHOP, "a"),
        call("get", "pods", SYSTEM, "a"),
        call("get", "nodes", "", "a"),
        call("get", "secrets", SYSTEM, "a"),
        call("update", "leases", SYSTEM, "stackgate"),
        call("update", "leases", SHOP, "other"),
        call("create", "leases", SYSTEM, "stackgate"),
    ];
    let calls: Vec<&Audited> = calls.iter().collect();
    let expected = [
        "create leases stackgate in stackgate-system: no call needs it",
        "get pods in stackgate-system: no call needs it",
        "get secrets everywhere: too wide, all calls are in stackgate-system",
        "list secrets everywhere: no call needs it",
        "update leases other in stackgate-system: no call needs it",
    ];
    let found = beyond(&rights(&objects)?, &calls);
    ensure!(found.iter().eq(&expected), "{found:#?}");
    Ok(())
}
