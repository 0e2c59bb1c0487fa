'use strict';

// The apps of the differential test: one thing each. `node corpus.js <folder> <account> <region> <qualifier>` synthesises all of them, each
// version into <folder>/<app>-<version>.

const path = require('node:path');
const {
  App, Aws, CfnCondition, CfnOutput, CfnParameter, DefaultStackSynthesizer, Duration, Fn, NestedStack, RemovalPolicy, Stack, Stage, Tags,
} = require('aws-cdk-lib');
const iam = require('aws-cdk-lib/aws-iam');
const lambda = require('aws-cdk-lib/aws-lambda');
const s3 = require('aws-cdk-lib/aws-s3');
const s3Assets = require('aws-cdk-lib/aws-s3-assets');
const sns = require('aws-cdk-lib/aws-sns');
const sqs = require('aws-cdk-lib/aws-sqs');
const ssm = require('aws-cdk-lib/aws-ssm');

const [folder, account, region, qualifier] = process.argv.slice(2);
const env = { account, region };

/** A stack of one of the apps. */
function stack(scope, id, props = {}) {
  return new Stack(scope, id, { synthesizer: new DefaultStackSynthesizer({ qualifier }), ...props });
}

/** The smallest resource that shows whether it was deployed. */
function value(scope, id, text, props = {}) {
  return new ssm.StringParameter(scope, id, { stringValue: text, ...props });
}

