/**
 * The tfjs library, loaded by `require`: `import` would first read all of its CommonJS files for the names that they
 * export, which costs twice as much time as loading them (bench/start.ts).
 */
import { createRequire } from 'node:module';
import type { TensorFlow } from './backend.js';

const require = createRequire(import.meta.url);

/** tfjs, without a backend that is ready. Loaded once per process. */
export const loadTfjs = (): TensorFlow => require('@tensorflow/tfjs') as TensorFlow;
