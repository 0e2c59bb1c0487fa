//! Whole assemblies: what is read, what is refused, and what the digest of a release depends on.

use std::collections::{BTreeMap, BTreeSet};

use rstest::rstest;
use serde_json::{Value, json};

use super::{
    testing::{app, app_with, file_asset, path, prod, tree},
    *,
};
use crate::words::Qualifier;

const ROOT: &str = "manifest.json";
const PROD: &str = "assembly-Prod/manifest.json";
const ASSETS: &str = "assembly-Prod/ProdData.assets.json";
const DATA: &str = "assembly-Prod/ProdData.template.json";
const URL: &str = "/artifacts/ProdData/properties/stackTemplateAssetObjectUrl";
const BUCKET: &str = "cdk-acme-assets-333333333333-ap-southeast-2";

fn acme() -> Qualifier {
    "acme".parse().unwrap()
}

#[test]
fn a_stage_is_read_whole_and_in_order() {
    let stage = prod(app()).unwrap();
    let [data, web] = stage.stacks.as_slice() else { panic!("two stacks") };
    assert_eq!(data.key().to_string(), "333333333333/ap-southeast-2/Prod-Data");
    assert_eq!(
        data.deploy_role.as_str(),
        "arn:aws:iam::333333333333:role/cdk-acme-deploy-role-333333333333-ap-southeast-2"
    );
    assert_eq!(data.mentioned_qualifier(), Some(acme()));
    assert_eq!(data.requires_bootstrap_version, Some(8), "that of the asset manifest is higher");
    assert_eq!(data.termination_protection, Some(true));
    assert_eq!(data.notification_arns, None);
    assert_eq!(data.construct_paths["Bucket"], "Prod/Data/Bucket/Resource");
    assert_eq!(data.template_object.key, "48f7.json");
    let [code, template] = data.assets.files.as_slice() else { panic!("two files") };
    assert_eq!((code.packaging, code.source.as_str()), (Packaging::Zip, "asset.c0de"));
    assert_eq!(template.content, AssetContent::File(data.template_file.clone()));
    assert_eq!(web.dependencies, BTreeSet::from(["ProdData".to_owned()]), "through its asset manifest");
    assert_eq!(check_computed(data, &acme()), Ok(()));
}

#[test]
fn stages_are_found_by_path_and_by_id() {
    let bundle = Bundle::open(tree(app())).unwrap();
    assert_eq!(bundle.stage_names().collect::<Vec<_>>(), ["Outer", "Outer/Inner", "Prod"]);
    let inner = bundle.stage(Some("Outer/Inner")).unwrap();
    assert_eq!(inner.stacks[0].name.as_str(), "Outer-Inner-S");
    assert_eq!(bundle.stage(Some("Outer-Inner")).unwrap(), inner, "as the CDK shows it");
    assert_eq!(bundle.stage(Some("assembly-Prod")), bundle.stage(Some("Prod")));
    let error = bundle.stage(Some("Pord")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the assembly holds no CDK Stage \"Pord\"; it holds: Outer, Outer/Inner, Prod"
    );
    assert!(matches!(bundle.stage(None), Err(BundleError::NoSuchCdkStage { .. })), "no stacks at the root");
}

fn set(value: &mut Value, pointer: &str, to: Value) {
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    let parent = value.pointer_mut(parent).unwrap();
    parent[key] = to;
}

