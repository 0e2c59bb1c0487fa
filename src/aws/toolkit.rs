//! The bootstrap version, from its SSM parameter.

use stackgate_core::effect::RefusalKind;

use super::{calls::Operation, failed::Failed, session::Clients};

impl Clients {
    /// Reads the version of the bootstrap template; nothing if the parameter is not there.
    pub(super) async fn toolkit_version(&self, parameter: &str) -> Result<Option<u32>, Failed> {
        let call = self.ssm.get_parameter().name(parameter).with_decryption(true).send();
        let reply = match self.calls.make(Operation::GetParameter, &self.env, call).await {
            Ok(reply) => reply,
            Err(failed) if failed.is_not_found() => return Ok(None),
            Err(failed) => return Err(failed),
        };
        let value = reply.parameter().and_then(|p| p.value()).unwrap_or_default();
        value.trim().parse().map(Some).map_err(|_| {
            let why = format!(
                "the SSM parameter {parameter} in {} holds no version number; bootstrap the environment again",
                self.env
            );
            Failed::ours(RefusalKind::Invalid, why)
        })
    }
}
