/** What the writers of a Parquet file say of its columns in the file's metadata. Pure. */
import { z } from 'zod';
import { parseJson } from '../../../shared/json.js';

/** The file's own pairs of keys and values. */
export type KeyValues = readonly { readonly key: string; readonly value?: string | undefined }[];

function valueOf(metadata: KeyValues | undefined, key: string): unknown {
  const text = metadata?.find((pair) => pair.key === key)?.value;
  return text === undefined ? undefined : parseJson(Buffer.from(text));
}

const featuresSchema = z.object({
  info: z.object({ features: z.record(z.string(), z.object({ names: z.array(z.string()).optional() })) }),
});

/** Names of the classes of a column, which Hugging Face's `datasets` writes of a `ClassLabel`. */
export function classNamesIn(metadata: KeyValues | undefined, column: string | undefined): string[] | undefined {
  if (column === undefined) return undefined;
  return featuresSchema.safeParse(valueOf(metadata, 'huggingface')).data?.info.features[column]?.names;
}

const pandasSchema = z.object({ index_columns: z.array(z.unknown()) });

/** The columns that pandas says are the index: names, beside descriptions of an index that only counts. */
export function pandasIndex(metadata: KeyValues | undefined): string[] {
  const found = pandasSchema.safeParse(valueOf(metadata, 'pandas'));
  return found.success ? found.data.index_columns.filter((name) => typeof name === 'string') : [];
}
