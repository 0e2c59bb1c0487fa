'use strict';

exports.handler = async () => ({ release: 1, bucket: process.env.BUCKET });
