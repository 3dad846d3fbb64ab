import { describe, expect, it } from 'vitest';
import { figureTexts, isBetter, mainFigure } from '../../../shared/figures/figures.js';

describe('the main figure', () => {
  it.each([
    [{ accuracy: 0.5 }, 'accuracy', '50.00 %'],
    [{ accuracy: 0.5, exactMatch: 0.25 }, 'token accuracy', '50.00 %'],
    [{ microF1: 0.5, exactMatch: 0.25 }, 'micro F1', '50.00 %'],
    [{ r2: -0.5, mse: 1 }, 'R2', '-0.5000'],
  ])('of %j is %s', (figures, name, text) => {
    expect(mainFigure(figures)).toMatchObject({ name, text });
    expect(figureTexts(figures)[0]).toEqual([name, text]);
  });

  it('is none where targets do not vary', () => {
    expect(mainFigure({ mse: 1, mae: 1 })).toBeUndefined();
    expect(figureTexts({ mse: 1, mae: 0.25 })).toEqual([
      ['MSE', '1.000'],
      ['MAE', '0.2500'],
    ]);
  });
});

describe('an evaluation is better', () => {
  it.each([
    ['by its main figure', { accuracy: 0.5, loss: 9 }, { accuracy: 0.4, loss: 1 }],
    ['by its loss where that is equal', { accuracy: 0.5, loss: 1 }, { accuracy: 0.5, loss: 2 }],
    ['by its error where targets do not vary', { mse: 1 }, { mse: 2 }],
    ['with a figure than with none, even a negative one', { r2: -0.5, mse: 1 }, {}],
  ])('%s', (_case, better, worse) => {
    expect([isBetter(better, worse), isBetter(worse, better), isBetter(better, better)]).toEqual([true, false, false]);
  });
});
