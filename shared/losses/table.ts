/** All losses, a line each. Their order is that of the total: it decides the order in which gradients are added. */
import { attention } from './attention.js';
import { binaryCrossEntropy } from './binary-cross-entropy.js';
import { correlation } from './correlation.js';
import { crossEntropy } from './cross-entropy.js';
import { decoupled } from './decoupled.js';
import { dist } from './dist.js';
import { embedding } from './embedding.js';
import { exitCrossEntropy } from './exit-cross-entropy.js';
import { exitResponse } from './exit-response.js';
import { features } from './features.js';
import { logitMse } from './logit-mse.js';
import { multiLabel } from './multi-label.js';
import { probabilistic } from './probabilistic.js';
import { regression } from './regression.js';
import { relational } from './relational.js';
import { response } from './response.js';
import { selectivity } from './selectivity.js';
import { selfDistillation } from './self-distillation.js';
import { similarity } from './similarity.js';
import { virtualTeacher } from './virtual-teacher.js';

export const lossTable = [
  crossEntropy,
  regression,
  binaryCrossEntropy,
  response,
  decoupled,
  dist,
  logitMse,
  virtualTeacher,
  embedding,
  multiLabel,
  features,
  attention,
  selfDistillation,
  exitCrossEntropy,
  exitResponse,
  relational,
  similarity,
  probabilistic,
  selectivity,
  correlation,
] as const;

/** A built-in loss's name in the recipe. */
export type BuiltInLoss = (typeof lossTable)[number]['name'];
