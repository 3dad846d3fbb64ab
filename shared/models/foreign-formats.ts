/** Model files of other programs, which are not read here, and what makes of them one that is. Pure. */

const ways: readonly (readonly [RegExp, string])[] = [
  [/\.(pt|pth|ckpt|bin)$/i, 'torch.onnx.export writes a model of PyTorch as .onnx'],
  [/\.safetensors$/i, 'it holds weights without a graph; torch.onnx.export writes a model of PyTorch as .onnx'],
  [/\.(h5|hdf5|keras)$/i, 'tensorflowjs_converter writes a model of Keras as model.json, and tf2onnx as .onnx'],
  [/\.(pb|tflite)$/i, 'tf2onnx writes a model of TensorFlow as .onnx'],
  [/\.(pkl|pickle|joblib)$/i, 'skl2onnx writes a model of scikit-learn as .onnx'],
  [/\.(ubj|bst|cbm)$/i, 'onnxmltools writes boosted trees as .onnx'],
];

/** The way out in words, with brackets and a blank before it; empty for a file that no known program writes. */
export function wayOutOf(file: string): string {
  const found = ways.find(([ending]) => ending.test(file));
  return found === undefined ? '' : ` (${found[1]})`;
}
