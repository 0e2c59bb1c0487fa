//! The key that proves change sets ours: one Secret, made if it is absent.

use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::{
    Api,
    api::{ObjectMeta, PostParams},
};
use stackgate_core::change::HmacKey;

use super::{
    Writes,
    outcome::{CallError, answered},
};

/// The name of the Secret, in the controller's namespace.
pub const HMAC_SECRET: &str = "stackgate-hmac";
const FIELD: &str = "key";

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum HmacKeyError {
    /// The Secret could not be read or made.
    #[error("Secret {namespace}/{HMAC_SECRET} cannot be {what}: {message}")]
    Call {
        /// The controller's namespace.
        namespace: String,
        /// `read` or `made`.
        what: &'static str,
        /// What the API server said.
        message: String,
    },
    /// It does not hold what it should.
    #[error(
        "Secret {namespace}/{HMAC_SECRET} has no field `{FIELD}` of 32 bytes: put the old one back, or delete it \
         (prepared change sets then count as those of others)"
    )]
    Malformed {
        /// The controller's namespace.
        namespace: String,
    },
    /// The machine gives no random bytes.
    #[error("the operating system gives no random bytes")]
    NoRandomness,
}

impl Writes {
    /// Reads the key; makes it first if it is absent. When two do so at once, both get the one that was stored.
    ///
    /// # Errors
    /// When the Secret cannot be read or made, or holds something else.
    pub async fn hmac_key(&self, namespace: &str) -> Result<HmacKey, HmacKeyError> {
        let api: Api<Secret> = Api::namespaced(self.client.clone(), namespace);
        let failed = |what| {
            let namespace = namespace.to_owned();
            move |e: CallError| HmacKeyError::Call { namespace, what, message: e.to_string() }
        };
        if let Some(secret) = answered(api.get_opt(HMAC_SECRET)).await.map_err(failed("read"))? {
            return key_in(&secret, namespace);
        }
        match answered(api.create(&PostParams::default(), &new_secret()?)).await {
            Ok(stored) => key_in(&stored, namespace),
            Err(CallError::Client(kube::Error::Api(status))) if status.is_already_exists() => {
                key_in(&answered(api.get(HMAC_SECRET)).await.map_err(failed("read"))?, namespace)
            }
            Err(error) => Err(failed("made")(error)),
        }
    }
}

fn new_secret() -> Result<Secret, HmacKeyError> {
    let mut bytes = [0_u8; 32];
    let random = rustls::crypto::aws_lc_rs::default_provider().secure_random;
    random.fill(&mut bytes).map_err(|_| HmacKeyError::NoRandomness)?;
    Ok(Secret {
        metadata: ObjectMeta { name: Some(HMAC_SECRET.to_owned()), ..ObjectMeta::default() },
        data: Some([(FIELD.to_owned(), ByteString(bytes.to_vec()))].into()),
        // A key that changes in place would make change sets of ours look like those of others.
        immutable: Some(true),
        ..Secret::default()
    })
}

fn key_in(secret: &Secret, namespace: &str) -> Result<HmacKey, HmacKeyError> {
    let bytes = secret.data.as_ref().and_then(|data| data.get(FIELD));
    bytes
        .and_then(|ByteString(bytes)| <[u8; 32]>::try_from(bytes.as_slice()).ok())
        .map(HmacKey::new)
        .ok_or_else(|| HmacKeyError::Malformed { namespace: namespace.to_owned() })
}
