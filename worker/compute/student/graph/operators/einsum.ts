/**
 * Einsum where no index stands twice in one operand: the gradient of an operand is the sum of the same kind over dy and
 * the other operands, with the indices of the operand as its result. Matrix products, transposes and sums are such.
 */
import { mustAt } from '../../../../../shared/must.js';
import { reshape, sumTo } from '../gradient/broadcast.js';
import { gradientOf, NoGradient, shapeOf, textOr, type BackwardNode, type Operator } from '../gradient/operator.js';

interface Equation {
  /** An index each axis of each operand, a letter each. */
  readonly operands: readonly (readonly string[])[];
  readonly result: readonly string[];
}

/** Letters for the axes that `...` stands for, which no equation in small letters has. */
const ellipsisLetters = Array.from('ZYXWVUTS');

/**
 * The equation with a letter for every axis. Without `->`, the result has `...` and then, in the alphabet's order, the
 * letters that stand once.
 *
 * @param ranks of the operands
 * @throws NoGradient for an index that an operand has twice
 */
function parse(equation: string, ranks: readonly number[]): Equation {
  const [left = '', right] = equation.replaceAll(' ', '').split('->');
  const terms = left.split(',');
  const lengths = terms.map((term, i) => mustAt(ranks, i) - term.replace('...', '').length);
  const covered = Math.max(0, ...terms.map((term, i) => (term.includes('...') ? mustAt(lengths, i) : 0)));
  const whole = ellipsisLetters.slice(0, covered);
  const letters = (term: string, count: number): string[] => {
    const [before = '', behind] = term.split('...');
    return behind === undefined
      ? Array.from(before)
      : [...Array.from(before), ...whole.slice(covered - count), ...Array.from(behind)];
  };
  const operands = terms.map((term, i) => letters(term, mustAt(lengths, i)));
  const all = operands.flat();
  const once = [...new Set(Array.from(terms.join('').replaceAll('.', '')))].filter(
    (letter) => all.indexOf(letter) === all.lastIndexOf(letter),
  );
  const result = right === undefined ? [...whole, ...once.sort()] : letters(right, covered);
  if (operands.some((term) => new Set(term).size < term.length))
    throw new NoGradient(`an Einsum of ${equation}, which takes a diagonal`);
  return { operands, result };
}

function einsum(backward: BackwardNode): readonly (string | null)[] {
  const { node, write } = backward;
  const shapes = node.inputs.map((name) => shapeOf(backward, name));
  const { operands, result } = parse(
    textOr(node, 'equation', ''),
    shapes.map(({ length }) => length),
  );
  const lengthOf = new Map<string, number>();
  operands.forEach((letters, i) => {
    letters.forEach((letter, axis) => {
      lengthOf.set(letter, Math.max(lengthOf.get(letter) ?? 1, mustAt(mustAt(shapes, i), axis)));
    });
  });
  const dy = gradientOf(backward);
  return node.inputs.map((_, i) => {
    if (!backward.wants(i)) return null;
    const own = mustAt(operands, i);
    const others = operands.filter((_, at) => at !== i);
    const met = own.filter((letter) => result.includes(letter) || others.some((letters) => letters.includes(letter)));
    const equation = `${[result, ...others].map((letters) => letters.join('')).join()}->${met.join('')}`;
    const product = write.node('Einsum', [dy, ...node.inputs.filter((_, at) => at !== i)], { equation });
    const shape = mustAt(shapes, i);
    const full = own.map((letter) => lengthOf.get(letter) ?? 1);
    // An index that this operand alone has was summed over: each of its places takes the whole gradient.
    if (met.length === own.length) return sumTo(write, product, full, shape);
    const kept = own.map((letter) => (met.includes(letter) ? (lengthOf.get(letter) ?? 1) : 1));
    return sumTo(write, write.node('Expand', [reshape(write, product, kept), write.integers(...full)]), full, shape);
  });
}

export const sums: readonly Operator[] = [{ op: 'Einsum', gradient: einsum }];