#[rstest]
#[case::too_new(ROOT, "/version", json!("56.0.0"), "schema 56.0.0, but this version of Stackgate reads up to 55")]
#[case::too_new_assets(ASSETS, "/version", json!("99.1.0"), "schema 99.1.0")]
#[case::no_version(ROOT, "/version", json!(null), "it has no version")]
#[case::missing(ROOT, "/missing", json!([{"key": "vpc-provider:x"}]), "misses context (vpc-provider:x)")]
#[case::a_name_of_two_lines(PROD, "/artifacts/ProdData/displayName", json!("Prod\nApproved"), "characters in its name that are not seen")]
#[case::agnostic(PROD, "/artifacts/ProdData/environment", json!("aws://unknown-account/unknown-region"), "explicit env")]
#[case::no_role(PROD, "/artifacts/ProdData/properties/assumeRoleArn", json!(null), "no assumeRoleArn: it was not synthesised by DefaultStackSynthesizer")]
#[case::no_url(PROD, "/artifacts/ProdData/properties/stackTemplateAssetObjectUrl", json!(null), "no stackTemplateAssetObjectUrl")]
#[case::bad_role(PROD, "/artifacts/ProdData/properties/assumeRoleArn", json!("arn:aws:iam::3:user/x"), "role ARN")]
#[case::escape(PROD, "/artifacts/ProdData/properties/templateFile", json!("../../etc/passwd"), "leads out of the assembly")]
#[case::no_template(PROD, "/artifacts/ProdData/properties/templateFile", json!("gone.json"), "assembly-Prod/gone.json is not in the assembly")]
#[case::tag(PROD, "/artifacts/ProdData/properties/tags", json!({"stackgate.dev/x": "y"}), "reserved tag")]
#[case::twin(PROD, "/artifacts/ProdWeb/properties/stackName", json!("Prod-Data"), "are both 333333333333/ap-southeast-2/Prod-Data")]
#[case::cycle(PROD, "/artifacts/ProdData/dependencies", json!(["ProdWeb"]), "in a circle: Prod/Data, Prod/Web")]
#[case::unknown_dependency(PROD, "/artifacts/ProdData/dependencies", json!(["Nobody"]), "\"Nobody\", which is not there")]
#[case::error(PROD, "/artifacts/ProdData/metadata", json!({"/Prod/Data": [{"type": "aws:cdk:error", "data": "no"}]}), "/Prod/Data: no")]
#[case::executable(ASSETS, "/files/code/source", json!({"executable": ["rm"]}), "runs no commands")]
#[case::asset_escape(ASSETS, "/files/code/source/path", json!("../../x"), "leads out of the assembly")]
#[case::asset_gone(ASSETS, "/files/code/source/path", json!("../asset.beef"), "asset.beef is not in the assembly")]
#[case::asset_elsewhere(
    ASSETS,
    "/files/code/destinations/333333333333-ap-southeast-2-7d99/region",
    json!("us-east-1"),
    "uses the asset code, which its asset manifest does not offer for aws://333333333333/ap-southeast-2"
)]
#[case::key_twice(
    ASSETS,
    "/files/code/destinations/333333333333-ap-southeast-2-7d99/objectKey",
    json!("48f7.json"),
    "two different contents as s3://cdk-acme-assets-333333333333-ap-southeast-2/48f7.json"
)]
#[case::nested_in_itself(ROOT, "/artifacts/assembly-Prod/properties/directoryName", json!("."), "below the directory")]
#[case::template_nobody_publishes(
    PROD,
    URL,
    json!(format!("s3://{BUCKET}/evil.json")),
    "template is to be read from s3://cdk-acme-assets-333333333333-ap-southeast-2/evil.json, where assembly-Prod/ProdData.template.json is not published"
)]
#[case::template_of_another_bucket(PROD, URL, json!("s3://evil/48f7.json"), "s3://evil/48f7.json, where")]
#[case::template_of_other_bytes(
    ASSETS,
    "/files/template/source/path",
    json!("ProdWeb.template.json"),
    "48f7.json, where assembly-Prod/ProdData.template.json is not published"
)]
#[case::template_as_a_zip(PROD, URL, json!(format!("s3://{BUCKET}/c0de.zip")), "c0de.zip, where")]
#[case::nested_template_nobody_publishes(
    DATA,
    "/Resources/Nested",
    nested(json!(format!("https://s3.ap-southeast-2.amazonaws.com/{BUCKET}/evil.json"))),
    "Nested draws in evil.json of the assets bucket, which no stack of this CDK Stage publishes"
)]
#[case::nested_in_a_loop(
    DATA,
    "/Resources/Fn::ForEach::L",
    json!(["I", ["a"], {"N${I}": nested(json!(format!("https://{BUCKET}.s3.amazonaws.com/evil.json")))}]),
    "draws in evil.json"
)]
#[case::stack_set(
    DATA,
    "/Resources/Set",
    json!({"Type": "AWS::CloudFormation::StackSet", "Properties": {
        "TemplateURL": {"Fn::Sub": format!("https://{BUCKET}.s3.${{AWS::Region}}.${{AWS::URLSuffix}}/evil.json")}}}),
    "Set draws in evil.json"
)]
#[case::include(
    DATA,
    "/Resources/Fn::Transform",
    json!({"Name": "AWS::Include", "Parameters": {"Location": format!("s3://{BUCKET}/evil.json")}}),
    "draws in evil.json"
)]
#[case::code_that_a_macro_gives_to_functions(
    DATA,
    "/Globals",
    json!({"Function": {"CodeUri": format!("s3://{BUCKET}/evil.zip")}}),
    "Globals draws in evil.zip"
)]
#[case::code_nobody_publishes(
    DATA,
    "/Resources/Fn/Properties/Code",
    json!({"S3Bucket": {"Fn::Sub": "cdk-acme-assets-${AWS::AccountId}-${AWS::Region}"}, "S3Key": "evil.zip"}),
    "Fn draws in evil.zip"
)]
#[case::code_that_only_cloudformation_knows(
    DATA,
    "/Resources/Fn/Properties/Code",
    json!({"S3Bucket": BUCKET, "S3Key": {"Fn::GetAtt": ["Bucket", "Arn"]}}),
    "Fn draws in an object that is not known before it is deployed"
)]
fn refuses(#[case] file: &str, #[case] pointer: &str, #[case] to: Value, #[case] words: &str) {
    let error = prod(app_with(file, |json| set(json, pointer, to))).unwrap_err().to_string();
    assert!(error.contains(words), "{error}");
}

