//! What people do, by writing to the API server and to AWS.

use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use stackgate_core::{
    api::{
        ANNOTATION_REQUESTED_AT, Action, AwsAccount, CheckResult, Freeze, FreezeSpec, Leftover, RiskClass,
        RoleHop,
    },
    bundle::Bundle,
};
use stackgate_sim::{
    bundle::A1S,
    world::{
        Object, ObjectKey,
        platform::{Active, Meant},
        said::{Note, Word, Writer},
    },
};

use crate::ground::Ground;

/// A release is made, and somebody asks for it to be looked at.
pub fn release(ground: &mut Ground, bundle: &Arc<Bundle>) {
    ground.world.source.push(Arc::clone(bundle));
    let count = ground.world.source.len().to_string();
    let on = ObjectKey::Assembly("shop".to_owned());
    ground.world.cluster.annotate(&on, ANNOTATION_REQUESTED_AT, Some(&count));
}

fn write(ground: &mut Ground, on: &ObjectKey, action: Action, id: &str, by: &'static str) {
    let slot = format!("s{}", ground.world.said.len());
    let note = Note { word: Word::Decides(action), slot: &slot, id, by, acks: &RiskClass::ALL, until: None };
    assert!(ground.world.write(Writer::Person(by), on, &note), "it is not denied");
}

/// Somebody decides on the newest plan of a Stage.
pub fn sign(ground: &mut Ground, stage: &str, action: Action, by: &'static str) {
    // An API server that was put back may have forgotten it: then there is another one, later.
    let Some(plan) = ground.newest_plan(stage) else { return };
    write(ground, &ObjectKey::Plan(plan.name.clone()), action, &plan.id().to_string(), by);
}

/// Somebody approves a release of which there is no plan yet.
pub fn approve_beforehand(ground: &mut Ground, stage: &'static str, bundle: &Bundle) {
    let id = A1S.get(&(stage, bundle.release())).expect("an id").clone();
    write(ground, &ObjectKey::Stage(stage.to_owned()), Action::Approve, &id, "alice");
}

/// The checks of a Stage report on what it has deployed last.
pub fn report(ground: &mut Ground, stage: &str) {
    stackgate_sim::people::report(&mut ground.world, stage, CheckResult::Passed);
}

/// Everything is frozen.
pub fn freeze(ground: &mut Ground) {
    let spec = FreezeSpec {
        reason: "INC-1".to_owned(),
        start_time: None,
        end_time: None,
        schedule: None,
        accounts: None,
        namespaces: None,
        allow: Vec::new(),
    };
    let mut freeze = Freeze::new("incident", spec);
    freeze.metadata.uid = Some("freeze-incident".to_owned());
    freeze.metadata.generation = Some(1);
    let meant = Meant { active: Active::Always, accounts: None, allows_rollback: false };
    ground.world.freezes.insert("incident".to_owned(), meant);
    ground.world.cluster.put(Object::Freeze(Arc::new(freeze)));
}

/// Nothing is frozen any more.
pub fn thaw(ground: &mut Ground) {
    ground.world.freezes.clear();
    ground.world.cluster.delete(&ObjectKey::Freeze("incident".to_owned()));
}

/// Somebody edits an AwsAccount.
pub fn edit_account(ground: &mut Ground, name: &str, edit: impl FnOnce(&mut AwsAccount)) {
    let on = ObjectKey::Account(name.to_owned());
    let Some(Object::Account(mut account)) = ground.world.cluster.objects.0.get(&on).cloned() else { return };
    let object = Arc::make_mut(&mut account);
    edit(object);
    object.metadata.generation = object.metadata.generation.map(|g| g + 1);
    ground.world.cluster.put(Object::Account(account));
}

/// An account lets the team do nothing any more.
pub fn withdraw_grant(ground: &mut Ground, name: &str) {
    ground.world.moment += 1;
    let (moment, mut id) = (ground.world.moment, None);
    edit_account(ground, name, |a| {
        a.spec.allowed_namespaces.clear();
        id = Some(a.spec.account_id.clone());
    });
    ground.world.withdrawn.extend(id.map(|id| (id, moment)));
}

/// An account says what becomes of stacks whose Stage goes.
pub fn account_says(ground: &mut Ground, name: &str, policy: Option<Leftover>) {
    edit_account(ground, name, |a| {
        a.spec.minimum_gate.get_or_insert_default().deletion_policy = policy;
    });
}

/// An account lets itself be bootstrapped, and somebody wants that.
pub fn allow_bootstrap(ground: &mut Ground) {
    edit_account(ground, "dev", |a| {
        let role_arn = "arn:aws:iam::111111111111:role/bootstrapper".parse().unwrap();
        a.spec.bootstrap_role_chain = Some(vec![RoleHop { role_arn }]);
    });
    let on = ObjectKey::Bootstrap("acme".to_owned());
    let Some(Object::Bootstrap(mut bootstrap)) = ground.world.cluster.objects.0.get(&on).cloned() else {
        return;
    };
    let spec = &mut Arc::make_mut(&mut bootstrap).spec;
    spec.accounts.names = Some(vec!["dev".to_owned()]);
    spec.cloud_formation_execution_policies = vec!["arn:aws:iam::aws:policy/AdministratorAccess".to_owned()];
    ground.world.cluster.put(Object::Bootstrap(bootstrap));
}

/// Somebody approves the plan of the Bootstrap.
pub fn approve_bootstrap(ground: &mut Ground) {
    let Some(plan) = ground.plan_of_bootstrap() else { return };
    write(ground, &ObjectKey::Plan(plan.name.clone()), Action::Approve, &plan.id().to_string(), "alice");
}

/// Somebody deletes a Stage.
pub fn delete_stage(ground: &mut Ground, name: &str) {
    let now = ground.world.now;
    let second = jiff::Timestamp::from_second(now.as_second()).unwrap_or(now);
    ground.edit_stage(name, |stage| stage.metadata.deletion_timestamp = Some(Time(second)));
}
