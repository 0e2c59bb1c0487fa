//! Values of properties for a person who asks: of answers made by hand, since the emulator tells none.

use stackgate::aws::{PropertyValue, PropertyValues, Values};
use stackgate_core::{
    effect::{Refusal, RefusalKind},
    words::ChangeSetArn,
};
use stackgate_testbed::{Fault, Rule};

use crate::world::{BUILD, DEV, World, key};

const STACK: &str = "Dev-Shop";

fn arn(name: &str) -> ChangeSetArn {
    format!("arn:aws:cloudformation:ap-southeast-2:{DEV}:changeSet/stackgate-{name}/u").parse().unwrap()
}

/// One page of a change set, with what follows its head.
fn page(stack: &str, set: &ChangeSetArn, rest: &str) -> Fault {
    let body = format!(
        "<DescribeChangeSetResponse><DescribeChangeSetResult><ChangeSetId>{set}</ChangeSetId><StackName>{stack}</StackName>\
         <Status>CREATE_COMPLETE</Status>{rest}</DescribeChangeSetResult></DescribeChangeSetResponse>"
    );
    Fault::Answer { status: 200, body }
}

fn change(id: &str, more: &str) -> String {
    format!(
        "<Changes><member><Type>Resource</Type><ResourceChange><Action>Modify</Action><LogicalResourceId>{id}</LogicalResourceId>\
         <ResourceType>AWS::SQS::Queue</ResourceType>{more}</ResourceChange></member></Changes>"
    )
}

fn delay(before: &str, after: &str) -> String {
    format!(
        "<Details><member><Target><Attribute>Properties</Attribute><Name>DelaySeconds</Name><Path>/Properties/DelaySeconds</Path>\
         <BeforeValue>{before}</BeforeValue><AfterValue>{after}</AfterValue></Target></member></Details>"
    )
}

fn answers(world: &World, set: &ChangeSetArn, token: &'static str, fault: Fault) {
    let name = set.to_string();
    let rule = Rule::on("cloudformation", "DescribeChangeSet", fault)
        .when(move |call| call.param("ChangeSetName") == name && call.param("NextToken") == token);
    world.proxy.rule(rule.always());
}

async fn read(world: &World, account: &str, set: &ChangeSetArn) -> Result<Option<PropertyValues>, Refusal> {
    Values::with(world.admin(account)).read(&key(STACK), set).await
}

#[tokio::test(flavor = "multi_thread")]
async fn all_pages_and_nested_sets_tell_their_values() {
    let world = World::start().await;
    let (set, nested) = (arn("1"), arn("2"));
    let more = format!("{}<NextToken>t</NextToken>", change("Queue", &delay("1", "2")));
    answers(&world, &set, "", page(STACK, &set, &more));
    let below = format!("<ChangeSetId>{nested}</ChangeSetId>");
    answers(&world, &set, "t", page(STACK, &set, &change("Jobs", &below)));
    let inner = change("Dead", "<AfterContext>{\"Properties\":{\"FifoQueue\":\"true\"}}</AfterContext>");
    let reason = "<StatusReason>[WARN] --include-property-values option can return incomplete ChangeSet data because: ChangeSet creation \
                  failed for resource</StatusReason>";
    answers(&world, &nested, "", page("Dev-Shop-Jobs-1", &nested, &format!("{inner}{reason}")));

    let values = read(&world, DEV, &set).await.unwrap().unwrap();
    let told: Vec<(&str, &[PropertyValue])> =
        values.resources.iter().map(|r| (r.logical_id.as_str(), r.properties.as_slice())).collect();
    let value = |path: &str, before: Option<&str>, after: &str| PropertyValue {
        path: path.to_owned(),
        before: before.map(str::to_owned),
        after: Some(after.to_owned()),
    };
    assert_eq!(
        told,
        [
            ("Queue", &[value("/Properties/DelaySeconds", Some("1"), "2")][..]),
            ("Jobs/Dead", &[value("", None, "{\"Properties\":{\"FifoQueue\":\"true\"}}")][..]),
        ]
    );
    assert!(!values.whole, "the nested one says that it left something out");
    let calls = world.proxy.recorded();
    let asked: Vec<_> = calls.iter().filter(|e| e.call.operation == "DescribeChangeSet").collect();
    assert_eq!(asked.len(), 3);
    assert!(asked.iter().all(|e| e.call.param("IncludePropertyValues") == "true"));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_of_the_stack_and_by_credentials_of_its_account() {
    let world = World::start().await;
    let set = arn("1");
    assert_eq!(read(&world, DEV, &set).await.unwrap(), None);
    let wrong = read(&world, BUILD, &set).await.unwrap_err();
    assert_eq!(wrong.kind, RefusalKind::WrongAccount, "{}", wrong.message);
    answers(&world, &set, "", page("Dev-Other", &set, ""));
    let other = read(&world, DEV, &set).await.unwrap_err();
    assert_eq!(other.kind, RefusalKind::Invalid, "{}", other.message);
    let elsewhere = set.as_str().replace("ap-southeast-2", "eu-west-1").parse().unwrap();
    let other = read(&world, DEV, &elsewhere).await.unwrap_err();
    assert_eq!(other.kind, RefusalKind::Invalid, "{}", other.message);
}
