/** By what a remote file is known again, in the recipe.yaml of a run as anywhere else. */
import { z } from 'zod';

export const remoteIdentitySchema = z.object({
  /** The name with its version, where its server keeps some. */
  address: z.string().optional(),
  files: z.number().int().positive(),
  bytes: z.number().int().nonnegative(),
  /** Of one file that of its content; of several that of their list, as `sha256sum` writes it, by path. */
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  etag: z.string().optional(),
  modified: z.string().optional(),
});

/** What has come of a remote name. */
export type RemoteIdentity = z.infer<typeof remoteIdentitySchema>;
