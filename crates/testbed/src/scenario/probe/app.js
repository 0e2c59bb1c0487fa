'use strict';

// The smallest app that needs everything a bootstrap gives: a template to publish, roles to assume.
const { App, DefaultStackSynthesizer, Stack } = require('aws-cdk-lib');
const ssm = require('aws-cdk-lib/aws-ssm');

const app = new App();
const setting = (name) => app.node.tryGetContext(name);
const stack = new Stack(app, 'Probe', {
  env: { account: setting('account'), region: setting('region') },
  synthesizer: new DefaultStackSynthesizer({ qualifier: setting('qualifier') }),
});
new ssm.StringParameter(stack, 'Answer', { stringValue: 'deployed by the CDK' });