fn include(key: &str) -> Value {
    json!({"Name": "AWS::Include", "Parameters": {"Location": format!("s3://{BUCKET}/{key}")}})
}

#[rstest]
#[case::at_the_top("/Fn::Transform", |include| include)]
#[case::of_the_template("/Transform", |include| include)]
#[case::one_of_the_template("/Transform", |include| json!(["AWS::LanguageExtensions", include]))]
#[case::parameters("/Parameters", |include| json!({"P": {"Fn::Transform": include}}))]
#[case::mappings("/Mappings", |include| json!({"M": {"Fn::Transform": include}}))]
#[case::all_mappings("/Mappings", |include| json!({"Fn::Transform": include}))]
#[case::conditions("/Conditions", |include| json!({"C": {"Fn::Equals": ["a", {"Fn::Transform": include}]}}))]
#[case::rules("/Rules", |include| json!({"R": {"Fn::Transform": include}}))]
#[case::outputs("/Outputs", |include| json!({"O": {"Value": {"Fn::Transform": include}}}))]
#[case::hooks("/Hooks", |include| json!({"H": {"Fn::Transform": include}}))]
#[case::metadata("/Metadata", |include| json!({"Fn::Transform": include}))]
fn what_a_transform_draws_in_anywhere_is_published(#[case] at: &str, #[case] section: fn(Value) -> Value) {
    let with = |key: &str| prod(app_with(DATA, |json| set(json, at, section(include(key)))));
    let refused = with("evil.json").unwrap_err().to_string();
    assert!(refused.contains("draws in evil.json of the assets bucket"), "{refused}");
    with("c0de.zip").unwrap();
}

#[rstest]
#[case::outputs("/Outputs", json!({"O": {"Value": format!("s3://{BUCKET}/report.json")}}))]
#[case::mappings("/Mappings", json!({"M": {"Data": {"Place": format!("s3://{BUCKET}/report.json")}}}))]
#[case::metadata("/Metadata", json!({"Read": format!("s3://{BUCKET}/report.json")}))]
fn what_is_named_outside_of_resources_is_not_drawn_in(#[case] at: &str, #[case] section: Value) {
    prod(app_with(DATA, |json| set(json, at, section))).unwrap();
}

fn nested(url: Value) -> Value {
    json!({"Type": "AWS::CloudFormation::Stack", "Properties": {"TemplateURL": url}})
}

