//! Environments as people write them: `aws://111111111111/eu-west-1`, as the CDK does.

use serde::{Deserialize, Deserializer, Serializer, de::Error};

use crate::words::Env;

pub(super) fn serialize<S: Serializer>(list: &[Env], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(list.iter().map(ToString::to_string))
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Env>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    texts.into_iter().map(|text| text.parse().map_err(D::Error::custom)).collect()
}
