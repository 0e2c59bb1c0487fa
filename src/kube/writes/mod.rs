//! The only place that writes objects of ours: every write is a compare-and-swap, none is repeated here, and each says
//! exactly what came of it.

mod hmac_key;
mod merge;
mod outcome;
mod status;

use std::collections::BTreeMap;

use json_patch::{AddOperation, PatchOperation, ReplaceOperation, jsonptr::PointerBuf};
use k8s_openapi::{
    api::core::v1::{ConfigMap, Secret},
    apimachinery::pkg::apis::meta::v1::OwnerReference,
};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{ListParams, ObjectMeta, Patch, PatchParams, PostParams},
    core::NamespaceResourceScope,
};
use serde_json::json;
use stackgate_core::{
    api::{
        AwsAccount, Bootstrap, ChangePlan, ChangePlanSpec, FINALIZER, Freeze, GROUP, LABEL_PARAMETERS,
        LABEL_STAGE, LedgerEntry, Stage,
    },
    change::Hidden,
    effect::{
        Fact, Held, LiveGate, LivePlan, NewPlan, Outcome, OutputsRecord, PlanOwner, Receipt, RefusalKind,
        ValueKind, ValueSource,
    },
};

pub use self::hmac_key::{HMAC_SECRET, HmacKeyError};
use self::outcome::{answered, passes, refused, when_reading, when_writing};
use super::{
    client::Clients,
    policies::{Signing, fingerprint},
};

/// Writes to the API server, and the reads that must not come from a cache. Clones share the connection.
#[derive(Clone)]
pub struct Writes {
    client: Client,
    /// Which policies are looked at, and where it lies what was found of them; absent: nothing rests on any.
    policies: Option<(Signing, String)>,
}

impl std::fmt::Debug for Writes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Writes")
    }
}

impl Writes {
    /// Writes through these connections.
    #[must_use]
    pub fn new(clients: &Clients) -> Self {
        Self { client: clients.calls.clone(), policies: None }
    }

    /// Looks at the admission policies, too, and at what the controller in this namespace has found of them.
    #[must_use]
    pub fn with_policies(self, signing: Signing, namespace: &str) -> Self {
        Self { policies: Some((signing, namespace.to_owned())), ..self }
    }

    /// Creates a ChangePlan. If a plan of that name, for the same object and with the same id, is there already, then that
    /// one is the receipt: a lost reply makes no second plan.
    pub async fn open_plan(&self, new: &NewPlan) -> Outcome {
        let api: Api<ChangePlan> = self.namespaced(&new.namespace);
        match answered(api.create(&PostParams::default(), &plan_object(new))).await {
            Ok(plan) => Outcome::Accepted(Receipt::Plan(Box::new(plan))),
            Err(error) => match when_writing(error) {
                Outcome::Refused(r) if r.kind == RefusalKind::AlreadyExists => {
                    self.plan_there(&api, new).await
                }
                outcome => outcome,
            },
        }
    }

    async fn plan_there(&self, api: &Api<ChangePlan>, new: &NewPlan) -> Outcome {
        match answered(api.get_opt(&new.name)).await {
            Ok(Some(plan))
                if plan.spec.proposal.id == new.proposal.id && plan.spec.proposal.uid == new.proposal.uid =>
            {
                Outcome::Accepted(Receipt::Plan(Box::new(plan)))
            }
            Ok(Some(plan)) => refused(RefusalKind::AlreadyExists, not_ours(new, &plan)),
            Ok(None) => refused(
                RefusalKind::Conflict,
                format!("ChangePlan {}/{} was just deleted", new.namespace, new.name),
            ),
            Err(error) => when_reading(error),
        }
    }

