/**
 * `node .ci/same-table.mjs README LOG`: whether a run ended with the table that the README shows. Models and parameters
 * must be those of the README. Accuracies may differ by half a point: on another kind of processor ONNX Runtime
 * computes other last digits, and so other weights.
 */
import { readFileSync } from 'node:fs';

const tolerance = 0.5;

/** By model and parameters, the accuracy in percent. */
function rowsOf(file) {
  const rows = [...readFileSync(file, 'utf8').matchAll(/^ {2}(\S.*?) {2,}([\d,]+) +(\d+\.\d+) %$/gm)];
  return new Map(
    rows.map(([, model, parameters, accuracy]) => [`${model}, ${parameters} parameters`, Number(accuracy)]),
  );
}

function differencesOf(shown, found) {
  if (shown.size === 0) return ['the README shows no table'];
  return [
    ...[...found.keys()].filter((row) => !shown.has(row)).map((row) => `the README does not show ${row}`),
    ...[...shown].flatMap(([row, accuracy]) => {
      const other = found.get(row);
      if (other === undefined) return [`the example did not end with ${row}`];
      return Math.abs(other - accuracy) <= tolerance + 1e-9
        ? []
        : [`${row}: ${other} %; the README shows ${accuracy} %`];
    }),
  ];
}

const [, , readme, log] = process.argv;
const differences = differencesOf(rowsOf(readme), rowsOf(log));
for (const line of differences) console.log(line);
process.exitCode = differences.length === 0 ? 0 : 1;
