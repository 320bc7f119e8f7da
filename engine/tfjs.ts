/**
 * The one file that names TensorFlow.js, so that the kernels, the gradient tape and the models share
 * a single library instance. Everything else imports `tf` from `tf.ts`, which is this and random ops
 * that can be traced.
 */
export * from "@tensorflow/tfjs-core";