    /// Appends to the ledger of the plan that the decision was made on; `resource_version` is the effect's.
    ///
    /// The new entries alone are sent: what others have written before is not printed anew, so an entry that we would print in
    /// another way (a time with a fraction of a second) does not look changed to the API server.
    pub async fn append_ledger(
        &self,
        base: &ChangePlan,
        resource_version: &str,
        entries: &[LedgerEntry],
    ) -> Outcome {
        if let Some(stale) = stale(base, resource_version) {
            return stale;
        }
        // What others have written before may be numbered as they like: the plan can still be stopped.
        let places = base.spec.ledger.len()..;
        if places.zip(entries).any(|(place, entry)| usize::try_from(entry.seq) != Ok(place)) {
            return refused(RefusalKind::Invalid, "the entries do not continue the ledger".to_owned());
        }
        let body = appended(resource_version, base.spec.ledger.is_empty(), entries);
        let api: Api<ChangePlan> = self.namespaced(&base.namespace().unwrap_or_default());
        match answered(api.patch(&base.name_any(), &PatchParams::default(), &Patch::Json::<()>(body))).await {
            Ok(plan) => Outcome::Accepted(Receipt::Plan(Box::new(plan))),
            Err(error) => when_writing(error),
        }
    }

    /// Adds or removes our finalizer on the Stage that the decision was made on; those of others stay.
    pub async fn finalizer(&self, base: &Stage, resource_version: &str, present: bool) -> Outcome {
        if let Some(stale) = stale(base, resource_version) {
            return stale;
        }
        let mut finalizers: Vec<&str> =
            base.finalizers().iter().map(String::as_str).filter(|f| *f != FINALIZER).collect();
        if present {
            finalizers.push(FINALIZER);
        }
        let body = json!({ "metadata": { "resourceVersion": resource_version, "finalizers": finalizers } });
        let api: Api<Stage> = self.namespaced(&base.namespace().unwrap_or_default());
        match answered(api.patch(&base.name_any(), &PatchParams::default(), &Patch::Merge(body))).await {
            Ok(_) => Outcome::Accepted(Receipt::Done),
            Err(error) => when_writing(error),
        }
    }

    /// Stage or Bootstrap, AwsAccounts, Freezes, the version of the plan and admission policies as they are in the API server now; what
    /// is gone is left out.
    pub async fn live_gate(&self, owner: &PlanOwner, accounts: &[String], plan: &str) -> Outcome {
        let owned_by = async {
            Ok(match owner {
                PlanOwner::Stage { namespace, name } => {
                    let stages: Api<Stage> = self.namespaced(namespace);
                    (answered(stages.get_opt(name)).await?, None)
                }
                PlanOwner::Bootstrap { name, .. } => {
                    let bootstraps: Api<Bootstrap> = Api::all(self.client.clone());
                    (None, answered(bootstraps.get_opt(name)).await?)
                }
            })
        };
        let all: Api<AwsAccount> = Api::all(self.client.clone());
        let accounts = accounts.iter().map(|name| answered(all.get_opt(name)));
        let freezes: Api<Freeze> = Api::all(self.client.clone());
        let everything = ListParams::default();
        let policies = async {
            let Some((signing, namespace)) = &self.policies else { return Ok(None) };
            match answered(fingerprint(&self.client, namespace, *signing)).await {
                Ok(found) => Ok(Some(found)),
                // Nobody has looked: that must not cost a plan its approvals.
                Err(error) if passes(&error) => Err(error),
                Err(_) => Ok(None),
            }
        };
        let plans: Api<ChangePlan> = self.namespaced(owner.namespace());
        let (owned_by, accounts, freezes, plan, policies) = tokio::join!(
            owned_by,
            futures::future::try_join_all(accounts),
            answered(freezes.list(&everything)),
            answered(plans.get_metadata_opt(plan)),
            policies,
        );
        match (owned_by, accounts, freezes, plan, policies) {
            (Ok((stage, bootstrap)), Ok(accounts), Ok(freezes), Ok(plan), Ok(policies)) => {
                Outcome::Learnt(Fact::LiveGate(Box::new(LiveGate {
                    stage,
                    bootstrap,
                    accounts: accounts.into_iter().flatten().collect(),
                    freezes: freezes.items,
                    plan: plan.map(|p| LivePlan {
                        uid: p.uid().unwrap_or_default(),
                        resource_version: p.resource_version().unwrap_or_default(),
                        generation: p.metadata.generation.unwrap_or_default(),
                        annotations: p.metadata.annotations.unwrap_or_default(),
                    }),
                    policies,
                })))
            }
            (Err(error), ..)
            | (_, Err(error), ..)
            | (_, _, Err(error), ..)
            | (_, _, _, Err(error), _)
            | (.., Err(error)) => when_reading(error),
        }
    }

