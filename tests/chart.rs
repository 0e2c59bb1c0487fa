//! The chart without a cluster: it renders for old and new versions of Kubernetes, refuses values that it cannot trust, and agrees with
//! what else lies in the repository.

#![expect(clippy::unwrap_used, reason = "a test that fails may panic")]

use std::{collections::BTreeSet, env, fs};

use anyhow::{Result, ensure};
use serde_json::Value;
use stackgate_testbed::{Chart, repository};

/// The objects in a YAML stream.
fn objects(yaml: &str) -> Vec<Value> {
    serde_saphyr::from_multiple::<Value>(yaml)
        .unwrap()
        .into_iter()
        .filter(|object| !object.is_null())
        .collect()
}

fn of_kind<'a>(objects: &'a [Value], kind: &str) -> Vec<&'a Value> {
    objects.iter().filter(|object| object["kind"] == kind).collect()
}

/// What the Deployment hands to the controller.
fn digests(rendered: &str) -> String {
    let all = objects(rendered);
    let env = &of_kind(&all, "Deployment")[0]["spec"]["template"]["spec"]["containers"][0]["env"];
    let found = env.as_array().unwrap().iter().find(|e| e["name"] == "STACKGATE_POLICIES_DIGESTS");
    found.unwrap()["value"].as_str().unwrap().to_owned()
}

#[test]
fn it_is_clean() -> Result<()> {
    for kubernetes in ["1.30.0", "1.37.2"] {
        let said = Chart::new(kubernetes).lint()?;
        ensure!(!said.contains("[WARNING]") && !said.contains("[ERROR]"), "{said}");
    }
    Ok(())
}

#[test]
fn it_leaves_out_what_an_old_kubernetes_does_not_know() -> Result<()> {
    for (kubernetes, signs) in
        [("1.30.0", false), ("1.35.9", false), ("1.36.0", true), ("1.37.2-eks-1a2b3c", true)]
    {
        let all = objects(&Chart::new(kubernetes).render()?);
        ensure!(of_kind(&all, "MutatingAdmissionPolicy").len() == usize::from(signs), "on {kubernetes}");
        ensure!(of_kind(&all, "ValidatingAdmissionPolicy").len() == 6, "on {kubernetes}");
        ensure!(of_kind(&all, "ValidatingAdmissionPolicyBinding").len() == 6, "on {kubernetes}");
        // The controller looks for what is there, and may look at nothing else.
        let text = Chart::new(kubernetes).render()?;
        let lines = digests(&text);
        ensure!(lines.lines().count() == if signs { 14 } else { 12 }, "on {kubernetes}: {lines}");
        ensure!(lines.contains(" MutatingAdmissionPolicyBinding/sign.stackgate.dev") == signs, "{lines}");
        ensure!(text.contains("mutatingadmissionpolicybindings") == signs, "on {kubernetes}");
    }
    let refused = Chart::new("1.29.9").render().unwrap_err().to_string();
    ensure!(refused.contains("chart requires kubeVersion: >=1.30.0-0"), "{refused}");
    Ok(())
}

/// What CEL expressions call. Kubernetes 1.30 has all of it, and little more: before another name is added here, `make test-oldest`.
const CALLED: [&str; 28] = [
    "all",
    "allowed",
    "bytes",
    "check",
    "contains",
    "duration",
    "dyn",
    "exists",
    "filter",
    "group",
    "has",
    "int",
    "join",
    "map",
    "matches",
    "max",
    "name",
    "namespace",
    "orValue",
    "replace",
    "resource",
    "size",
    "split",
    "startsWith",
    "string",
    "substring",
    "sum",
    "timestamp",
];

/// The names before an opening bracket, outside of strings.
fn called(expression: &str) -> BTreeSet<String> {
    let (mut names, mut name, mut string, mut escaped) = (BTreeSet::new(), String::new(), None, false);
    for c in expression.chars() {
        match string {
            Some(quote) => {
                string = string.filter(|_| escaped || c != quote);
                escaped = c == '\\' && !escaped;
            }
            None if c == '\'' || c == '"' => (string, name) = (Some(c), String::new()),
            None if c.is_alphanumeric() || c == '_' => name.push(c),
            None => {
                let before = std::mem::take(&mut name);
                if c == '(' && !before.is_empty() && before != "in" {
                    names.insert(before);
                }
            }
        }
    }
    names
}

/// The CEL expressions in an object.
fn expressions<'a>(object: &'a Value, found: &mut Vec<&'a str>) {
    for (field, value) in object.as_object().into_iter().flatten() {
        match value.as_str() {
            Some(text) if field == "rule" || field.to_lowercase().ends_with("expression") => found.push(text),
            _ => expressions(value, found),
        }
    }
    object.as_array().into_iter().flatten().for_each(|value| expressions(value, found));
}

