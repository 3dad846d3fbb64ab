/**
 * Folders of image files, a sample each, decoded when they are read. With `labels: folders` each subfolder is a class;
 * its files are taken in turn with those of the others, so that the first samples are of all classes. Without, all
 * images below the folder are unlabelled samples, by name.
 */
import { extname, join } from 'node:path';
import PQueue from 'p-queue';
import { exitCodes, UserError } from '../../../shared/errors.js';
import { elementsIn } from '../../../shared/shape.js';
import { damaged } from './file-errors.js';
import { imageEndings, openDecoder, type DecodedImage, type DecodeImage, type EncodedImage } from './image-decoder.js';
import { entriesOf, imagesBelow, LeftOut } from './image-files.js';
import type { FormatRecipe, Note, Rows, Source, SourceContext, SourceFormat } from './source.js';

type FolderRecipe = FormatRecipe<'folder'>;

export const folder: SourceFormat<'folder'> = {
  files: ({ images }) => ({ images }),
  open: openFolder,
};

interface ImageFile {
  readonly path: string;
  readonly label: number;
}

/** Images that are decoded at a time. */
const atOnce = 8;

async function openFolder(recipe: FolderRecipe, context: SourceContext): Promise<Source> {
  const path = context.path(recipe.images);
  const leftOut = new LeftOut();
  const classes = recipe.labels === undefined ? undefined : await classesIn(path, context.classNames, leftOut);
  const files =
    classes === undefined
      ? (await imagesBelow(path, leftOut)).map((image) => ({ path: image, label: -1 }))
      : await labelledImages(path, classes, leftOut);
  const decode = await openDecoder(recipe);
  const images = files.map((file) => ({ name: file.path, from: file.path }));
  const like = images[0] === undefined ? null : await decode(images[0]);
  return {
    file: path,
    samples: files.length,
    shape: like?.shape ?? [0, 0, 0],
    dtype: like?.pixels instanceof Int32Array ? 'int32' : 'uint8',
    labels: Int32Array.from(files, ({ label }) => label),
    classNames: classes,
    notes: [...leftOut.notes(path), ...depthNotes(path, like)],
    read: async (from, to) => (like === null ? new Uint8Array(0) : readImages(images.slice(from, to), like, decode)),
    close: async () => undefined,
  };
}

/** What the user should know of images with 16 bits a channel. */
export function depthNotes(path: string, like: DecodedImage | null): Note[] {
  if (!(like?.pixels instanceof Int32Array)) return [];
  const text = `${path}: images of 16 bits a channel, whose values go to 65535 (1/65535 brings them to 1, where 1/255 does for 8 bits)`;
  return [{ text, isOdd: true }];
}

/**
 * Decodes images, one after the other in what it gives.
 * @param like an image with the shape and the depth of all
 * @throws UserError 65 for one that is no image, or of another shape or depth
 */
export async function readImages(
  images: readonly EncodedImage[],
  like: DecodedImage,
  decode: DecodeImage,
): Promise<Rows> {
  const { shape, pixels } = like;
  const size = elementsIn(shape);
  const out =
    pixels instanceof Uint8Array ? new Uint8Array(images.length * size) : new Int32Array(images.length * size);
  const queue = new PQueue({ concurrency: atOnce });
  await queue.addAll(
    images.map((image, i) => async () => {
      const found = await decode(image, shape[2]);
      if (found.shape.join() !== shape.join())
        throw damaged(
          image.name,
          `an image of [${found.shape.join(', ')}]; [${shape.join(', ')}] was wanted, as of the first (or a size for all: data source's size)`,
        );
      if (found.pixels.BYTES_PER_ELEMENT !== pixels.BYTES_PER_ELEMENT)
        throw damaged(
          image.name,
          `an image of ${bitsOf(found)} bits a channel; ${bitsOf(like)} was wanted, as of the first`,
        );
      out.set(found.pixels, i * size);
    }),
  );
  return out;
}

function bitsOf({ pixels }: DecodedImage): number {
  return pixels instanceof Uint8Array ? 8 : 16;
}

/** The classes' names: the recipe's, or those of the subfolders in order. @throws UserError 2 for a folder of no class */
async function classesIn(
  path: string,
  wanted: readonly string[] | undefined,
  leftOut: LeftOut,
): Promise<readonly string[]> {
  const entries = await entriesOf(path, leftOut, wanted);
  for (const { name } of entries.filter(({ isFolder }) => !isFolder)) {
    if (imageEndings.has(extname(name).toLowerCase())) leftOut.beside();
    else leftOut.unread(name);
  }
  const folders = entries.filter(({ isFolder }) => isFolder).map(({ name }) => name);
  const unknown = wanted === undefined ? undefined : folders.find((name) => !wanted.includes(name));
  if (unknown !== undefined)
    throw new UserError(
      `${join(path, unknown)}: a folder of no class; one of data.classNames (${wanted?.join(', ')}) was wanted`,
    );
  if (folders.length === 0) throw new UserError(`${path}: no subfolders; one a class was wanted for labels: folders`);
  return wanted ?? folders;
}

async function labelledImages(path: string, classes: readonly string[], leftOut: LeftOut): Promise<ImageFile[]> {
  const byClass = await Promise.all(
    classes.map((name) =>
      imagesBelow(join(path, name), leftOut).catch((error: unknown) => {
        // A set may lack a class that data.classNames has.
        if (error instanceof UserError && error.exitCode === exitCodes.usage) return [];
        throw error;
      }),
    ),
  );
  const most = byClass.reduce((longest, { length }) => Math.max(longest, length), 0);
  return Array.from({ length: most }, (_, i) =>
    byClass.flatMap((files, label) => (files[i] === undefined ? [] : [{ path: files[i], label }])),
  ).flat();
}