/// The app with a nested stack, whose template is an asset, in the form that the CDK writes.
fn app_with_nested(inner: &Value) -> Vec<(&'static str, String)> {
    let url = json!({"Fn::Join": ["", [
        "https://s3.ap-southeast-2.", {"Ref": "AWS::URLSuffix"}, format!("/{BUCKET}/1111.json")
    ]]});
    let mut files = app_with(DATA, |json| set(json, "/Resources/Nested", nested(url)));
    for (name, text) in app_with(ASSETS, |json| {
        let asset = file_asset("ProdDataNested.nested.template.json", "file", "1111.json");
        set(json, "/files/nested", asset);
    }) {
        if name == ASSETS {
            files.iter_mut().find(|(n, _)| *n == name).unwrap().1 = text;
        }
    }
    files.push(("assembly-Prod/ProdDataNested.nested.template.json", inner.to_string()));
    files
}

#[test]
fn what_is_drawn_in_is_published_all_the_way_down() {
    let code = json!({"Code": {"S3Bucket": BUCKET, "S3Key": "c0de.zip"}});
    let function = json!({"Type": "AWS::Lambda::Function", "Properties": code});
    // What comes from elsewhere is a risk that somebody has to acknowledge.
    let elsewhere = nested(json!("https://example.com/latest.json"));
    let fine = json!({"Resources": {"F": function, "T": {"Type": "AWS::SNS::Topic"}, "E": elsewhere}});
    prod(app_with_nested(&fine)).unwrap();
    let refused = |inner: Value| prod(app_with_nested(&inner)).unwrap_err().to_string();
    let evil = format!("https://s3.ap-southeast-2.amazonaws.com/{BUCKET}/evil.json");
    let deeper = refused(json!({"Resources": {"Deeper": nested(json!(evil))}}));
    assert!(deeper.contains("Deeper draws in evil.json"), "{deeper}");
    assert!(refused(json!({"Transform": "Mine", "Resources": {}})).contains("transform Mine"));
}

#[test]
fn what_the_app_and_its_validations_warn_of_belongs_to_the_stack_that_it_is_about() {
    let violation = |severity: &str, construct: Value| json!({"ruleName": "W2512", "description": "uses  NotAction", "severity": severity, "violatingConstructs": [construct]});
    let resource = json!({"templatePath": "assembly-Prod/ProdWeb.template.json", "logicalId": "Name"});
    let report = json!({"version": "55.0.0", "pluginReports": [{"pluginName": "p", "conclusion": "success", "violations": [
        violation("warning", json!({"constructPath": "Prod/Data/Bucket"})),
        violation("warning", json!({"constructPath": "Prod/DataOther"})),
        violation("info", json!({"constructPath": "Prod/Data"})),
        violation("custom", json!({"cloudFormationResource": resource})),
        violation("warning", json!({"constructPath": "", "resourceLogicalId": "N/A", "templatePath": "N/A"})),
        "no violation"
    ]}]});
    let mut files = app_with(PROD, |json| {
        let warning = json!({"/Prod/Data/Fn": [{"type": "aws:cdk:warning", "data": "runtime is old"}]});
        set(json, "/artifacts/ProdData/metadata", warning);
    });
    files.push(("validation-report.json", report.to_string()));
    let warnings: Vec<Vec<String>> =
        prod(files).unwrap().stacks.iter().map(|s| s.warnings.iter().cloned().collect()).collect();
    let data = ["W2512: uses NotAction (Prod/Data/Bucket)", "runtime is old (Prod/Data/Fn)"];
    assert_eq!(warnings, [data.map(str::to_owned).to_vec(), vec!["W2512: uses NotAction (Name)".to_owned()]]);
}

