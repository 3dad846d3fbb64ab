/**
 * The students that need no model file: topology and weights as data, without tfjs.
 *
 *   mlp        (flatten) [dense ReLU (dropout)] x hidden, dense
 *   cnn-small  [3x3 convolution ReLU, 2x2 max pooling] x 2 with f and 2f filters, flatten, (dropout), dense
 *   resnet     He et al. 2016 for CIFAR: 3x3 convolution, three stages of n basic blocks with f, 2f, 4f filters, the
 * later
 *              ones at half the size, global average, (dropout), dense; depth 6n + 2; 1x1 convolutions as shortcuts
 *
 * `exits` adds classifiers before the last one: after each hidden layer but the last (mlp), after the first pooling
 * (cnn-small), after the first and second stage (resnet). `batchNorm` puts a batch-norm layer between each convolution
 * (or hidden dense layer) and its ReLU, in place of the bias.
 */
import { UserError } from '../../../shared/errors.js';
import type { StudentSpec } from '../../../shared/models/student-spec.js';
import type { Recipe } from '../../../shared/recipe/schema.js';
import { TopologyBuilder } from './topology-builder.js';

/** The recipe's settings of a student that needs no model file. */
export type BuiltinStudent = Extract<Recipe['student'], { builtin: string }>;

/** A student as data, and its initial weights by name. */
export interface BuiltStudent {
  readonly spec: StudentSpec;
  readonly weights: Map<string, Float32Array>;
}

/** @param inputShape of one sample, channels last @throws UserError 2 when the options or the samples do not fit */
export function builtinStudent(
  options: BuiltinStudent,
  inputShape: readonly number[],
  classes: number,
  seed: number,
): BuiltStudent {
  refuseOptions(options);
  const build = new TopologyBuilder(options.builtin, inputShape, {
    seed,
    batchNorm: options.batchNorm ?? options.builtin === 'resnet',
  });
  const exit = (): void => {
    if (options.exits === true) build.exit(classes, options.builtin === 'resnet' ? 'averaged' : 'flat');
  };
  switch (options.builtin) {
    case 'mlp':
      mlp(build, options, exit);
      break;
    case 'cnn-small':
      cnnSmall(build, options, exit);
      break;
    case 'resnet':
      resnet(build, options, exit);
      break;
    default:
      options.builtin satisfies never;
  }
  build.dropout(options.builtin === 'mlp' ? 0 : (options.dropout ?? 0));
  build.dense('logits', classes, 'linear');
  return build.finish(classes);
}

const commonOptions = ['dropout', 'batchNorm', 'exits', 'classes'];

/** Options that this student does not have. */
function refuseOptions({ builtin, ...options }: BuiltinStudent): void {
  const known: Readonly<Record<BuiltinStudent['builtin'], readonly string[]>> = {
    mlp: ['hidden'],
    'cnn-small': ['filters'],
    resnet: ['filters', 'depth'],
  };
  for (const [key, value] of Object.entries(options)) {
    if (value === undefined || commonOptions.includes(key) || known[builtin].includes(key)) continue;
    throw new UserError(
      `student.${key}: the built-in student ${builtin} has no such option; it has ${[...known[builtin], ...commonOptions].join(', ')}`,
    );
  }
}

function mlp(build: TopologyBuilder, { hidden = [128], dropout = 0, exits }: BuiltinStudent, exit: () => void): void {
  if (exits === true && hidden.length < 2)
    throw new UserError(
      'student.exits: an mlp has one after each hidden layer but the last; hidden with two layers or more wanted',
    );
  build.flatten();
  hidden.forEach((units, i) => {
    build.hiddenDense(`dense${i + 1}`, units);
    build.dropout(dropout);
    if (i < hidden.length - 1) exit();
  });
}

function cnnSmall(build: TopologyBuilder, { filters = 16 }: BuiltinStudent, exit: () => void): void {
  requireImages(build, 'cnn-small', 4);
  [filters, 2 * filters].forEach((width, i) => {
    build.convolution(`conv${i + 1}`, { filters: width, size: 3, stride: 1, isActive: true });
    build.maxPooling(`pool${i + 1}`);
    if (i === 0) exit();
  });
  build.flatten();
}

function resnet(build: TopologyBuilder, { filters = 16, depth = 8 }: BuiltinStudent, exit: () => void): void {
  requireImages(build, 'resnet', 4);
  const blocks = (depth - 2) / 6;
  if (!Number.isInteger(blocks) || blocks < 1)
    throw new UserError(`student.depth is ${depth}; a resnet has 6n + 2 layers: 8, 14, 20, 32, 44, 56, 110`);
  build.convolution('conv1', { filters, size: 3, stride: 1, isActive: true });
  for (let stage = 1; stage <= 3; stage++) {
    for (let block = 1; block <= blocks; block++) {
      basicBlock(build, `stage${stage}_block${block}`, {
        filters: filters * 2 ** (stage - 1),
        stride: stage > 1 && block === 1 ? 2 : 1,
      });
    }
    if (stage < 3) exit();
  }
  build.globalAverage();
}

function basicBlock(
  build: TopologyBuilder,
  name: string,
  { filters, stride }: { filters: number; stride: number },
): void {
  const start = build.position;
  build.convolution(`${name}_conv1`, { filters, size: 3, stride, isActive: true });
  build.convolution(`${name}_conv2`, { filters, size: 3, stride: 1, isActive: false });
  const branch = build.position;
  build.moveTo(start);
  if (stride !== 1 || build.channels !== filters)
    build.convolution(`${name}_shortcut`, { filters, size: 1, stride, isActive: false });
  build.addTo(`${name}_add`, branch);
  build.relu(`${name}_relu`);
}

function requireImages(build: TopologyBuilder, name: string, smallest: number): void {
  const [height = 0, width = 0, channels] = build.position.shape;
  if (build.position.shape.length === 3 && channels !== undefined && height >= smallest && width >= smallest) return;
  throw new UserError(
    `student.builtin ${name} takes images of at least ${smallest} x ${smallest} [height, width, channels]; the data's samples are [${build.position.shape.join(', ')}]`,
  );
}
