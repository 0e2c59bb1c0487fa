//! What the toolkit stack tells about itself.

use serde_json::{Value, json};

use super::{
    TOOLKIT_VERSION,
    conditions::NEW_KEY,
    intrinsic::{arn_of, choose, sub},
};

/// The outputs. The CDK CLI reads the bucket's name and the version from them.
pub(super) fn all() -> Value {
    let key = choose(NEW_KEY, arn_of("FileAssetsBucketEncryptionKey"), sub("${FileAssetsBucketKmsKeyId}"));
    let mut key =
        output("Key that encrypts the bucket of file assets; kept for old apps that import it", key);
    key["Export"] = json!({ "Name": sub("CdkBootstrap-${Qualifier}-FileAssetKeyArn") });
    json!({
        "BucketName": output("Bucket of file assets", sub("${StagingBucket}")),
        "BucketDomainName": output("Regional domain name of that bucket", sub("${StagingBucket.RegionalDomainName}")),
        "FileAssetKeyArn": key,
        "ImageRepositoryName": output("Repository of container image assets", sub("${ContainerAssetsRepository}")),
        "BootstrapVersion": output("Version of the bootstrap template", TOOLKIT_VERSION.to_string().into()),
    })
}

fn output(description: &str, value: Value) -> Value {
    json!({ "Description": description, "Value": value })
}