#[test]
fn a_stack_without_resources_is_not_wanted() {
    let none = |json: &mut Value| set(json, "/Resources", json!({}));
    let names = |stage: super::CdkStage| stage.stacks.iter().map(|s| s.id.clone()).collect::<Vec<_>>();
    assert_eq!(names(prod(app_with(DATA, none)).unwrap()), ["ProdWeb"]);
    // What depends on one depends on what that one depends on.
    let chain = |empty: &str| {
        let mut files = app_with(PROD, |json| {
            set(json, "/artifacts/ProdData/dependencies", json!(["ProdData.assets", "ProdWeb"]));
            set(json, "/artifacts/ProdWeb.assets/dependencies", json!([]));
            let third = super::testing::stack("ProdLast", "Prod/Last", &["ProdLast.assets", "ProdData"]);
            set(json, "/artifacts/ProdLast", third);
            set(json, "/artifacts/ProdLast.assets", super::testing::assets("ProdLast.assets", &[]));
        });
        // The same template as another's, so that it may have the same key.
        let template =
            files.iter().find(|(name, _)| name.ends_with("ProdWeb.template.json")).unwrap().1.clone();
        files.push(("assembly-Prod/ProdLast.template.json", template));
        files.push((
            "assembly-Prod/ProdLast.assets.json",
            super::testing::only_template("ProdLast").to_string(),
        ));
        if !empty.is_empty() {
            files.iter_mut().find(|(name, _)| *name == empty).unwrap().1 =
                json!({"Resources": {}}).to_string();
        }
        let stacks = prod(files).unwrap().stacks;
        let last = stacks.iter().find(|s| s.id == "ProdLast").unwrap();
        last.dependencies.iter().cloned().collect::<Vec<_>>()
    };
    assert_eq!(chain(""), ["ProdData"]);
    assert_eq!(chain(DATA), ["ProdWeb"]);
    // A macro may still make some.
    let made = prod(app_with(DATA, |json| {
        none(json);
        set(json, "/Transform", json!("AWS::LanguageExtensions"));
    }));
    assert_eq!(names(made.unwrap()), ["ProdData", "ProdWeb"]);
}

#[test]
fn errors_in_the_metadata_file_and_in_the_report_count() {
    let mut files = app_with(PROD, |json| {
        set(json, "/artifacts/ProdData/additionalMetadataFile", json!("ProdData.metadata.json"));
    });
    let errors = json!({"/Prod/Data": [{"type": "aws:cdk:error", "data": "bucket must be private"}]});
    files.push(("assembly-Prod/ProdData.metadata.json", errors.to_string()));
    assert!(matches!(prod(files), Err(BundleError::SynthesisErrors { .. })));

    let report = |conclusion| {
        let mut files = app();
        files.push(("validation-report.json", json!({"conclusion": conclusion}).to_string()));
        prod(files)
    };
    assert!(matches!(report("failure"), Err(BundleError::ValidationFailed { .. })));
    assert!(report("success").is_ok());
}

#[test]
fn duplicate_keys_in_a_manifest_are_refused() {
    let mut files = app();
    files[0].1 = r#"{"version":"55.0.0","artifacts":{},"artifacts":{}}"#.to_owned();
    assert!(matches!(Bundle::open(tree(files)), Err(BundleError::BadJson { .. })));
}

#[rstest]
#[case(PROD, "/artifacts/ProdData/properties/assumeRoleArn", json!("arn:aws:iam::333333333333:role/Admin"), "deploy role")]
#[case(PROD, "/artifacts/ProdData/properties/cloudFormationExecutionRoleArn", json!("arn:aws:iam::333333333333:role/Admin"), "execution role")]
#[case(PROD, "/artifacts/ProdData/properties/lookupRole/arn", json!("arn:aws:iam::333333333333:role/Admin"), "lookup role")]
#[case(PROD, "/artifacts/ProdData/properties/bootstrapStackVersionSsmParameter", json!("/mine"), "bootstrap version parameter")]
#[case(PROD, "/artifacts/ProdData.assets/properties/bootstrapStackVersionSsmParameter", json!("/mine"), "bootstrap version parameter")]
#[case(ASSETS, "/files/code/destinations/333333333333-ap-southeast-2-7d99/bucketName", json!("evil"), "asset bucket")]
#[case(ASSETS, "/files/code/destinations/333333333333-ap-southeast-2-7d99/assumeRoleArn", json!("arn:aws:iam::333333333333:role/Admin"), "file publishing role")]
fn names_must_be_the_computed_ones(
    #[case] file: &str,
    #[case] pointer: &str,
    #[case] to: Value,
    #[case] what: &str,
) {
    let stage = prod(app_with(file, |json| set(json, pointer, to))).unwrap();
    let data = stage.stacks.iter().find(|s| s.id == "ProdData").unwrap();
    assert_eq!(check_computed(data, &acme()).unwrap_err().what, what);
}

#[test]
fn another_qualifier_is_not_computed() {
    let stage = prod(app()).unwrap();
    let error = check_computed(&stage.stacks[0], &"other".parse().unwrap()).unwrap_err();
    assert!(error.expected.contains("cdk-other-deploy-role"), "{error}");
}