    /// Has the ConfigMap of a Stage hold these outputs; what is there already is not written again, and what is not the Stage's is
    /// left alone.
    pub async fn outputs(&self, wanted: &OutputsRecord) -> Outcome {
        let api: Api<ConfigMap> = self.namespaced(&wanted.namespace);
        let there = match answered(api.get_opt(&wanted.config_map)).await {
            Ok(there) => there,
            Err(error) => return when_reading(error),
        };
        let object = outputs_object(wanted);
        let written = match there {
            None => answered(api.create(&PostParams::default(), &object)).await,
            Some(there) if !there.owner_references().iter().any(|o| o.uid == wanted.uid.as_str()) => {
                let why = format!(
                    "ConfigMap {}/{} is there and was not made for this Stage: give outputsTo another name",
                    wanted.namespace, wanted.config_map
                );
                return refused(RefusalKind::AlreadyExists, why);
            }
            Some(there) if there.data == object.data => return Outcome::Accepted(Receipt::Done),
            Some(there) => {
                let metadata = there.metadata;
                let next = ConfigMap { metadata, ..object };
                answered(api.replace(&wanted.config_map, &PostParams::default(), &next)).await
            }
        };
        match written {
            Ok(_) => Outcome::Accepted(Receipt::Done),
            Err(error) => when_writing(error),
        }
    }

    /// What a ConfigMap or Secret holds of what a Stage needs. A ConfigMap is for everybody in its namespace; a Secret has to say so.
    pub async fn values(&self, source: &ValueSource) -> Outcome {
        let found = match source.kind {
            ValueKind::ConfigMap => {
                let api: Api<ConfigMap> = self.namespaced(&source.namespace);
                answered(api.get_opt(&source.name))
                    .await
                    .map(|found| found.map(|c| in_config_map(source, &c)))
            }
            ValueKind::Secret => {
                let api: Api<Secret> = self.namespaced(&source.namespace);
                answered(api.get_opt(&source.name)).await.map(|found| found.map(|s| in_secret(source, &s)))
            }
        };
        match found {
            Ok(held) => Outcome::Learnt(Fact::Values(held)),
            Err(error) => when_reading(error),
        }
    }

    fn namespaced<K>(&self, namespace: &str) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        Api::namespaced(self.client.clone(), namespace)
    }
}

fn outputs_object(wanted: &OutputsRecord) -> ConfigMap {
    let owner = OwnerReference {
        api_version: Stage::api_version(&()).into_owned(),
        kind: Stage::kind(&()).into_owned(),
        name: wanted.stage.clone(),
        uid: wanted.uid.to_string(),
        ..OwnerReference::default()
    };
    let data = wanted.data.iter().map(|(key, value)| (key.clone(), value.reveal().to_owned()));
    ConfigMap {
        metadata: ObjectMeta {
            name: Some(wanted.config_map.clone()),
            namespace: Some(wanted.namespace.clone()),
            labels: Some([(LABEL_STAGE.to_owned(), wanted.stage.clone())].into()),
            owner_references: Some(vec![owner]),
            ..ObjectMeta::default()
        },
        data: Some(data.collect()).filter(|d: &BTreeMap<_, _>| !d.is_empty()),
        ..ConfigMap::default()
    }
}

/// The longest value that CloudFormation takes, in bytes.
const LONGEST_VALUE: usize = 4096;