const apps = {
  exports: {
    1(stage) {
      const producer = stack(stage, 'Producer');
      const bucket = new s3.Bucket(producer, 'Bucket');
      const consumer = stack(stage, 'Consumer');
      value(consumer, 'Value', bucket.bucketArn);
    },
    // The consumer lets go of the export; the producer keeps it for one more release.
    2(stage) {
      const producer = stack(stage, 'Producer');
      producer.exportValue(new s3.Bucket(producer, 'Bucket').bucketArn);
      value(stack(stage, 'Consumer'), 'Value', 'no more');
    },
  },
  nested: {
    1(stage) {
      const outer = stack(stage, 'Outer');
      const inner = new NestedStack(outer, 'Inner');
      const topic = new sns.Topic(inner, 'Topic');
      value(outer, 'Value', topic.topicName);
    },
  },
  conditions: {
    1(stage) {
      const it = stack(stage, 'Conditional');
      const wanted = new CfnParameter(it, 'Wanted', { default: 'yes', allowedValues: ['yes', 'no'] });
      const is = new CfnCondition(it, 'IsWanted', { expression: Fn.conditionEquals(wanted.valueAsString, 'yes') });
      const not = new CfnCondition(it, 'IsNotWanted', { expression: Fn.conditionNot(is) });
      value(it, 'There', 'there').node.defaultChild.cfnOptions.condition = is;
      value(it, 'NotThere', 'not there').node.defaultChild.cfnOptions.condition = not;
    },
  },
  parameters: {
    1(stage) {
      const it = stack(stage, 'Asking');
      const size = new CfnParameter(it, 'Size');
      const list = new CfnParameter(it, 'List', { type: 'CommaDelimitedList', default: 'a,b' });
      const hidden = new CfnParameter(it, 'Hidden', { noEcho: true });
      value(it, 'SizeValue', size.valueAsString);
      value(it, 'ListValue', Fn.join('+', list.valueAsList));
      value(it, 'HiddenValue', hidden.valueAsString);
    },
  },
  'ssm-reference': {
    1(stage) {
      const it = stack(stage, 'Looking');
      value(it, 'Copy', ssm.StringParameter.valueForStringParameter(it, '/corpus/source'));
      value(it, 'Dynamic', '{{resolve:ssm:/corpus/source:1}}');
    },
  },
  protected: {
    1(stage) {
      value(stack(stage, 'Kept', { terminationProtection: true }), 'Value', 'kept');
    },
    2(stage) {
      value(stack(stage, 'Kept', { terminationProtection: false }), 'Value', 'kept no longer');
    },
  },
  'removal-policies': {
    1(stage) {
      const it = stack(stage, 'Policies');
      new s3.Bucket(it, 'Retained', { removalPolicy: RemovalPolicy.RETAIN });
      new s3.Bucket(it, 'Destroyed', { removalPolicy: RemovalPolicy.DESTROY });
      new sqs.Queue(it, 'Queue', { removalPolicy: RemovalPolicy.RETAIN });
    },
    2(stage) {
      new s3.Bucket(stack(stage, 'Policies'), 'Retained', { removalPolicy: RemovalPolicy.RETAIN });
    },
  },
  replaced: {
    1(stage) {
      value(stack(stage, 'Named'), 'Value', 'same', { parameterName: '/corpus/first' });
    },
    2(stage) {
      value(stack(stage, 'Named'), 'Value', 'same', { parameterName: '/corpus/second' });
    },
  },
  unchanged: {
    1(stage) {
      value(stack(stage, 'Quiet'), 'Value', 'as it was');
    },
    2(stage) {
      value(stack(stage, 'Quiet'), 'Value', 'as it was');
    },
  },
  sixty: {
    1(stage) {
      for (let n = 1; n <= 60; n += 1) value(stack(stage, `Number${n}`), 'Value', String(n));
    },
  },
  large: {
    1(stage) {
      const it = stack(stage, 'Large');
      for (let n = 1; n <= 150; n += 1) value(it, `Value${n}`, 'x'.repeat(400), { description: `number ${n}` });
    },
  },
  tags: {
    1(stage) {
      const it = stack(stage, 'Tagged', {
        tags: { team: 'shop', 'cost-centre': '4711' },
        notificationArns: [`arn:aws:sns:${region}:${account}:corpus`],
      });
      new sns.Topic(it, 'Topic');
      Tags.of(it).add('below', 'yes');
    },
    2(stage) {
      new sns.Topic(stack(stage, 'Tagged', { tags: { team: 'bank' }, notificationArns: [] }), 'Topic');
    },
  },
  renamed: {
    1(stage) {
      new sqs.Queue(stack(stage, 'Renamed'), 'Before');
    },
    2(stage) {
      new sqs.Queue(stack(stage, 'Renamed'), 'After');
    },
  },
  'stage-in-stage': {
    1(stage) {
      const inner = new Stage(stage, 'Inner');
      const first = stack(inner, 'First');
      const topic = new sns.Topic(first, 'Topic');
      value(stack(inner, 'Second'), 'Value', topic.topicName);
    },
  },
  assets: {
    1(stage) {
      const it = stack(stage, 'Assets');
      const file = new s3Assets.Asset(it, 'File', { path: path.join(__dirname, 'assets', 'note.txt') });
      value(it, 'Where', file.s3ObjectKey);
      new lambda.Function(it, 'Function', {
        runtime: lambda.Runtime.NODEJS_22_X,
        handler: 'index.handler',
        timeout: Duration.seconds(5),
        code: lambda.Code.fromAsset(path.join(__dirname, 'assets', 'function')),
      });
    },
  },
  outputs: {
    1(stage) {
      const it = stack(stage, 'Telling', { description: 'tells what it is' });
      const role = new iam.Role(it, 'Role', { assumedBy: new iam.ServicePrincipal('lambda.amazonaws.com') });
      new CfnOutput(it, 'RoleName', { value: role.roleName, description: 'its role' });
      new CfnOutput(it, 'Region', { value: Aws.REGION, exportName: 'corpus-region' });
    },
  },
};

for (const [name, versions] of Object.entries(apps)) {
  for (const [version, build] of Object.entries(versions)) {
    const app = new App({ outdir: path.join(folder, `${name}-${version}`), analyticsReporting: false });
    build(new Stage(app, 'Dev', { env }));
    app.synth();
  }
}
