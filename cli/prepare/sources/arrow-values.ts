/** Cells of Arrow's tables as plain values: numbers, lists and objects of them. */
import type { DataType, Field, Table, Vector } from 'apache-arrow';
import type { Row } from './table.js';

type Arrow = typeof import('apache-arrow');

/** Which rows of a table, and the most values that a list in it can have. */
interface RowsWanted {
  readonly from: number;
  readonly to: number;
  readonly most: number;
}

/** The rows [from, to), with those columns alone. @throws RangeError for a list that cannot be as long as it says */
export function rowsIn(arrow: Arrow, table: Table, columns: readonly string[], wanted: RowsWanted): Row[] {
  const { from, to, most } = wanted;
  const vectors = columns.map((name): [string, Vector<DataType> | null] => [name, table.getChild(name)]);
  return Array.from({ length: to - from }, (_, i) =>
    Object.fromEntries(
      vectors.map(([name, vector]) => [name, plain(arrow, vector?.get(from + i), { type: vector?.type, most })]),
    ),
  );
}

interface Expected {
  /** Absent: it is not known. */
  readonly type: DataType | undefined;
  readonly most: number;
}

/**
 * Lists as arrays, structures as objects, and decimals as the numbers that are nearest to them.
 * @throws RangeError for a list of more than `most` values
 */
function plain(arrow: Arrow, value: unknown, { type, most }: Expected): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (arrow.DataType.isDictionary(type)) return plain(arrow, value, { type: type.dictionary as DataType, most });
  if (arrow.DataType.isDecimal(type)) return decimal(value as Uint32Array, type.scale);
  if (ArrayBuffer.isView(value)) return value;
  if (isVector(value)) {
    if (value.length > most) throw new RangeError(`a list of ${value.length} values`);
    const own = value.type;
    const isAsStored = value.nullCount === 0 && (arrow.DataType.isInt(own) || isFullFloat(arrow, own));
    return isAsStored ? value.toArray() : Array.from(value, (item) => plain(arrow, item, { type: own, most }));
  }
  if (!hasJson(value)) return value;
  const found = value.toJSON();
  if (typeof found !== 'object' || found === null) return found;
  return Object.fromEntries(
    Object.entries(found).map(([name, item]) => [name, plain(arrow, item, { type: fieldOf(arrow, type, name), most })]),
  );
}

/** Whether its numbers are stored as they are: floats of 16 bits are stored as whole numbers. */
function isFullFloat({ DataType: Types, Precision }: Arrow, type: DataType): boolean {
  return Types.isFloat(type) && type.precision !== Precision.HALF;
}

/** The type of a structure's field, or of a map's values. */
function fieldOf({ DataType: Types }: Arrow, type: DataType | undefined, name: string): DataType | undefined {
  if (type === undefined) return undefined;
  if (Types.isStruct(type)) return fieldsOf(type).find((field) => field.name === name)?.type;
  if (!Types.isMap(type)) return undefined;
  const [entries] = fieldsOf(type);
  return entries === undefined ? undefined : fieldsOf(entries.type)[1]?.type;
}

/** @param words of its digits as a whole number of two's complement, the word of least weight first */
function decimal(words: Uint32Array, scale: number): number {
  const whole = words.reduceRight((sum, word) => (sum << 32n) | BigInt(word), 0n);
  return Number(`${BigInt.asIntN(32 * words.length, whole)}e${-scale}`);
}

/** A list's values. */
type Values = Iterable<unknown> & Pick<Vector<DataType>, 'length' | 'nullCount' | 'toArray' | 'type'>;

function isVector(value: object): value is Values {
  return 'nullCount' in value && 'toArray' in value && 'type' in value;
}

function hasJson(value: object): value is { readonly toJSON: () => unknown } {
  return 'toJSON' in value && typeof value.toJSON === 'function';
}

export function fieldsOf({ children }: DataType): readonly Field<DataType>[] {
  return children as readonly Field<DataType>[];
}
