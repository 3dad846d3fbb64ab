/** Writes docs/recipe.md from the recipe's JSON Schema: a table for each section, a row for each key. Pure. */

/** The parts of JSON Schema (draft 2020-12) that the recipe's schema uses. */
export interface JsonSchema {
  readonly type?: string;
  readonly const?: string | number | boolean;
  readonly enum?: readonly (string | number | boolean)[];
  readonly default?: unknown;
  readonly description?: string;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly items?: JsonSchema;
  readonly prefixItems?: readonly JsonSchema[];
  readonly additionalProperties?: JsonSchema | boolean;
  readonly anyOf?: readonly JsonSchema[];
  readonly oneOf?: readonly JsonSchema[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
  readonly exclusiveMaximum?: number;
}

/** A key of the recipe, as a table has it. */
export interface KeyRow {
  readonly key: string;
  readonly takes: string;
  readonly fallback: string;
  readonly text: string;
}

const variantsOf = (schema: JsonSchema): readonly JsonSchema[] => schema.anyOf ?? schema.oneOf ?? [];
const isObject = (schema: JsonSchema): boolean => schema.properties !== undefined;

/** Zod writes the whole numbers' own bounds out, which say nothing. */
const isBound = (value: number | undefined): value is number => value !== undefined && Math.abs(value) < 2 ** 53 - 1;

function boundsOf({ minimum, maximum, exclusiveMinimum, exclusiveMaximum }: JsonSchema): string {
  const parts = [
    ...(isBound(minimum) ? [`from ${minimum}`] : []),
    ...(isBound(exclusiveMinimum) ? [`above ${exclusiveMinimum}`] : []),
    ...(isBound(maximum) ? [`to ${maximum}`] : []),
    ...(isBound(exclusiveMaximum) ? [`below ${exclusiveMaximum}`] : []),
  ];
  return parts.length === 0 ? '' : ` ${parts.join(' ')}`;
}

/** Choices, each named once. */
const joined = (choices: readonly string[]): string =>
  [...new Set(choices.flatMap((choice) => choice.split(' or ')))].join(' or ');

/** What a value may be, in a few words. */
function takes(schema: JsonSchema): string {
  if (schema.const !== undefined) return `\`${schema.const}\``;
  if (schema.enum !== undefined) return schema.enum.map((value) => `\`${value}\``).join(', ');
  const variants = variantsOf(schema);
  if (variants.length > 0) return joined(variants.map(takes));
  if (schema.type === 'array') {
    if (schema.prefixItems !== undefined) return `[${schema.prefixItems.map(takes).join(', ')}]`;
    return `list of ${schema.items === undefined ? 'values' : takes(schema.items)}`;
  }
  if (isObject(schema)) {
    const name = schema.properties?.name?.const ?? schema.properties?.over;
    return name === undefined ? 'keys below' : 'schedule';
  }
  if (schema.type === 'integer') return `whole number${boundsOf(schema)}`;
  if (schema.type === 'number') return `number${boundsOf(schema)}`;
  return { string: 'text', boolean: 'true or false', object: 'keys' }[schema.type ?? ''] ?? 'any value';
}

const defaultOf = (value: unknown): string => (value === undefined ? '' : `\`${JSON.stringify(value)}\``);

/** The rows of an object's keys, and of the objects inside it. */
export function rowsOf(schema: JsonSchema, path: string): KeyRow[] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, inner]) => {
    const key = path === '' ? name : `${path}.${name}`;
    const isNeeded = schema.required?.includes(name) === true && inner.const === undefined;
    const own: KeyRow = {
      key,
      takes: takes(inner),
      fallback: isNeeded ? 'needed' : isObject(inner) ? '' : defaultOf(inner.default),
      text: inner.description ?? '',
    };
    const twin = Object.entries(schema.properties ?? {}).find(([, other]) => sameShape(other, inner));
    if (twin !== undefined && twin[0] !== name) return [{ ...own, takes: `keys of \`${path}.${twin[0]}\`` }];
    return [own, ...innerRows(inner, key)];
  });
}

/** Whether two keys take the same objects. Simple values are never the same. */
function sameShape(one: JsonSchema, other: JsonSchema): boolean {
  const shapeOf = (schema: JsonSchema): string => JSON.stringify([variantsOf(schema), schema.properties ?? null]);
  const hasKeys = isObject(one) || variantsOf(one).some(isObject);
  return hasKeys && shapeOf(one) === shapeOf(other);
}

function innerRows(schema: JsonSchema, key: string): KeyRow[] {
  if (isObject(schema)) return rowsOf(schema, key);
  if (schema.items !== undefined && isObject(schema.items)) return rowsOf(schema.items, `${key}[]`);
  return mergedRows(variantsOf(schema).filter(isObject), key);
}

/** Rows of a choice between objects: a key that several of them have in the same way is listed once. */
function mergedRows(variants: readonly JsonSchema[], key: string): KeyRow[] {
  const found = new Map<string, KeyRow[]>();
  for (const row of variants.flatMap((variant) => rowsOf(variant, key))) {
    const same = found.get(row.key) ?? [];
    if (!same.some((other) => JSON.stringify(other) === JSON.stringify(row))) found.set(row.key, [...same, row]);
  }
  return [...found.values()].map((rows) => ({
    key: rows[0]?.key ?? key,
    takes: joined(rows.map((row) => row.takes)),
    fallback: [...new Set(rows.map((row) => row.fallback))].filter((text) => text !== '').join(' or '),
    text: [...new Set(rows.map((row) => row.text))].filter((text) => text !== '').join('; '),
  }));
}

export const cell = (text: string): string => text.replaceAll('|', '\\|');

export function tableOf(rows: readonly KeyRow[]): string {
  const lines = rows.map(
    (row) => `| \`${row.key}\` | ${cell(row.takes)} | ${cell(row.fallback)} | ${cell(row.text)} |`,
  );
  return ['| key | takes | default | means |', '| --- | --- | --- | --- |', ...lines].join('\n');
}

/** docs/recipe.md: what stands before the tables, then a table for each section of the recipe. */
export function recipeReference(schema: JsonSchema, intro: string): string {
  const sections = Object.entries(schema.properties ?? {});
  const isSection = ([name, inner]: readonly [string, JsonSchema]): boolean =>
    name !== 'losses' && innerRows(inner, name).length > 0;
  const simple = rowsOf(
    { ...schema, properties: Object.fromEntries(sections.filter((entry) => !isSection(entry))) },
    '',
  ).filter(({ key }) => !key.startsWith('losses.'));
  const tables = sections
    .filter(isSection)
    .map(([name, inner]) => `## \`${name}\`\n\n${tableOf(innerRows(inner, name))}\n`);
  return `${intro}\n## At the top\n\n${tableOf(simple)}\n\n${tables.join('\n')}`;
}
