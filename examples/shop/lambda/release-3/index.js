'use strict';

exports.handler = async () => ({ release: 3, bucket: process.env.BUCKET });
