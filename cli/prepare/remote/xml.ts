/** What stands in the small XML answers of Amazon's services. Pure. */

const entities = new Map([
  ['&quot;', '"'],
  ['&#34;', '"'],
  ['&apos;', "'"],
  ['&lt;', '<'],
  ['&gt;', '>'],
  ['&amp;', '&'],
]);

/** The text of an element of XML without elements in it; null where there is none. */
export function textIn(xml: string, name: string): string | null {
  const text = new RegExp(`<${name}>([^<]*)</${name}>`).exec(xml)?.[1];
  return text?.replace(/&(?:quot|#34|apos|lt|gt|amp);/g, (entity) => entities.get(entity) ?? entity) ?? null;
}
