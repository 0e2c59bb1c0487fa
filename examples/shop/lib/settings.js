'use strict';

/** A value that cdk.json sets and `-c name=value` overrides. */
function settingOf(app, name) {
  const value = app.node.tryGetContext(name);
  if (value === undefined || value === '') {
    throw new Error(`${name} is not set: give it in cdk.json or by -c ${name}=...`);
  }
  return String(value);
}

/** Such a value that is an account id. */
function accountOf(app, name) {
  const account = settingOf(app, name);
  if (!/^[0-9]{12}$/.test(account)) {
    throw new Error(`${name} must have 12 digits, but is ${account}`);
  }
  return account;
}

module.exports = { accountOf, settingOf };
