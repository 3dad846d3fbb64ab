import { describe, expect, it } from 'vitest';
import { resultTable } from '../../../coordinator/reports/table.js';

describe('the table of results', () => {
  it('aligns names at the left and numbers at the right, and has a dash where there is none', () => {
    const table = resultTable([
      { name: 'student', parameters: 1234, figures: { accuracy: 0.5 } },
      { name: '  at early', parameters: undefined, figures: { accuracy: 1 } },
      { name: 'teacher deep', parameters: 56789, figures: {} },
    ]);
    expect(table.split('\n')).toEqual([
      '  model         parameters  accuracy',
      '  ------------  ----------  --------',
      '  student            1,234   50.00 %',
      '    at early             -  100.00 %',
      '  teacher deep      56,789         -',
    ]);
  });

  it('has the figures that all models with any have in common', () => {
    const table = resultTable([
      { name: 'student', parameters: 1, figures: { microF1: 0.5, macroF1: 0.25, exactMatch: 0.125 } },
      { name: 'teacher', parameters: 1, figures: { microF1: 1, exactMatch: 1 } },
    ]);
    expect(table.split('\n')[0]).toBe('  model    parameters  micro F1  exact match');
  });
});
