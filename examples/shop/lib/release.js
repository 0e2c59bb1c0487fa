'use strict';

const path = require('node:path');
const { Duration } = require('aws-cdk-lib');

/**
 * What differs between the releases of this example. A real app has this in its history, not in a table:
 * here all of them can be synthesised from one checkout.
 */
const releases = {
  1: { greeting: 'hello', lambda: {} },
  2: { greeting: 'good day', lambda: { timeout: Duration.seconds(10) } },
  3: { greeting: 'good day', lambda: { timeout: Duration.seconds(10), memorySize: 256 } },
};

/** The contents of a release, by its number. */
function release(number) {
  if (!Object.hasOwn(releases, number)) {
    throw new Error(`there is no release ${number}, only ${Object.keys(releases).join(', ')}`);
  }
  return { ...releases[number], code: path.join(__dirname, '..', 'lambda', `release-${number}`) };
}

module.exports = { release };
