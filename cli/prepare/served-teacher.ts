/**
 * A teacher on a server, as a run takes it: what the server says of its model becomes a file, so that label workers know
 * what to expect and labels of another model have another key. What was said last is kept for a run whose server is
 * away, and whose labels are all there.
 */
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cacheFolder } from '../../shared/cache-folder.js';
import { exitCodes, UserError } from '../../shared/errors.js';
import { ifThere } from '../../shared/files.js';
import type { TeacherSpec } from '../../shared/protocol/messages.js';
import { requestSchema } from '../../shared/recipe/model-schema.js';
import type { TeacherRecipe } from '../../shared/recipe/schema.js';
import { sha256Of } from '../../shared/sha256.js';
import { ModelServer, type ModelServerOptions } from '../../worker/compute/teachers/formats/kserve-client.js';
import { describeServed, servedFormat } from '../../worker/compute/teachers/formats/kserve-v2.js';
import { servedModel, type ServedModel } from '../../worker/compute/teachers/formats/kserve-messages.js';
import { writeContent } from './content-files.js';
import type { TeacherFiles } from './teacher-files.js';

/** Where and how the teacher's server is asked; nothing for a teacher in files. */
export function servedBy({
  model,
  url,
  request = requestSchema.parse({}),
}: TeacherRecipe): Pick<TeacherSpec, 'served'> {
  if (model !== undefined || url === undefined) return {};
  const { deadlineSeconds, retries, concurrency, plainHttp } = request;
  return { served: { url, deadlineSeconds, retries, concurrency, ...(plainHttp ? { plainHttp } : {}) } };
}

/** The folder of what served models answered in earlier preparations. */
export function answersFolder(cache: string = cacheFolder()): string {
  return join(cache, 'served', 'answers');
}

export interface ServedOptions extends ModelServerOptions {
  /** Where the description is written, as a file named by its SHA-256. */
  readonly folder: string;
  /** Default: the user's. */
  readonly cache?: string;
}

/** A teacher's description, and what is odd about it, in words. */
export interface ServedFiles extends TeacherFiles {
  readonly remarks: readonly string[];
}

/**
 * Describes a teacher's served model.
 * @throws UserError 69 where the server cannot be reached and has never been, 77 where it refuses, 65 for what is no
 * answer, 2 where the recipe must say more
 */
export async function describeTeacher(
  recipe: TeacherRecipe,
  { folder, cache = cacheFolder(), ...options }: ServedOptions,
): Promise<ServedFiles> {
  const { served } = servedBy(recipe);
  if (served === undefined) throw new Error(`teacher ${recipe.name} is on no server`);
  const kept = join(cache, 'served', 'models');
  const name = sha256Of(JSON.stringify([served.url, recipe.input, recipe.request?.datatype, recipe.request?.shape]));
  try {
    const { model } = await describeServed(
      recipe.name,
      new ModelServer(recipe.name, served, { wholeSeconds: served.deadlineSeconds, ...options }),
    );
    const bytes = new TextEncoder().encode(`${JSON.stringify(asTaken(recipe, model), null, 2)}\n`);
    await mkdir(kept, { recursive: true });
    await writeContent(kept, name, bytes);
    return { ...(await filesOf(bytes, folder)), remarks: [] };
  } catch (error) {
    const isAway = error instanceof UserError && error.exitCode === exitCodes.unavailable;
    const bytes = isAway ? await ifThere(readFile(join(kept, name))) : null;
    if (bytes === null) throw error;
    return {
      ...(await filesOf(bytes, folder)),
      remarks: [`${String(error instanceof Error ? error.message : error)}; it is taken to be what it was last`],
    };
  }
}

async function filesOf(bytes: Uint8Array, folder: string): Promise<TeacherFiles> {
  const sha256 = sha256Of(bytes);
  await mkdir(folder, { recursive: true });
  await writeContent(folder, sha256, bytes);
  const file = { name: 'served-model.json', path: join(folder, sha256), sha256, bytes: bytes.length };
  return { format: servedFormat.name, files: [file] };
}

/** What the server says, with what the recipe says in its place. @throws UserError 2 where one of them must say more */
function asTaken({ name, input, outputName, request }: TeacherRecipe, model: ServedModel): ServedModel {
  const [only] = model.inputs;
  const [datatype, shape] = [request?.datatype ?? only?.datatype, request?.shape ?? only?.shape];
  const isSaid = request?.datatype !== undefined || request?.shape !== undefined;
  const inputName = input ?? only?.name;
  if (isSaid && model.inputs.length > 1)
    throw new UserError(
      `teacher ${name}: request: datatype or shape given, and the model has ${model.inputs.length} inputs; none wanted`,
    );
  const inputs = isSaid || only === undefined ? [{ name: inputName, datatype, shape }] : model.inputs;
  const outputs = model.outputs.length > 0 ? model.outputs : [{ name: outputName, datatype: 'FP32', shape: [-1] }];
  const taken = servedModel.safeParse({ ...model, inputs, outputs });
  if (taken.success) return taken.data;
  throw new UserError(
    `teacher ${name}: its server does not say which inputs and outputs its model has; input, outputName, request.datatype and request.shape wanted`,
  );
}
