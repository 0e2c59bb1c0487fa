//! What teams change every day, and what is no risk of it. Templates as aws-cdk-lib 2.276.0 writes them, shortened.

use rstest::rstest;
use serde_json::{Value, json};

use crate::{
    api::RiskClass,
    risk::testing::{assessed, change, detail, found, in_place, one_has, resources},
};

/// The classes that a change of one resource is told in.
fn told(kind: &str, old: &Value, new: &Value) -> Vec<RiskClass> {
    RiskClass::ALL.into_iter().filter(|class| one_has(*class, kind, old, new)).collect()
}

#[rstest]
#[case::a_role_in_a_variable("AWS::Lambda::Function", json!({"Environment": {"Variables": {"DB_ROLE": "reader"}}}), json!({"Environment": {"Variables": {"DB_ROLE": "writer", "ThePolicy": {"Ref": "P"}}}}))]
#[case::a_role_in_a_pattern("AWS::Events::Rule", json!({"EventPattern": {"detail": {"userRole": ["a"]}}}), json!({"EventPattern": {"detail": {"userRole": ["b"]}}}))]
#[case::a_role_in_a_tag("AWS::EKS::Cluster", json!({"Tags": {"Role": "a"}}), json!({"Tags": {"Role": "b"}}))]
#[case::a_role_of_a_job("AWS::Glue::Job", json!({"DefaultArguments": {"--redshift_role": "a"}}), json!({"DefaultArguments": {"--redshift_role": "b"}}))]
#[case::fewer_origins("AWS::S3::Bucket", json!({"CorsConfiguration": {"CorsRules": [{"AllowedMethods": ["GET"], "AllowedOrigins": ["*"]}]}}), json!({"CorsConfiguration": {"CorsRules": [{"AllowedMethods": ["GET"], "AllowedOrigins": ["https://a.com"]}]}}))]
#[case::no_origins("AWS::S3::Bucket", json!({"CorsConfiguration": {"CorsRules": [{"AllowedMethods": ["GET"], "AllowedOrigins": ["https://a.com"]}]}}), json!({}))]
#[case::origins_of_a_url("AWS::Lambda::Url", json!({"AuthType": "AWS_IAM", "Cors": {"AllowOrigins": ["*"]}}), json!({"AuthType": "AWS_IAM", "Cors": {"AllowOrigins": ["https://a.com"]}}))]
#[case::another_certificate("AWS::ElasticLoadBalancingV2::Listener", json!({"Port": 443, "Certificates": [{"CertificateArn": "a"}]}), json!({"Port": 443, "Certificates": [{"CertificateArn": "b"}]}))]
#[case::what_a_firewall_logs("AWS::WAFv2::LoggingConfiguration", json!({"LogDestinationConfigs": ["a"]}), json!({"LogDestinationConfigs": ["b"]}))]
#[case::how_long_it_is_believed("AWS::ApiGateway::Authorizer", json!({"AuthorizerResultTtlInSeconds": 300}), json!({"AuthorizerResultTtlInSeconds": 60}))]
#[case::the_subject_of_a_mail("AWS::Cognito::UserPool", json!({"EmailAuthenticationSubject": "a"}), json!({"EmailAuthenticationSubject": "b"}))]
#[case::longer_passwords("AWS::Cognito::UserPool", json!({"Policies": {"PasswordPolicy": {"MinimumLength": 8}}}), json!({"Policies": {"PasswordPolicy": {"MinimumLength": 14}}}))]
#[case::the_first_limit("AWS::EC2::VPCEndpoint", json!({"Tags": []}), json!({"Tags": [{"Key": "a"}]}))]
#[case::protected("AWS::RDS::DBInstance", json!({}), json!({"DeletionProtection": true}))]
#[case::narrower_trust("AWS::IAM::Role", json!({"AssumeRolePolicyDocument": {"Statement": [{"Effect": "Allow", "Principal": {"Federated": "p"}, "Action": "sts:AssumeRoleWithWebIdentity", "Condition": {"StringLike": {"token:sub": "repo:o/r:*"}}}]}}), json!({"AssumeRolePolicyDocument": {"Statement": [{"Effect": "Allow", "Principal": {"Federated": "p"}, "Action": "sts:AssumeRoleWithWebIdentity", "Condition": {"StringEquals": {"token:sub": "repo:o/r:ref:refs/heads/main"}}}]}}))]
fn nothing_of_it_is_a_risk(#[case] kind: &str, #[case] old: Value, #[case] new: Value) {
    assert_eq!(told(kind, &old, &new), []);
}

