/** Files of networks that are not read here, and how each becomes a `model.json` with its weights. */

/** From a file of HDF5; the command writes FOLDER/model.json and the weights beside it. */
const converter =
  "`tensorflowjs_converter --input_format=keras --output_format=tfjs_layers_model model.h5 FOLDER`" +
  " (pip install tensorflowjs)";

/** What to do with a Keras network that is at hand in Python. */
export const saveAndConvert =
  `save the network with model.save("model.h5"), run ${converter}, and give --model ` +
  "FOLDER/model.json";

const kinds: readonly { readonly ending: RegExp; readonly says: (name: string) => string }[] = [
  {
    ending: /\.(?:h5|hdf5)$/i,
    says: (name) =>
      `it is Keras' HDF5; run ${converter.replace("model.h5", name)}, and give --model ` +
      "FOLDER/model.json",
  },
  {
    ending: /\.keras$/i,
    says: (name) =>
      "it is Keras' own archive; in Python, keras.models.load_model(" +
      `${JSON.stringify(name)}).save("model.h5"), then run ${converter}, and give --model ` +
      "FOLDER/model.json",
  },
  {
    ending: /\.(?:pb|tflite|onnx|pt|pth|ckpt|safetensors|pkl)$/i,
    says: () => `only layers of Keras are read, or a module: ${saveAndConvert}`,
  },
];

/** @returns undefined for what may be no file of a network at all */
export function otherFile(name: string): string | undefined {
  const kind = kinds.find(({ ending }) => ending.test(name));
  return kind && `Cannot use --model ${name}: ${kind.says(name.replace(/^.*[\\/]/, ""))}`;
}
