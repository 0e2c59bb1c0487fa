'use strict';

exports.handler = async () => ({ release: 2, bucket: process.env.BUCKET });
