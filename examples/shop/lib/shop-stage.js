'use strict';

const { DefaultStackSynthesizer, Stage } = require('aws-cdk-lib');
const { ApiStack } = require('./api-stack');
const { StoreStack } = require('./store-stack');

/** All that one environment needs: a store, and an API on top of it. */
class ShopStage extends Stage {
  constructor(scope, id, { qualifier, contents, ...props }) {
    super(scope, id, props);
    const synthesizer = () => new DefaultStackSynthesizer({ qualifier });

    const store = new StoreStack(this, 'Store', { synthesizer: synthesizer(), contents });
    new ApiStack(this, 'Api', { synthesizer: synthesizer(), contents, bucket: store.bucket });
  }
}

module.exports = { ShopStage };
