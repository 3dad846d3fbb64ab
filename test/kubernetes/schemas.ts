/** JSON Schemas for kubeconform, made of what an API server says of its own objects: no schema comes from elsewhere. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

type Schema = Readonly<Record<string, unknown>>;

interface Definition extends Schema {
  readonly 'x-kubernetes-group-version-kind'?: readonly {
    readonly group: string;
    readonly version: string;
    readonly kind: string;
  }[];
}

/** What the server's text calls a string, and what a manifest may have in its place as well. */
const looser: Readonly<Record<string, Schema>> = {
  'io.k8s.apimachinery.pkg.api.resource.Quantity': { type: ['string', 'number'] },
  'io.k8s.apimachinery.pkg.util.intstr.IntOrString': { type: ['string', 'integer'] },
};

/** The same schema, in which an object with known properties has no others. */
function strict(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(strict);
  if (typeof schema !== 'object' || schema === null) return schema;
  const inner = Object.fromEntries(Object.entries(schema).map(([key, value]) => [key, strict(value)]));
  const hasProperties = typeof inner.properties === 'object' && inner.properties !== null && inner.type === 'object';
  return hasProperties && inner.additionalProperties === undefined ? { ...inner, additionalProperties: false } : inner;
}

/** The definitions that a schema names, and those that they name. */
function reach(schema: unknown, all: Readonly<Record<string, Definition>>, found = new Map<string, unknown>()) {
  for (const [, name = ''] of JSON.stringify(schema).matchAll(/"#\/definitions\/([^"]+)"/g)) {
    const next = looser[name] ?? all[name];
    if (next === undefined || found.has(name)) continue;
    found.set(name, strict(next));
    reach(next, all, found);
  }
  return found;
}

/**
 * Writes a file for each kind into the folder.
 * @param openApi what the server answers to GET /openapi/v2
 * @returns where kubeconform finds the schemas: its --schema-location
 */
export function writeSchemas(openApi: string, folder: string): string {
  mkdirSync(folder);
  const { definitions } = JSON.parse(openApi) as { definitions: Readonly<Record<string, Definition>> };
  for (const definition of Object.values(definitions)) {
    for (const { group, version, kind } of definition['x-kubernetes-group-version-kind'] ?? []) {
      const schema = {
        ...(strict(definition) as Schema),
        definitions: Object.fromEntries(reach(definition, definitions)),
      };
      // The first word of the group, and none for the core's.
      const name = [kind, group.split('.')[0], version].filter((part) => part !== '').join('-');
      writeFileSync(join(folder, `${name.toLowerCase()}.json`), JSON.stringify(schema));
    }
  }
  return join(folder, '{{.ResourceKind}}{{.KindSuffix}}.json');
}
