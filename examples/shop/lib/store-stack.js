'use strict';

const { CfnOutput, Stack } = require('aws-cdk-lib');
const lambda = require('aws-cdk-lib/aws-lambda');
const s3 = require('aws-cdk-lib/aws-s3');

/** A bucket of orders, and a function that reads it. */
class StoreStack extends Stack {
  constructor(scope, id, { contents, ...props }) {
    super(scope, id, props);

    this.bucket = new s3.Bucket(this, 'Orders', {
      blockPublicAccess: s3.BlockPublicAccess.BLOCK_ALL,
      enforceSSL: true,
    });

    const reader = new lambda.Function(this, 'Reader', {
      runtime: lambda.Runtime.NODEJS_22_X,
      handler: 'index.handler',
      code: lambda.Code.fromAsset(contents.code),
      environment: { BUCKET: this.bucket.bucketName },
      ...contents.lambda,
    });
    this.bucket.grantRead(reader);

    new CfnOutput(this, 'ReaderName', { value: reader.functionName });
  }
}

module.exports = { StoreStack };
