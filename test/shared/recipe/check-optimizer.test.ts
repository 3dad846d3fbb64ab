import { describe, expect, it } from 'vitest';
import { checkOptimizer } from '../../../shared/recipe/check-optimizer.js';
import { optimizerOf } from '../replica/student.js';

describe('optimizer options that do not fit together', () => {
  it.each([
    [{ name: 'sgd', nesterov: true }, 'optimizer.nesterov: needs a momentum above 0'],
    [{ name: 'adam', beta1: 1 }, 'optimizer.beta1: 1 is not below 1'],
    [{ name: 'adamw', beta2: 1 }, 'optimizer.beta2: 1 is not below 1'],
    [{ name: 'sgd', schedule: { name: 'step' } }, 'optimizer.schedule: step needs either everySteps or milestones'],
    [
      { name: 'sgd', schedule: { name: 'step', everySteps: 2, milestones: [3] } },
      'optimizer.schedule: step needs either everySteps or milestones',
    ],
  ])('%j is refused', (fields, message) => {
    expect(() => checkOptimizer(optimizerOf({ learningRate: 0.1, ...fields }))).toThrow(message);
  });
});