#[test]
fn an_external_id_is_dropped_and_noted() {
    let stage = prod(app_with(PROD, |json| {
        set(json, "/artifacts/ProdData/properties/assumeRoleExternalId", json!("x"));
    }))
    .unwrap();
    assert_eq!(stage.stacks[0].dropped, Dropped { external_id: true, session_options: false });
}

#[test]
fn assets_of_other_stacks_are_left_out() {
    // What a synthesizer shared by the whole App leaves: another account's, and another directory's template.
    let stage = prod(app_with(ASSETS, |json| {
        let mut elsewhere = file_asset("DevData.template.json", "file", "de5.json");
        let destination = elsewhere["destinations"]["333333333333-ap-southeast-2-7d99"].take();
        let destination = destination.to_string().replace("333333333333", "111111111111");
        elsewhere["destinations"] =
            json!({"111111111111-x": serde_json::from_str::<Value>(&destination).unwrap()});
        json["files"]["dev"] = elsewhere;
        json["files"]["inner"] = file_asset("Inner.template.json", "file", "1aae5.json");
        json["files"]["out"] = file_asset("../../asset.1", "zip", "1.zip");
    }))
    .unwrap();
    let data = &stage.stacks[0];
    assert_eq!(data.assets.left_out.iter().collect::<Vec<_>>(), ["dev", "inner", "out"]);
    assert_eq!(data.assets.files.len(), 2);
    assert_eq!(check_computed(data, &acme()), Ok(()));
}

#[test]
fn what_is_not_read_any_more_is_not_kept_and_equal_files_share_their_bytes() {
    let metadata = "assembly-Prod/ProdData.metadata.json";
    let mut files = app_with(PROD, |json| {
        set(json, "/artifacts/ProdData/additionalMetadataFile", json!("ProdData.metadata.json"));
    });
    files.push((metadata, "{}".to_owned()));
    let pad = "x".repeat(1 << 20);
    files.extend([("pad/1", pad.clone()), ("asset.c0de/lib/real.mjs", pad.clone())]);
    files.push(("asset.c0de/same.mjs", pad));
    let mut tree = tree(files);
    tree.insert(path("asset.c0de/link.mjs"), Node::Link { target: "lib/real.mjs".to_owned() }).unwrap();
    tree.share_equal_files();
    let read = tree.bytes();
    let bundle = Bundle::open(tree).unwrap();
    let data = &bundle.stage(Some("Prod")).unwrap().stacks[0];
    let AssetContent::Directory(entries) = &data.assets.files[0].content else { panic!("a directory") };
    assert_eq!(entries.0.len(), 4, "the link leads to what is kept");
    assert!((1 << 20..(1 << 20) + (1 << 16)).contains(&bundle.bytes()), "{} bytes", bundle.bytes());
    assert!(bundle.bytes() < read);
}

