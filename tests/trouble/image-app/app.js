'use strict';

// An app whose image is a tar file that is there already. `node app.js <folder> <account> <region> <qualifier> <tar file>`

const { App, DefaultStackSynthesizer, Stack, Stage } = require('aws-cdk-lib');
const { TarballImageAsset } = require('aws-cdk-lib/aws-ecr-assets');
const ssm = require('aws-cdk-lib/aws-ssm');

const [outdir, account, region, qualifier, tarballFile] = process.argv.slice(2);

const app = new App({ outdir, analyticsReporting: false });
const stage = new Stage(app, 'Dev', { env: { account, region } });
const stack = new Stack(stage, 'App', { synthesizer: new DefaultStackSynthesizer({ qualifier }) });
const image = new TarballImageAsset(stack, 'Image', { tarballFile });
new ssm.StringParameter(stack, 'Uri', { stringValue: image.imageUri });
app.synth();
