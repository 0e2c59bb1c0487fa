'use strict';

exports.handler = async () => 'done';
