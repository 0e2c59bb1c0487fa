'use strict';

const { Stack } = require('aws-cdk-lib');
const ssm = require('aws-cdk-lib/aws-ssm');

/** Tells clients where the store is. It names the bucket of another stack, which CDK turns into an export and an import. */
class ApiStack extends Stack {
  constructor(scope, id, { contents, bucket, ...props }) {
    super(scope, id, props);

    new ssm.StringParameter(this, 'Endpoint', {
      parameterName: `/shop/${this.stackName}/endpoint`,
      stringValue: this.toJsonString({ bucket: bucket.bucketName, greeting: contents.greeting }),
    });
  }
}

module.exports = { ApiStack };
