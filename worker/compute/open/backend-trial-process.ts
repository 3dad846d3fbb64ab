/**
 * The process that tries a backend: `node backend-trial-process.js wasm|cpu|cuda|onnx-cpu|onnx-cuda CACHE`. Prints the trial as one line of JSON.
 */
import { isTried, tryHere } from './backend-trial.js';

const [, , tried, cache] = process.argv;
if (!isTried(tried) || cache === undefined) throw new Error('wanted: wasm|cpu|cuda|onnx-cpu|onnx-cuda CACHE');
process.stdout.write(`${JSON.stringify(await tryHere(tried, cache))}\n`);