#[test]
fn the_first_policy_of_an_endpoint_only_takes_away() {
    let endpoint =
        |policy: Value| json!({"Resources": {"E": {"Type": "AWS::EC2::VPCEndpoint", "Properties": policy}}});
    let some = |action: &str| json!({"PolicyDocument": {"Statement": [{"Effect": "Allow", "Principal": "*", "Action": action, "Resource": "*"}]}});
    let iam = |old: Value, new: Value| {
        found(&endpoint(old), &endpoint(new)).iter().any(|(class, _)| *class == RiskClass::Iam)
    };
    assert!(!iam(json!({}), some("s3:GetObject")));
    assert!(iam(some("s3:GetObject"), some("s3:*")));
    assert!(iam(some("s3:GetObject"), json!({})), "everything again");
}

/// A VPC with a closed default group, a database that a function may reach, and the secret of the database.
fn app(tag: &str, size: &str) -> Value {
    let password = json!({"Fn::Join": ["", ["{{resolve:secretsmanager:", {"Ref": "Secret"}, ":SecretString:password::}}"]]});
    json!({"Resources": {
        "V": {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "10.0.0.0/16", "Tags": [{"Key": "commit", "Value": tag}]}},
        "Restrict": {"Type": "AWS::IAM::Role", "Properties": {"Policies": [{"PolicyName": "p", "PolicyDocument": {"Statement": [{"Effect": "Allow",
            "Action": "ec2:RevokeSecurityGroupIngress", "Resource": {"Fn::Sub": "arn:aws:ec2:r:1:security-group/${V.DefaultSecurityGroup}"}}]}}]}},
        "G": {"Type": "AWS::EC2::SecurityGroup", "Properties": {"VpcId": {"Ref": "V"}, "SecurityGroupIngress": [
            {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "CidrIp": {"Fn::GetAtt": ["V", "CidrBlock"]}}]}},
        "Secret": {"Type": "AWS::SecretsManager::Secret", "Properties": {"GenerateSecretString": {"PasswordLength": 30}}},
        "D": {"Type": "AWS::RDS::DBInstance", "Properties": {"DBInstanceClass": size, "MasterUserPassword": password}},
        "In": {"Type": "AWS::EC2::SecurityGroupIngress", "Properties": {"IpProtocol": "tcp", "GroupId": {"Fn::GetAtt": ["G", "GroupId"]},
            "SourceSecurityGroupId": "sg-1", "FromPort": {"Fn::GetAtt": ["D", "Endpoint.Port"]}, "ToPort": {"Fn::GetAtt": ["D", "Endpoint.Port"]}}},
        "Tied": {"Type": "AWS::SecretsManager::SecretTargetAttachment", "Properties": {"SecretId": {"Ref": "Secret"}, "TargetId": {"Ref": "D"}}},
    }})
}

#[test]
fn another_tag_and_a_larger_database() {
    assert_eq!(found(&app("1", "small"), &app("2", "large")), []);
}

#[test]
fn what_may_be_another_one_is_told_as_before() {
    let edited = |edit: fn(&mut Value)| {
        let mut new = app("1", "large");
        edit(&mut new["Resources"]);
        found(&app("1", "small"), &new)
            .into_iter()
            .map(|(class, id)| (class.as_str(), id))
            .collect::<Vec<_>>()
    };
    let another_port = edited(|all| all["D"]["Properties"]["Port"] = json!(5433));
    assert_eq!(another_port, [("network", "In".to_owned())]);
    let of_others = edited(|all| all["Tied"]["Properties"]["SecretId"] = json!("arn:of:others"));
    assert_eq!(of_others, []);
    let by_others = edited(|all| {
        all["Tied"]["Properties"]["SecretId"] = json!("arn:of:others");
        let password = &mut all["D"]["Properties"]["MasterUserPassword"]["Fn::Join"][1][1];
        *password = json!({"Ref": "Tied"});
    });
    assert!(by_others.contains(&("opaque", "D".to_owned())), "{by_others:?}");
}