#[test]
fn rules_and_policies_keep_to_the_cel_of_the_oldest_kubernetes() -> Result<()> {
    assert_eq!(called(r"a.b('x(\'y(' + z).c (d) && (e)"), BTreeSet::from(["b".to_owned()]));
    let all = objects(&Chart::new("1.30.0").render()?);
    let mut found = Vec::new();
    all.iter().for_each(|object| expressions(object, &mut found));
    ensure!(found.len() > 60, "{} expressions", found.len());
    let names: BTreeSet<String> = found.into_iter().flat_map(called).collect();
    ensure!(names == CALLED.map(str::to_owned).into(), "CEL calls {names:?}");
    Ok(())
}

#[test]
fn each_policy_denies_and_has_no_way_around() -> Result<()> {
    let all = objects(&Chart::new("1.37.2").render()?);
    for policy in of_kind(&all, "ValidatingAdmissionPolicy") {
        let name = policy["metadata"]["name"].as_str().unwrap();
        let spec = &policy["spec"];
        ensure!(spec["failurePolicy"] == "Fail", "{name}");
        ensure!(spec.get("paramKind").is_none(), "{name}: a parameter can be deleted");
        for field in ["namespaceSelector", "objectSelector", "excludeResourceRules"] {
            ensure!(spec["matchConstraints"].get(field).is_none(), "{name} leaves out what {field} says");
        }
        let binding = of_kind(&all, "ValidatingAdmissionPolicyBinding")
            .into_iter()
            .find(|b| b["metadata"]["name"] == name);
        let binding = &binding.expect("a binding of the same name")["spec"];
        ensure!(
            binding["policyName"] == name
                && binding["validationActions"] == serde_json::json!(["Deny", "Audit"]),
            "{name}"
        );
        ensure!(binding.get("matchResources").is_none(), "{name} is bound to a part only");
    }
    Ok(())
}

