//! What `plan --values` shows, by credentials for AWS that the person has or has not.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use stackgate_testbed::{Fault, Proxy, Rule, User, fresh_dir};

use crate::world::{CHANGE_SET, Said, World, said};

fn answer(service: &str, operation: &str, result: &str) -> Rule {
    let body =
        format!("<{operation}Response><{operation}Result>{result}</{operation}Result></{operation}Response>");
    Rule::on(service, operation, Fault::Answer { status: 200, body }).always()
}

/// AWS, as far as it is asked: nothing is passed on.
fn aws() -> Result<Proxy> {
    let proxy = Proxy::alone(&fresh_dir("cli-aws")?)?;
    let change = format!(
        "<ChangeSetId>{CHANGE_SET}</ChangeSetId><StackName>Store</StackName><Status>CREATE_COMPLETE</Status><Changes><member>\
         <Type>Resource</Type><ResourceChange><Action>Modify</Action><LogicalResourceId>Alarm</LogicalResourceId>\
         <ResourceType>AWS::CloudWatch::Alarm</ResourceType><Details><member><Target><Attribute>Properties</Attribute>\
         <Path>/Properties/Threshold</Path><BeforeValue>5</BeforeValue><AfterValue>500&#27;[2J</AfterValue></Target></member><member><Target>\
         <Path>/Properties/Dimensions</Path><AfterValue>[{{\"Name\":\"Queue\"}}]</AfterValue></Target></member></Details>\
         </ResourceChange></member></Changes>"
    );
    proxy.rule(answer("cloudformation", "DescribeChangeSet", &change));
    Ok(proxy)
}

/// The program as Bob, with credentials that AWS knows as this account's.
fn run(w: &World, aws: &Proxy, args: &[&str]) -> Result<Said> {
    let mut command = w.command(User::Bob, env!("CARGO_BIN_EXE_stackgate"))?;
    command.args(["-n", "shop", "plan", "--values"]).args(args);
    command.env("AWS_ACCESS_KEY_ID", "333333333333").env("AWS_SECRET_ACCESS_KEY", "test");
    said(command.env("AWS_ENDPOINT_URL", aws.endpoint()).env("SSL_CERT_FILE", aws.bundle()))
}

pub async fn values_are_told_whoever_may_read_them_in_aws(w: &World) -> Result<()> {
    let stage = w.stage("revealed", json!({})).await?;
    let plan = w.plan(&stage, 1, '1', &[]).await?;
    let silent = w.run(User::Bob, &["plan", &plan, "-o", "json"])?.fine()?;
    ensure!(!silent.contains("\"values\""), "{silent}");

    // Nobody is signed in to AWS here, and nothing else fails for that.
    let mut nobody = w.command(User::Bob, env!("CARGO_BIN_EXE_stackgate"))?;
    nobody.env("AWS_EC2_METADATA_DISABLED", "true").args(["-n", "shop", "plan", "--values", &plan]);
    let text = said(&mut nobody)?.fine()?;
    ensure!(
        text.contains("no values are shown: ") && text.contains("signed in to account 333333333333"),
        "{text}"
    );
    ensure!(text.contains("needs approval 0/1"), "{text}");

    let aws = aws()?;
    let identity =
        |account: &str| answer("sts", "GetCallerIdentity", &format!("<Account>{account}</Account>"));
    let wrong = aws.rule(identity("111111111111"));
    let text = run(w, &aws, &[&plan])?.fine()?;
    ensure!(text.contains("your AWS credentials are not of account 333333333333"), "{text}");
    wrong.remove();
    aws.rule(identity("333333333333"));

    let text = run(w, &aws, &[&plan])?.fine()?;
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let at = lines.iter().position(|l| *l == "values").context("no values")?;
    let shown = [
        "Alarm AWS::CloudWatch::Alarm",
        "/Properties/Dimensions",
        "+     [",
        "+       {",
        "+         \"Name\": \"Queue\"",
        "+       }",
        "+     ]",
        "/Properties/Threshold",
        "-     5",
        "+     500\u{fffd}[2J",
    ];
    ensure!(lines[at + 1..].starts_with(&shown), "{text}");
    let json: Value = serde_json::from_str(&run(w, &aws, &[&plan, "-o", "json"])?.fine()?)?;
    let property = &json["stacks"][0]["values"]["resources"][0]["properties"][1];
    ensure!(
        *property == json!({ "path": "/Properties/Threshold", "before": "5", "after": "500\u{fffd}[2J" }),
        "{json}"
    );
    let markdown = run(w, &aws, &[&plan, "-o", "markdown"])?.fine()?;
    ensure!(markdown.contains("```diff\n  Alarm AWS::CloudWatch::Alarm\n"), "{markdown}");
    Ok(())
}
