#!/usr/bin/env node
'use strict';

const { App } = require('aws-cdk-lib');
const { ShopStage } = require('../lib/shop-stage');
const { release } = require('../lib/release');
const { accountOf, settingOf } = require('../lib/settings');

const app = new App();
const region = settingOf(app, 'region');
const qualifier = settingOf(app, 'qualifier');
const contents = release(settingOf(app, 'release'));

for (const name of ['Dev', 'Test', 'Prod']) {
  const account = accountOf(app, `${name.toLowerCase()}Account`);
  new ShopStage(app, name, { env: { account, region }, qualifier, contents });
}
