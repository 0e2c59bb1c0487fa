//! What is read before anybody decides.

use std::{fmt::Debug, sync::Arc};

use k8s_openapi::{
    NamespaceResourceScope,
    api::{
        authentication::v1::SelfSubjectReview,
        authorization::v1::{ResourceAttributes, SelfSubjectAccessReview},
    },
};
use kube::{
    Api, Resource, ResourceExt,
    api::{ApiResource, DynamicObject, GroupVersionKind, ListParams, PostParams},
};
use serde::de::DeserializeOwned;
use stackgate_core::api::{AwsAccount, Bootstrap, ChangePlan, Freeze, GROUP, LABEL_STAGE, Stage};
use tokio::time::timeout;

use super::{CallError, Denied, Session};
use crate::kube::client::CALL_TIMEOUT;

/// How many objects one reply holds: plans can be large.
const PAGE: u32 = 100;

/// A list that not everybody may read.
#[derive(Clone, Debug, PartialEq)]
pub enum Readable<T> {
    /// All of it.
    Read(Vec<Arc<T>>),
    /// Not by this person.
    NotAllowed,
}

impl Session {
    /// Who the API server takes this person for.
    ///
    /// # Errors
    /// When it does not answer, or not to strangers.
    pub async fn user(&self) -> Result<String, CallError> {
        let api: Api<SelfSubjectReview> = Api::all(self.client.clone());
        let review = answered(api.create(&PostParams::default(), &SelfSubjectReview::default())).await?;
        let user = review.status.and_then(|s| s.user_info).and_then(|u| u.username);
        user.filter(|name| !name.is_empty())
            .ok_or_else(|| CallError::LoggedOut("the API server knows no name for you".to_owned()))
    }

    /// Whether this person holds a verb on an object of ours; without a namespace on one that lies in none.
    ///
    /// # Errors
    /// When the API server does not say.
    pub async fn may(
        &self,
        verb: &str,
        plural: &str,
        namespace: Option<&str>,
        name: &str,
    ) -> Result<bool, CallError> {
        let asked = ResourceAttributes {
            group: Some(GROUP.to_owned()),
            resource: Some(plural.to_owned()),
            namespace: namespace.map(str::to_owned),
            name: Some(name.to_owned()),
            verb: Some(verb.to_owned()),
            ..ResourceAttributes::default()
        };
        let mut review = SelfSubjectAccessReview::default();
        review.spec.resource_attributes = Some(asked);
        let api: Api<SelfSubjectAccessReview> = Api::all(self.client.clone());
        let review = answered(api.create(&PostParams::default(), &review)).await?;
        Ok(review.status.is_some_and(|s| s.allowed))
    }

    /// Whether a policy of this cluster signs for people. Who may not read policies is told whether Kubernetes has that kind (1.36 on): it
    /// may have been left out.
    ///
    /// # Errors
    /// When the API server does not say.
    pub async fn signs(&self) -> Result<bool, CallError> {
        let kind =
            GroupVersionKind::gvk("admissionregistration.k8s.io", "v1", "MutatingAdmissionPolicyBinding");
        let api: Api<DynamicObject> = Api::all_with(self.client.clone(), &ApiResource::from_gvk(&kind));
        match answered(api.get_opt("sign.stackgate.dev")).await {
            Ok(found) => Ok(found.is_some()),
            Err(CallError::Denied(_)) => {
                let kinds = self.client.list_api_group_resources("admissionregistration.k8s.io/v1");
                let kinds = answered(kinds).await?.resources;
                Ok(kinds.iter().any(|kind| kind.name == "mutatingadmissionpolicies"))
            }
            Err(error) => Err(error),
        }
    }

    /// One Stage.
    ///
    /// # Errors
    /// When it cannot be read. Not there is no error.
    pub async fn stage(&self, namespace: &str, name: &str) -> Result<Option<Arc<Stage>>, CallError> {
        self.get(namespace, name).await
    }

    /// One ChangePlan.
    ///
    /// # Errors
    /// When it cannot be read. Not there is no error.
    pub async fn plan(&self, namespace: &str, name: &str) -> Result<Option<Arc<ChangePlan>>, CallError> {
        self.get(namespace, name).await
    }

    /// The plans that carry the label of a Stage.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn plans_of_stage(
        &self,
        namespace: &str,
        name: &str,
    ) -> Result<Vec<Arc<ChangePlan>>, CallError> {
        let only = ListParams::default().labels(&format!("{LABEL_STAGE}={name}"));
        pages(&Api::namespaced(self.client.clone(), namespace), only).await
    }

    /// The Stages of a namespace; `None`: of all.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn stages(&self, namespace: Option<&str>) -> Result<Vec<Arc<Stage>>, CallError> {
        let api = match namespace {
            Some(namespace) => Api::namespaced(self.client.clone(), namespace),
            None => Api::all(self.client.clone()),
        };
        pages(&api, ListParams::default()).await
    }

    /// All Bootstraps, where this person may read them.
    ///
    /// # Errors
    /// When the API server does not answer.
    pub async fn bootstraps(&self) -> Result<Readable<Bootstrap>, CallError> {
        readable(pages(&Api::all(self.client.clone()), ListParams::default()).await)
    }

    /// All AwsAccounts, where this person may read them.
    ///
    /// # Errors
    /// When the API server does not answer.
    pub async fn accounts(&self) -> Result<Readable<AwsAccount>, CallError> {
        readable(pages(&Api::all(self.client.clone()), ListParams::default()).await)
    }

    /// All Freezes, where this person may read them.
    ///
    /// # Errors
    /// When the API server does not answer.
    pub async fn freezes(&self) -> Result<Readable<Freeze>, CallError> {
        readable(pages(&Api::all(self.client.clone()), ListParams::default()).await)
    }

    async fn get<K>(&self, namespace: &str, name: &str) -> Result<Option<Arc<K>>, CallError>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned,
    {
        let api: Api<K> = Api::namespaced(self.client.clone(), namespace);
        Ok(answered(api.get_opt(name)).await?.map(Arc::new))
    }
}

fn readable<T>(list: Result<Vec<Arc<T>>, CallError>) -> Result<Readable<T>, CallError> {
    match list {
        Ok(list) => Ok(Readable::Read(list)),
        Err(CallError::Denied(Denied::Rbac(_))) => Ok(Readable::NotAllowed),
        Err(other) => Err(other),
    }
}

async fn pages<K>(api: &Api<K>, mut params: ListParams) -> Result<Vec<Arc<K>>, CallError>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned,
{
    params = params.limit(PAGE);
    let mut all = Vec::new();
    loop {
        let page = answered(api.list(&params)).await?;
        all.extend(page.items.into_iter().map(Arc::new));
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params = params.continue_token(&token),
            None => break,
        }
    }
    all.sort_by_key(|o| (o.namespace(), o.name_any()));
    Ok(all)
}

/// Waits for the reply, but not for ever.
pub(super) async fn answered<T>(call: impl Future<Output = kube::Result<T>>) -> Result<T, CallError> {
    match timeout(CALL_TIMEOUT, call).await {
        Ok(reply) => Ok(reply?),
        Err(_) => Err(CallError::no_reply()),
    }
}
