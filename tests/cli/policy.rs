//! What an admission policy refuses is explained. A small one in the words of the chart's: the verb is asked for by name.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::json;
use stackgate_testbed::User;
use tokio::time::sleep;

use crate::world::World;

const POLICY: &str = r#"
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: { name: decisions.stackgate.dev }
spec: { policyName: decisions.stackgate.dev, validationActions: [Deny] }
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: { name: decisions.stackgate.dev }
spec:
  failurePolicy: Fail
  matchConstraints:
    resourceRules: [{ apiGroups: [stackgate.dev], apiVersions: ["*"], operations: [UPDATE], resources: [changeplans] }]
  validations:
  - expression: >-
      authorizer.group('stackgate.dev').resource('stages').namespace(object.metadata.namespace).name(object.spec.proposal.name).check('approve').allowed()
    messageExpression: "request.userInfo.username + ' lacks the verb approve on stages/' + object.spec.proposal.name"
    reason: Forbidden
"#;

pub async fn a_missing_verb_is_named(w: &World) -> Result<()> {
    let stage = w.stage("policed", json!({})).await?;
    let plan = w.plan(&stage, 1, '1', &[]).await?;
    let kubectl = w.cluster.kubectl(User::Admin);
    kubectl.apply(POLICY)?;
    // A binding takes about a second to come into force.
    let mut said = w.run(User::Alice, &["approve", &plan, "--yes", "--wait=0s"])?;
    for _ in 0..50 {
        if said.code != 0 {
            break;
        }
        sleep(Duration::from_millis(200)).await;
        said = w.run(User::Alice, &["approve", &plan, "--yes", "--wait=0s"])?;
    }
    said.refused(&["you (alice) lack the verb approve on stages/policed"])?;
    // What is printed helps.
    let role = "kubectl -n shop create role policed-approve --verb=approve --resource=stages.stackgate.dev --resource-name=policed";
    ensure!(said.err.contains(role), "{}", said.err);
    w.shell(User::Admin, role)?.fine()?;
    w.shell(
        User::Admin,
        "kubectl -n shop create rolebinding policed-approve --role=policed-approve --user=alice",
    )?
    .fine()?;
    w.run(User::Alice, &["approve", &plan, "--yes", "--wait=0s"])?.fine()?;
    Ok(())
}