fn in_config_map(source: &ValueSource, object: &ConfigMap) -> Held {
    let text = |key: &String| object.data.as_ref()?.get(key).map(String::as_str);
    Held { offered: true, values: wanted(source, text) }
}

fn in_secret(source: &ValueSource, object: &Secret) -> Held {
    let text = |key: &String| std::str::from_utf8(&object.data.as_ref()?.get(key)?.0).ok();
    let offered = object.labels().get(LABEL_PARAMETERS).is_some_and(|v| v == "true");
    // What is not offered is not even remembered.
    Held { offered, values: if offered { wanted(source, text) } else { BTreeMap::new() } }
}

fn wanted<'a>(source: &ValueSource, text: impl Fn(&String) -> Option<&'a str>) -> BTreeMap<String, Hidden> {
    let fits = |key: &String| {
        let text = text(key).filter(|t| t.len() <= LONGEST_VALUE)?;
        Some((key.clone(), Hidden::new(text)))
    };
    source.keys.iter().filter_map(fits).collect()
}

/// The name is made of the id, and the id of the owner's UID and the whole change: no controller made this plan. Under the policies of
/// the chart nobody deletes one, and none but the controller makes one.
fn not_ours(new: &NewPlan, there: &ChangePlan) -> String {
    let theirs = &there.spec.proposal;
    format!(
        "ChangePlan {}/{} is there already and was not made for this change: it proposes {} for {:?} {} (UID {}). Go on with a new \
         release, or with other settings of a Bootstrap: its plan has another name. Whoever runs the cluster finds in the audit log \
         who has made this one",
        new.namespace, new.name, theirs.id, theirs.kind, theirs.name, theirs.uid
    )
}

/// Refuses to build on another version than the one that was decided on.
fn stale<K: Resource>(base: &K, resource_version: &str) -> Option<Outcome> {
    let have = base.meta().resource_version.as_deref();
    (have != Some(resource_version)).then(|| {
        let have = have.unwrap_or("none");
        refused(
            RefusalKind::Conflict,
            format!("decided on version {resource_version} of {}, {have} is at hand", base.name_any()),
        )
    })
}

/// The version is replaced by itself, not tested: the API server answers 409 when another one is stored, as for every other write.
fn appended(resource_version: &str, first: bool, entries: &[LedgerEntry]) -> json_patch::Patch {
    let version = PatchOperation::Replace(ReplaceOperation {
        path: PointerBuf::from_tokens(["metadata", "resourceVersion"]),
        value: json!(resource_version),
    });
    let add = |path: &[&str], value| {
        let path = PointerBuf::from_tokens(path.iter().copied());
        PatchOperation::Add(AddOperation { path, value })
    };
    let adds: Vec<_> = if first {
        vec![add(&["spec", "ledger"], json!(entries))]
    } else {
        entries.iter().map(|entry| add(&["spec", "ledger", "-"], json!(entry))).collect()
    };
    json_patch::Patch([vec![version], adds].concat())
}

/// A plan as it is created.
pub(super) fn plan_object(new: &NewPlan) -> ChangePlan {
    let (kind, name, uid) = &new.owner;
    let spec = ChangePlanSpec { proposal: new.proposal.clone(), ledger: new.ledger.clone() };
    ChangePlan {
        metadata: ObjectMeta {
            name: Some(new.name.clone()),
            namespace: Some(new.namespace.clone()),
            labels: Some([(new.label.0.to_owned(), new.label.1.clone())].into()),
            owner_references: Some(vec![OwnerReference {
                api_version: format!("{GROUP}/{}", ChangePlan::version(&())),
                kind: (*kind).to_owned(),
                name: name.clone(),
                uid: uid.to_string(),
                controller: Some(true),
                // The owner may go before its plans do: nobody waits for a record.
                block_owner_deletion: Some(false),
            }]),
            ..ObjectMeta::default()
        },
        spec,
        status: None,
    }
}