fn release(files: Vec<(&'static str, String)>) -> crate::words::Digest {
    Bundle::open(tree(files)).unwrap().release()
}

#[test]
fn the_machine_that_synthesised_does_not_count() {
    let mut elsewhere = app_with(PROD, |json| {
        set(
            json,
            "/artifacts/ProdData/metadata",
            json!({"/Prod/Data": [{"type": "x", "trace": ["/home/b/app.ts"]}]}),
        );
        set(json, "/artifacts/ProdWeb/additionalMetadataFile", json!("ProdWeb.metadata.json"));
    });
    elsewhere.push(("assembly-Prod/ProdWeb.metadata.json", "{}".to_owned()));
    elsewhere.push((".cache/x", "x".to_owned()));
    elsewhere.push(("cdk.out", "{\"version\":\"55.0.0\"}".to_owned()));
    elsewhere.iter_mut().find(|(name, _)| *name == "tree.json").unwrap().1 =
        "{\"home\": \"elsewhere\"}".to_owned();
    elsewhere.reverse();
    assert_eq!(release(elsewhere), release(app()));
}

#[rstest]
#[case("asset.c0de/index.mjs")]
#[case("assembly-Prod/ProdWeb.template.json")]
#[case("assembly-Prod/ProdWeb.assets.json")]
#[case("assembly-Prod/manifest.json")]
fn what_is_deployed_counts(#[case] name: &str) {
    let mut files = app();
    let text = &mut files.iter_mut().find(|(n, _)| *n == name).unwrap().1;
    *text = if name.ends_with("mjs") { format!("{text};") } else { text.replacen('{', "{\"x\":1,", 1) };
    assert_ne!(release(files), release(app()));
}

#[test]
fn an_importer_is_deferred_until_the_export_is_deployed() {
    let stage = prod(app()).unwrap();
    let [data, web] = stage.stacks.as_slice() else { panic!("two stacks") };
    assert_eq!(defer(&stage.stacks, &BTreeMap::new()), BTreeSet::from([web.key()]));
    let without = BTreeMap::from([(data.key(), BTreeSet::from(["other".to_owned()]))]);
    assert_eq!(defer(&stage.stacks, &without), BTreeSet::from([web.key()]));
    let with = BTreeMap::from([(data.key(), data.template.exports.literal.clone())]);
    assert_eq!(defer(&stage.stacks, &with), BTreeSet::new());
}

#[test]
fn an_import_that_cannot_be_computed_waits_for_what_it_depends_on() {
    let web = "assembly-Prod/ProdWeb.template.json";
    let stage = prod(app_with(web, |json| {
        set(json, "/Resources/Name/Properties/Value", json!({"Fn::ImportValue": {"Ref": "P"}}));
    }))
    .unwrap();
    assert!(stage.stacks[1].template.imports.opaque);
    assert_eq!(defer(&stage.stacks, &BTreeMap::new()), BTreeSet::from([stage.stacks[1].key()]));
}

#[test]
fn an_export_of_another_region_does_not_defer() {
    let mut stage = prod(app()).unwrap();
    std::sync::Arc::make_mut(&mut stage.stacks[0]).env.region = "us-east-1".parse().unwrap();
    assert_eq!(defer(&stage.stacks, &BTreeMap::new()), BTreeSet::new());
}

#[test]
fn links_are_followed_inside_their_asset() {
    let link = |to: &str| Node::Link { target: to.to_owned() };
    let base = || tree([("asset.1/lib/real/a.js", "a".to_owned()), ("asset.1/top.js", "t".to_owned())]);
    let of = |links: &[(&str, &str)]| {
        let mut tree = base();
        for (at, to) in links {
            tree.insert(path(at), link(to)).unwrap();
        }
        Entries::collect(&tree, &path("asset.1"), &Caps::default())
    };
    let names = |entries: Entries| entries.0.keys().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(
        names(of(&[("asset.1/bin/a.js", "../lib/alias/a.js"), ("asset.1/lib/alias", "real")]).unwrap()),
        ["bin/a.js", "lib/alias/a.js", "lib/real/a.js", "top.js"]
    );
    assert!(matches!(of(&[("asset.1/x", "nowhere")]), Err(ContentError::Dangling { .. })));
    assert!(matches!(of(&[("asset.1/x", "x")]), Err(ContentError::Circle { .. })));
    assert!(matches!(of(&[("asset.1/lib/up", "..")]), Err(ContentError::Circle { .. })));
    assert!(matches!(
        of(&[("asset.1/a", "lib/b"), ("asset.1/lib/b", "../a")]),
        Err(ContentError::Circle { .. })
    ));
    assert!(matches!(
        of(&[("asset.1/a/x", "../lib"), ("asset.1/lib/y", "../a")]),
        Err(ContentError::Circle { .. })
    ));
    // The text stays inside, but through another link it would not.
    let through =
        of(&[("asset.1/d/e/f", "../../top"), ("asset.1/top", "."), ("asset.1/z", "top/../../asset.1")]);
    assert!(through.is_err(), "{through:?}");
}

#[test]
fn links_cannot_multiply_files_without_end() {
    let mut tree = tree([("asset.1/d0/f", "x".to_owned())]);
    for level in 1..30 {
        for name in ["a", "b"] {
            let target = format!("../d{}", level - 1);
            tree.insert(path(&format!("asset.1/d{level}/{name}")), Node::Link { target }).unwrap();
        }
    }
    let caps = Caps { entries: 1000, ..Caps::default() };
    assert!(matches!(Entries::collect(&tree, &path("asset.1"), &caps), Err(ContentError::TooMuch(_))));
}
