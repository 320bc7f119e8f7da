/** TensorFlow.js with its random ops replaced: an explicit export wins over `export *`. */
export * from "./tfjs.ts";
export {
  dropout,
  randomNormal,
  randomStandardNormal,
  randomUniform,
  randomUniformInt,
  truncatedNormal,
} from "./random_ops.ts";
