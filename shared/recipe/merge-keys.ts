/**
 * YAML's merge keys: `<<: *base` takes the keys of another mapping that the mapping does not have itself. They are
 * copied before anything else looks at a recipe, so that a flag may set a key in the copy alone. Source: the merge key
 * type of YAML 1.1.
 */
import { isAlias, isMap, isNode, isPair, isScalar, isSeq, visit, type Document, type Pair, type YAMLMap } from 'yaml';
import { UserError } from '../errors.js';

/** More copies than these are no recipe. */
const mostCopies = 10_000;

interface Merging {
  readonly document: Document;
  /** Says which file and line a problem is in, from a place in the text. */
  readonly lineAt: (offset: number) => string;
  /** Mappings that are being looked at, which must not be merged into themselves. */
  readonly open: Set<YAMLMap>;
  copies: number;
}

/**
 * Copies what merge keys stand for, in place.
 * @param lineAt gives `FILE:LINE` of an offset in the text
 * @throws UserError 2 for a merge key without a mapping, or with one that it stands in
 */
export function copyMerged(document: Document, lineAt: (offset: number) => string): void {
  copyIn(document.contents, { document, lineAt, open: new Set(), copies: 0 });
}

function copyIn(node: unknown, merging: Merging): void {
  if (isSeq(node)) node.items.forEach((item) => copyIn(item, merging));
  if (!isMap(node)) return;
  const map: YAMLMap = node;
  if (merging.open.has(map)) throw problem(map, merging, 'merged into itself');
  merging.open.add(map);
  for (const pair of map.items) if (!isMergeKey(pair)) copyIn(pair.value, merging);
  const merged = map.items.filter(isMergeKey).flatMap(({ value }) => mappingsOf(value, map, merging));
  map.items = map.items.filter((pair) => !isMergeKey(pair));
  for (const source of merged) {
    copyIn(source, merging);
    for (const pair of source.items) if (!map.has(pair.key)) map.items.push(copied(pair, map, merging));
  }
  merging.open.delete(map);
}

/** A key in quotation marks is one like others. */
function isMergeKey({ key }: Pair): boolean {
  return isScalar(key) && key.value === '<<' && key.type === 'PLAIN';
}

/** The mappings that a merge key names: one, or a list of which the first that has a key counts. */
function mappingsOf(value: unknown, map: YAMLMap, merging: Merging): YAMLMap[] {
  const found = isAlias(value) ? value.resolve(merging.document) : value;
  if (isMap(found)) return [found];
  if (!isSeq(found)) throw problem(map, merging, 'no mapping; one (<<: *NAME), or a list of them, wanted');
  return found.items.flatMap((item) => mappingsOf(item, map, merging));
}

/** Aliases in the copy keep what they stand for, since the copy has no anchors that could take their place. */
function copied(pair: Pair, map: YAMLMap, merging: Merging): Pair {
  const copy = pair.clone();
  if (!isPair(copy)) throw new Error('a copy of a pair is none');
  if (!isNode(copy.value)) return copy;
  visit(copy.value, {
    Node: (_, node) => {
      if (++merging.copies > mostCopies) throw problem(map, merging, 'merge keys that unfold to something huge');
      if (!isAlias(node)) delete node.anchor;
    },
  });
  return copy;
}

function problem({ range }: YAMLMap, { lineAt }: Merging, text: string): UserError {
  return new UserError(`${lineAt(range?.[0] ?? 0)}: <<: ${text}`);
}
