/** Says where a key of a recipe stands: in a line of the file, or in the flag that set it. */
import { isAlias, isMap, isScalar, isSeq, parseDocument, type Document, type LineCounter, type Node } from 'yaml';
import { UserError } from '../errors.js';

export type Path = readonly PropertyKey[];

/** A flag that gave a key its value. */
export interface Flag {
  readonly path: Path;
  /** The flag as messages call it. */
  readonly name: string;
}

/**
 * Sets the values of the flags in the document, which is changed in place.
 *
 * @throws UserError 2 for a flag that has no place in the recipe
 */
export function applyFlags(
  document: Document,
  { set = [], seed }: { readonly set?: readonly string[]; readonly seed?: number | undefined },
): Flag[] {
  const flags: Flag[] = set.map((assignment) => {
    const at = assignment.indexOf('=');
    if (at <= 0) throw new UserError(`--set ${assignment}: KEY.PATH=VALUE was wanted`);
    const path = assignment
      .slice(0, at)
      .split('.')
      .map((part) => (/^\d+$/.test(part) ? Number(part) : part));
    const name = `--set ${assignment}`;
    setAt(document, path, name, assignment.slice(at + 1));
    return { path, name };
  });
  if (seed === undefined) return flags;
  document.setIn(['seed'], seed);
  return [...flags, { path: ['seed'], name: `--seed ${seed}` }];
}

function setAt(document: Document, path: readonly (string | number)[], name: string, text: string): void {
  const value = parseDocument(text);
  if (value.errors.length > 0) throw new UserError(`${name}: the value is no YAML; one in YAML was wanted`);
  path.forEach((part, i) => {
    const parent: unknown = i === 0 ? document.contents : document.getIn(path.slice(0, i), true);
    const isPlace =
      parent === undefined ||
      isMap(parent) ||
      (isScalar(parent) && parent.value === null) ||
      (isSeq(parent) && typeof part === 'number' && part <= parent.items.length);
    if (!isPlace) throw new UserError(`${name}: there is no place ${path.slice(0, i + 1).join('.')} in the recipe`);
    // A key without a value, such as `evaluate:`, can hold a mapping.
    if (i > 0 && isScalar(parent)) document.deleteIn(path.slice(0, i));
  });
  const plain: unknown = value.toJS();
  document.setIn(path, document.createNode(plain));
}

/** A function that gives `FILE:LINE` of a key, or the name of the flag that gave it. */
export function placesOf(
  document: Document,
  lines: LineCounter,
  file: string,
  flags: readonly Flag[],
): (path: Path) => string {
  return (path) => {
    const flag =
      flags.findLast((one) => startsWith(path, one.path)) ??
      (hasPlace(document, path) ? undefined : flags.findLast((one) => startsWith(one.path, path)));
    return flag?.name ?? `${file}:${lineOf(document, lines, path)}`;
  };
}

function startsWith(path: Path, start: Path): boolean {
  return start.length <= path.length && start.every((part, i) => String(part) === String(path[i]));
}

/** Whether a node stands in the file: flags make nodes without a range. */
function hasPlace(document: Document, path: Path): boolean {
  const node = nodeAt(document, path);
  return node === undefined || Boolean(node.range);
}

/** The line of the node at a path, or of its nearest ancestor that exists. */
function lineOf(document: Document, lines: LineCounter, path: Path): number {
  for (let length = path.length; length >= 0; length--) {
    const node = nodeAt(document, path.slice(0, length));
    if (node?.range) return lines.linePos(node.range[0]).line;
  }
  return 1;
}

/** The node at a path: the key's for an entry of a mapping, the item's for one of a sequence. */
function nodeAt(document: Document, path: Path): Node | undefined {
  let node: unknown = document.contents;
  let found = document.contents ?? undefined;
  for (const part of path) {
    if (isAlias(node)) node = node.resolve(document);
    if (isMap(node)) {
      const pair = node.items.find(({ key }) => String(isScalar(key) ? key.value : key) === String(part));
      if (pair === undefined) return undefined;
      found = isScalar(pair.key) ? pair.key : found;
      node = pair.value;
    } else if (isSeq(node)) {
      const item = node.items[Number(part)];
      if (!isMap(item) && !isSeq(item) && !isScalar(item) && !isAlias(item)) return undefined;
      found = item;
      node = item;
    } else return undefined;
  }
  return found;
}