#[test]
fn another_image_of_a_scheduled_task() {
    let app = |family: &str, role: &str, command: &str| {
        resources(&json!({
            "T": {"Type": "AWS::ECS::TaskDefinition", "Properties": {"Family": family, "TaskRoleArn": role, "ContainerDefinitions": [{"Command": [command]}]}},
            "Rule": {"Type": "AWS::Events::Rule", "Properties": {"ScheduleExpression": "rate(1 day)", "Targets": [{"Id": "t", "Arn": "c", "RoleArn": "r",
                "EcsParameters": {"TaskDefinitionArn": {"Ref": "T"}, "NetworkConfiguration": {"AwsVpcConfiguration": {"SecurityGroups": ["sg-1"]}}}}]}},
            "P": {"Type": "AWS::IAM::Policy", "Properties": {"PolicyName": "p", "Roles": ["r"], "PolicyDocument": {"Statement": [
                {"Effect": "Allow", "Action": "ecs:RunTask", "Resource": {"Ref": "T"}}]}}},
        }))
    };
    let told = |old: (&str, &str), new: (&str, &str)| {
        let (old, new) = (app(old.0, old.1, "a"), app(new.0, new.1, "b"));
        let mut list = in_place(&old, &new);
        list[0].replacement = "True".to_owned();
        for (id, kind, property) in
            [("Rule", "AWS::Events::Rule", "Targets"), ("P", "AWS::IAM::Policy", "PolicyDocument")]
        {
            let mut behind = change(id, kind, "Modify");
            behind.details.insert(detail(property, "ResourceReference", "T"));
            list.push(behind);
        }
        let found = assessed(Some(&old), &new, Some(&list));
        found.risks.iter().map(|r| format!("{} {}", r.class.as_str(), r.logical_id)).collect::<Vec<_>>()
    };
    assert_eq!(told(("f", "r"), ("f", "r")), [] as [&str; 0]);
    assert!(told(("f", "r"), ("f", "admin")).contains(&"iam P".to_owned()), "another role");
    assert!(told(("f", "r"), ("g", "r")).contains(&"iam P".to_owned()), "another family");
}

#[test]
fn a_port_that_a_parameter_gives_may_be_another_one() {
    let template = |default: &str| {
        let mut app = app("1", "small");
        app["Parameters"] = json!({"Port": {"Type": "Number", "Default": default}});
        app["Resources"]["D"]["Properties"]["Port"] = json!({"Ref": "Port"});
        crate::risk::testing::template(&app)
    };
    let database = || {
        let mut database = change("D", "AWS::RDS::DBInstance", "Modify");
        database.details.insert(detail("Port", "ParameterReference", "Port"));
        let mut rule = change("In", "AWS::EC2::SecurityGroupIngress", "Modify");
        rule.details.insert(detail("FromPort", "ResourceAttribute", "D.Endpoint.Port"));
        [database, rule]
    };
    let network = |new: &str, list: &[crate::stack::Change]| {
        let found = assessed(Some(&template("5432")), &template(new), Some(list));
        found.risks.iter().any(|risk| risk.class == RiskClass::Network && risk.logical_id == "In")
    };
    assert!(network("5433", &database()), "another default");
    assert!(network("5432", &database()), "as the list says");
}

