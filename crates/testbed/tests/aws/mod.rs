//! AWS calls by another client than ours: the botocore that comes with the emulator.

use std::{path::Path, process::Command};

use anyhow::{Context, Result, bail};
use serde_json::Value;
use stackgate_testbed::target_dir;

const CALL: &str = r"
import json, sys, botocore.config, botocore.session
endpoint, trust, key, service, operation, params = sys.argv[1:]
session = botocore.session.Session()
client = session.create_client(service, region_name='ap-southeast-2', endpoint_url=endpoint, verify=trust,
    aws_access_key_id=key, aws_secret_access_key='test',
    config=botocore.config.Config(retries={'total_max_attempts': 1}, read_timeout=60))
params = json.loads(params)
if 'Body' in params: params['Body'] = params['Body'].encode()
reply = client._make_api_call(operation, params)
if hasattr(reply.get('Body'), 'read'): reply['Body'] = reply['Body'].read().decode()
print(json.dumps(reply, default=str))
";

/// One call, never repeated. The error holds what the client said.
pub(crate) fn call(
    endpoint: &str,
    trust: &Path,
    key: &str,
    service: &str,
    operation: &str,
    params: &Value,
) -> Result<Value> {
    let output = Command::new(target_dir().join("tools/emulator/bin/python"))
        .args(["-c", CALL, endpoint])
        .arg(trust)
        .args([key, service, operation, &params.to_string()])
        .env_remove("AWS_CA_BUNDLE")
        .output()
        .context("running Python")?;
    if !output.status.success() {
        bail!("{}", String::from_utf8_lossy(&output.stderr));
    }
    serde_json::from_slice(&output.stdout).context("reading the reply")
}
