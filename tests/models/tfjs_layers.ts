/** The one file that names TensorFlow.js' Keras: networks written as layers, to compare with. */
export * from "@tensorflow/tfjs-layers";