#[test]
fn a_note_on_what_gives_out_anything_is_more_than_a_note() {
    let app = |note: &str| {
        json!({"Resources": {
            "L": {"Type": "Custom::Lookup", "Properties": {"ServiceToken": "t", "Description": note}},
            "R": {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": {"Statement": [
                {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": {"Fn::GetAtt": ["L", "RoleArn"]}}}]}}},
        }})
    };
    assert!(found(&app("1"), &app("2")).contains(&(RiskClass::Iam, "R".to_owned())));
}

#[test]
fn an_image_that_is_looked_up_is_no_role_and_no_group() {
    let of = |size: &str, group: &Value| {
        crate::risk::testing::template(&json!({
            "Parameters": {"Image": {"Type": "AWS::SSM::Parameter::Value<AWS::EC2::Image::Id>", "Default": "/aws/al2023"}},
            "Resources": {"T": {"Type": "AWS::EC2::LaunchTemplate", "Properties": {"LaunchTemplateData": {
                "ImageId": {"Ref": "Image"}, "InstanceType": size, "SecurityGroupIds": [group], "IamInstanceProfile": {"Arn": "a"}}}}}
        }))
    };
    let mut line = change("T", "AWS::EC2::LaunchTemplate", "Modify");
    line.details.insert(detail("LaunchTemplateData", "DirectModification", ""));
    let told = |line: &crate::stack::Change, group: &Value| {
        let found =
            assessed(Some(&of("small", group)), &of("large", group), Some(std::slice::from_ref(line)));
        found.risks.iter().map(|risk| risk.class).collect::<Vec<_>>()
    };
    assert_eq!(told(&line, &json!("sg-1")), []);
    line.details.insert(detail("LaunchTemplateData", "ParameterReference", "Image"));
    assert_eq!(told(&line, &json!("sg-1")), []);
    assert_eq!(told(&line, &json!({"Ref": "Image"})), [RiskClass::Network], "what is looked up is the group");
}

#[test]
fn a_permission_for_a_function_whose_code_changes() {
    let of = |code: &str| {
        resources(&json!({
            "F": {"Type": "AWS::Lambda::Function", "Properties": {"Role": "r", "Code": {"ZipFile": code}}},
            "P": {"Type": "AWS::Lambda::Permission", "Properties": {"FunctionName": {"Fn::GetAtt": ["F", "Arn"]}, "Principal": "events.amazonaws.com"}},
        }))
    };
    let told = |replaced: bool, source: &str, entity: &str| {
        let mut function = change("F", "AWS::Lambda::Function", "Modify");
        function.replacement = if replaced { "True" } else { "False" }.to_owned();
        let mut permission = change("P", "AWS::Lambda::Permission", "Modify");
        permission.replacement = "Conditional".to_owned();
        let mut why = detail("FunctionName", source, entity);
        why.requires_recreation = "Always".to_owned();
        permission.details.insert(why);
        let found = assessed(Some(&of("a")), &of("b"), Some(&[function, permission]));
        found.risks.iter().any(|r| r.class == RiskClass::MaybeReplace)
    };
    assert!(!told(false, "ResourceAttribute", "F.Arn"));
    assert!(told(true, "ResourceAttribute", "F.Arn"), "another function");
    assert!(told(false, "ParameterReference", "F"), "something else");
    assert!(told(false, "ResourceAttribute", "F.Version"), "what need not last");
}

#[test]
fn what_is_made_anew_for_a_new_revision_of_a_task_definition() {
    let of = |image: &str| {
        resources(&json!({
            "T": {"Type": "AWS::ECS::TaskDefinition", "Properties": {"Family": "f", "TaskRoleArn": "r", "ContainerDefinitions": [{"Image": image}]}},
            "S": {"Type": "AWS::ECS::TaskSet", "Properties": {"Cluster": "c", "Service": "s", "TaskDefinition": {"Ref": "T"}}},
        }))
    };
    let mut task = change("T", "AWS::ECS::TaskDefinition", "Modify");
    task.replacement = "True".to_owned();
    let mut set = change("S", "AWS::ECS::TaskSet", "Modify");
    set.replacement = "Conditional".to_owned();
    let mut why = detail("TaskDefinition", "ResourceReference", "T");
    why.requires_recreation = "Always".to_owned();
    set.details.insert(why);
    let found = assessed(Some(&of("a")), &of("b"), Some(&[task, set]));
    let told: Vec<_> = found.risks.iter().map(|r| (r.class, r.logical_id.as_str())).collect();
    assert!(told.contains(&(RiskClass::MaybeReplace, "S")), "its ARN is another one: {told:?}");
}
