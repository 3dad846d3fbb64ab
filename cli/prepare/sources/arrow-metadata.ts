/**
 * Whether the lists in an Arrow message's metadata can be as long as they say. The library that reads it trusts them, so that
 * one changed byte would have it make a list of millions. Format: FlatBuffers' "Internals", Arrow's Message.fbs and
 * Schema.fbs. Pure.
 */

/** Lists of a table by the number of their field, and the tables that a field or its list leads to. */
interface TableForm {
  readonly lists: readonly number[];
  readonly tables: readonly { readonly field: number; readonly form: () => TableForm; readonly isList: boolean }[];
}

/** Field { name, nullable, type_type, type, dictionary, children: [Field], custom_metadata } */
const field: TableForm = { lists: [5, 6], tables: [{ field: 5, form: () => field, isList: true }] };
/** Schema { endianness, fields: [Field], custom_metadata, features } */
const schema: TableForm = { lists: [1, 2, 3], tables: [{ field: 1, form: () => field, isList: true }] };
/** RecordBatch { length, nodes, buffers, compression, variadicBufferCounts } */
const batch: TableForm = { lists: [1, 2, 4], tables: [] };
/** DictionaryBatch { id, data: RecordBatch, isDelta } */
const dictionary: TableForm = { lists: [], tables: [{ field: 1, form: () => batch, isList: false }] };

/** By the number that a message calls its header's type. */
const headers: ReadonlyMap<number, TableForm> = new Map([
  [1, schema],
  [2, dictionary],
  [3, batch],
]);

/** @throws RangeError for metadata of which a list does not fit into it */
export function checkMetadata(bytes: Uint8Array): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let left = bytes.length;
  /** Where a table's field lies; null where it has none. */
  const placeOf = (table: number, number: number): number | null => {
    const names = table - view.getInt32(table, true);
    const slot = 4 + 2 * number;
    const offset = slot < view.getUint16(names, true) ? view.getUint16(names + slot, true) : 0;
    return offset === 0 ? null : table + offset;
  };
  const follow = (place: number): number => place + view.getUint32(place, true);
  const lengthAt = (place: number): number => view.getUint32(follow(place), true);
  const walk = (table: number, form: TableForm): void => {
    for (const number of form.lists) {
      const place = placeOf(table, number);
      // An element takes four bytes or more, and those of no two lists are the same.
      if (place !== null) left -= 4 * lengthAt(place);
      if (left < 0) throw new RangeError('a list that does not fit into its metadata');
    }
    for (const { field: number, form: next, isList } of form.tables) {
      const place = placeOf(table, number);
      if (place === null) continue;
      const first = follow(place);
      if (!isList) walk(first, next());
      else for (let i = 0; i < lengthAt(place); i++) walk(follow(first + 4 + 4 * i), next());
    }
  };
  // Message { version, header_type, header, bodyLength, custom_metadata }
  const message = follow(0);
  const type = placeOf(message, 1);
  const header = placeOf(message, 2);
  const form = type === null ? undefined : headers.get(view.getUint8(type));
  if (form !== undefined && header !== null) walk(follow(header), form);
}
