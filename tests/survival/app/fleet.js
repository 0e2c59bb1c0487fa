'use strict';

// The fleets of the survival tests: many CDK Stages in one assembly. `node fleet.js <folder> <region> <qualifier> <accounts> <stages> <fleet>…`
// synthesises each release of each fleet into <folder>/<fleet>-<release>; Stage n lies in the account n modulo their number.

const path = require('node:path');
const { App, CfnOutput, CfnParameter, DefaultStackSynthesizer, Stack, Stage, Tags } = require('aws-cdk-lib');
const s3Assets = require('aws-cdk-lib/aws-s3-assets');
const ssm = require('aws-cdk-lib/aws-ssm');

const [folder, region, qualifier, accounts, stages, ...fleets] = process.argv.slice(2);

const RELEASES = [1, 2];

/** The stack that every Stage has: a value given by the Stage object, one of the release, and in some Stages a file. */
function base(stage, name, release, withFile) {
  const it = new Stack(stage, 'Base', { synthesizer: new DefaultStackSynthesizer({ qualifier }) });
  const size = new CfnParameter(it, 'Size', { default: 'not given' });
  const value = new ssm.StringParameter(it, 'Value', {
    parameterName: `/${name}/base`,
    stringValue: `release ${release}, ${size.valueAsString}`,
  });
  if (withFile) {
    const file = new s3Assets.Asset(it, 'File', { path: path.join(__dirname, `release-${release}.txt`) });
    new CfnOutput(it, 'FileKey', { value: file.s3ObjectKey });
  }
  new CfnOutput(it, 'Where', { value: value.parameterName });
  Tags.of(it).add('release', String(release));
  return value;
}

/** A stack that imports what the first one exports: it has to come after it. */
function top(stage, name, release, below) {
  const it = new Stack(stage, 'Top', { synthesizer: new DefaultStackSynthesizer({ qualifier }) });
  new ssm.StringParameter(it, 'Value', {
    parameterName: `/${name}/top`,
    stringValue: `release ${release} on ${below.parameterName}`,
  });
  new CfnOutput(it, 'Below', { value: below.parameterName });
}

for (const fleet of fleets) {
  for (const release of RELEASES) {
    const app = new App({ outdir: path.join(folder, `${fleet}-${release}`), analyticsReporting: false });
    for (let n = 0; n < Number(stages); n += 1) {
      const name = `${fleet}-${String(n).padStart(2, '0')}`;
      const account = accounts.split(',')[n % accounts.split(',').length];
      const stage = new Stage(app, name, { env: { account, region } });
      const below = base(stage, name, release, n % 5 === 0);
      if (n % 3 === 0) top(stage, name, release, below);
    }
    app.synth();
  }
}