#[test]
fn values_are_data_and_never_cel() -> Result<()> {
    // By the schema; each would end a string, or the expression.
    for value in [
        r#"policies.gitopsUsers=["x'] || true || '' in ['"]"#,
        r#"policies.gitopsUsers=["x\" || true || \""]"#,
        r#"policies.gitopsUsers=["x\ny"]"#,
        r#"policies.gitopsUsers=["{{ .Release.Name }}"]"#,
        r#"policies.gitopsUsers=[""]"#,
        r#"policies.gitopsUsers="flux""#,
        r#"policies.controllerUser="x\\""#,
        r#"policies.controllerUser="x' || 'a' == 'a""#,
        r#"policies.gitDecisions="allow""#,
        r#"policies.gitDecisions=true"#,
        r#"policies.gitDecision="Allow""#,
        r#"serviceAccount.name="Stack Gate""#,
    ] {
        let refused = Chart::new("1.37.2").set(value).render();
        let error = refused.err().map(|error| error.to_string());
        ensure!(
            error.as_ref().is_some_and(|e| e.contains("don't meet the specifications of the schema")),
            "{value}: {error:?}"
        );
    }
    let odd = r#"policies.gitopsUsers=["arn:aws:sts::1:assumed-role/flux/x<y>&z","é"]"#;
    let text = Chart::new("1.37.2").set(odd).only("templates/policies/decisions.yaml").render()?;
    let (policy, escaped) =
        (objects(&text), r#"["arn:aws:sts::1:assumed-role/flux/x\u003cy\u003e\u0026z","é"]"#);
    let policy = of_kind(&policy, "ValidatingAdmissionPolicy")[0].clone();
    ensure!(
        policy["spec"]["variables"].to_string().contains(&escaped.replace('\\', r"\\").replace('"', r#"\""#)),
        "{text}"
    );
    // The controller is no GitOps controller: it would approve what it plans.
    let both = r#"policies.gitopsUsers=["system:serviceaccount:stackgate-system:stackgate"]"#;
    ensure!(
        Chart::new("1.37.2").set(both).render().is_err_and(|e| e.to_string().contains("is the controller"))
    );
    Ok(())
}

#[test]
fn its_definitions_are_those_of_the_types() -> Result<()> {
    let all = objects(&Chart::new("1.37.2").render()?);
    let rendered: Vec<Value> = of_kind(&all, "CustomResourceDefinition")
        .into_iter()
        .map(|crd| {
            let mut crd = crd.clone();
            let kept = crd["metadata"].as_object_mut().unwrap().remove("annotations");
            assert_eq!(kept.unwrap(), serde_json::json!({ "helm.sh/resource-policy": "keep" }));
            crd
        })
        .collect();
    let mut types = objects(&stackgate::crds::stream()?);
    types.sort_by_key(|crd| crd["metadata"]["name"].to_string());
    ensure!(rendered == types, "charts/stackgate/files/crds is not crds/");
    Ok(())
}

#[test]
fn pods_are_restricted() -> Result<()> {
    let all = objects(&Chart::new("1.37.2").render()?);
    let pod = &of_kind(&all, "Deployment")[0]["spec"]["template"]["spec"];
    ensure!(pod["securityContext"]["runAsNonRoot"] == true);
    ensure!(pod["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault");
    let container = &pod["containers"][0]["securityContext"];
    ensure!(container["allowPrivilegeEscalation"] == false && container["readOnlyRootFilesystem"] == true);
    ensure!(container["capabilities"] == serde_json::json!({ "drop": ["ALL"] }));
    Ok(())
}

/// No role for people gives a verb that was not meant: no `*`, nothing aggregated, and approving apart from weakening gates.
#[test]
fn roles_give_what_they_say() -> Result<()> {
    let all = objects(&Chart::new("1.37.2").render()?);
    for role in of_kind(&all, "ClusterRole") {
        let name = role["metadata"]["name"].as_str().unwrap();
        ensure!(!role["rules"].to_string().contains('*'), "{name} names *");
        ensure!(role.get("aggregationRule").is_none());
        ensure!(!role["metadata"]["labels"].to_string().contains("aggregate-to"), "{name} is aggregated");
        let verbs: BTreeSet<&str> = role["rules"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|rule| rule["verbs"].as_array().unwrap())
            .filter_map(Value::as_str)
            .filter(|verb| !["get", "list", "watch", "create", "update", "patch", "delete"].contains(verb))
            .filter(|verb| !verb.starts_with("ack-"))
            .collect();
        let expected: &[&str] = match name {
            "stackgate-approver" => &["approve"],
            "stackgate-checker" => &["check"],
            "stackgate-platform" => &["override", "setgate"],
            _ => &[],
        };
        ensure!(verbs == expected.iter().copied().collect(), "{name}: {verbs:?}");
    }
    Ok(())
}

/// What lies in `deploy/` for those without helm is made from the chart: `UPDATE=1 cargo test --test chart`.
#[test]
fn deploy_is_made_from_the_chart() -> Result<()> {
    let namespace = "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: stackgate-system\n";
    let policies = ["decisions", "keep-stops", "plans", "room", "setgate", "status"];
    let policies: Vec<String> =
        policies.iter().map(|name| format!("templates/policies/{name}.yaml")).collect();
    let policies: Vec<&str> = policies.iter().map(String::as_str).collect();
    let files: [(&str, &str, &str, &[&str]); 4] = [
        (
            "rbac.yaml",
            "The controller's namespace, its ServiceAccount, and exactly the calls that it makes.",
            namespace,
            &["templates/serviceaccount.yaml", "templates/rbac.yaml"],
        ),
        (
            "roles.yaml",
            "Roles for people and their programs: docs/who-may.md.",
            "",
            &["templates/roles.yaml"],
        ),
        (
            "policies.yaml",
            "Who may decide, and what nobody can get around: docs/who-may.md. Kubernetes 1.30 or later.",
            "",
            &policies,
        ),
        (
            "sign.yaml",
            "Signs decisions for people. Kubernetes 1.36 or later.",
            "",
            &["templates/policies/sign.yaml"],
        ),
    ];
    let mut differ = Vec::new();
    for (file, says, first, templates) in files {
        let chart = templates.iter().fold(Chart::new("1.37.2"), |chart, template| chart.only(template));
        let rendered = chart.render()?;
        let is_ours = |line: &&str| !line.starts_with("# Source: ") && !line.contains("managed-by: Helm");
        let body: Vec<&str> = rendered.lines().filter(is_ours).filter(|line| !line.is_empty()).collect();
        let text = format!(
            "# {says}\n# Made from charts/stackgate; do not edit: UPDATE=1 cargo test --test chart\n{first}{}\n",
            body.join("\n")
        );
        let path = repository().join("deploy").join(file);
        if env::var_os("UPDATE").is_some() {
            fs::write(&path, &text)?;
        }
        if fs::read_to_string(&path).ok().as_deref() != Some(&text) {
            differ.push(file);
        }
    }
    // For `stackgate run --policies-digests`, where it runs outside.
    let deployment = Chart::new("1.37.2").only("templates/deployment.yaml").render()?;
    for (file, is_mutating) in [("policies.sha256", false), ("sign.sha256", true)] {
        let lines: Vec<String> = digests(&deployment)
            .lines()
            .filter(|line| line.contains(" Mutating") == is_mutating)
            .map(|line| format!("{line}\n"))
            .collect();
        let path = repository().join("deploy").join(file);
        if env::var_os("UPDATE").is_some() {
            fs::write(&path, lines.concat())?;
        }
        if fs::read_to_string(&path).ok() != Some(lines.concat()) {
            differ.push(file);
        }
    }
    ensure!(differ.is_empty(), "deploy/ is out of step ({differ:?}): run `UPDATE=1 cargo test --test chart`");
    Ok(())
}
