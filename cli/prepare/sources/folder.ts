/**
 * Folders of PNG and JPEG files, a sample each, decoded when they are read. With `labels: folders` each subfolder is a
 * class; its files are taken in turn with those of the others, so that the first samples are of all classes. Without,
 * all images below the folder are unlabelled samples, by name.
 */
import { readdir } from 'node:fs/promises';
import { extname, join } from 'node:path';
import PQueue from 'p-queue';
import { exitCodes, UserError } from '../../../shared/errors.js';
import { elementsIn } from '../../../shared/shape.js';
import { damaged, fileError } from './file-errors.js';
import type { FormatRecipe, Source, SourceContext, SourceFormat } from './source.js';

type FolderRecipe = FormatRecipe<'folder'>;

export const folder: SourceFormat<'folder'> = {
  files: ({ images }) => ({ images }),
  open: openFolder,
};

interface ImageFile {
  readonly path: string;
  readonly label: number;
}

const endings = new Set(['.png', '.jpg', '.jpeg']);
/** Files that are decoded at a time. */
const atOnce = 8;

async function openFolder(recipe: FolderRecipe, context: SourceContext): Promise<Source> {
  const path = context.path(recipe.images);
  const classes = recipe.labels === undefined ? undefined : await classesIn(path, context.classNames);
  const files = classes === undefined ? await imagesBelow(path) : await labelledImages(path, classes);
  const decode = await openDecoder(recipe);
  const [first] = files;
  const shape = first === undefined ? [0, 0, 0] : (await decode(first.path)).shape;
  return {
    file: path,
    samples: files.length,
    shape,
    dtype: 'uint8',
    labels: Int32Array.from(files, ({ label }) => label),
    classNames: classes,
    read: (from, to) => readImages(files.slice(from, to), shape, decode),
    close: async () => undefined,
  };
}

/** @throws UserError 65 for a file that is no image, or one of another shape */
async function readImages(
  files: readonly ImageFile[],
  shape: readonly number[],
  decode: DecodeImage,
): Promise<Uint8Array> {
  const size = elementsIn(shape);
  const out = new Uint8Array(files.length * size);
  const queue = new PQueue({ concurrency: atOnce });
  await queue.addAll(
    files.map(({ path }, i) => async () => {
      const image = await decode(path, shape[2]);
      if (image.shape.join() !== shape.join())
        throw damaged(
          path,
          `an image of [${image.shape.join(', ')}]; [${shape.join(', ')}] was wanted, as of the first (or a size for all: data source's size)`,
        );
      out.set(image.pixels, i * size);
    }),
  );
  return out;
}

/** The classes' names: the recipe's, or those of the subfolders in order. @throws UserError 2 for a folder of no class */
async function classesIn(path: string, wanted: readonly string[] | undefined): Promise<readonly string[]> {
  const folders = (await entries(path))
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name)
    .sort();
  const unknown = wanted === undefined ? undefined : folders.find((name) => !wanted.includes(name));
  if (unknown !== undefined)
    throw new UserError(
      `${join(path, unknown)}: a folder of no class; one of data.classNames (${wanted?.join(', ')}) was wanted`,
    );
  if (folders.length === 0) throw new UserError(`${path}: no subfolders; one a class was wanted for labels: folders`);
  return wanted ?? folders;
}

async function labelledImages(path: string, classes: readonly string[]): Promise<ImageFile[]> {
  const byClass = await Promise.all(
    classes.map((name) =>
      imagesBelow(join(path, name)).catch((error: unknown) => {
        // A set may lack a class that data.classNames has.
        if (error instanceof UserError && error.exitCode === exitCodes.usage) return [];
        throw error;
      }),
    ),
  );
  const most = Math.max(0, ...byClass.map(({ length }) => length));
  return Array.from({ length: most }, (_, i) =>
    byClass.flatMap((files, label) => (files[i] === undefined ? [] : [{ path: files[i].path, label }])),
  ).flat();
}

/** All images in a folder and the folders in it, by name. */
async function imagesBelow(path: string): Promise<ImageFile[]> {
  const found = (await entries(path)).sort((a, b) => (a.name < b.name ? -1 : 1));
  const nested = await Promise.all(
    found.map(async (entry) => {
      const inside = join(path, entry.name);
      if (entry.isDirectory()) return imagesBelow(inside);
      return endings.has(extname(entry.name).toLowerCase()) ? [{ path: inside, label: -1 }] : [];
    }),
  );
  return nested.flat();
}

async function entries(path: string): Promise<Awaited<ReturnType<typeof readEntries>>> {
  return readEntries(path).catch((error: unknown) => {
    throw fileError(path, error);
  });
}

const readEntries = (path: string) => readdir(path, { withFileTypes: true });

interface Image {
  readonly pixels: Uint8Array;
  /** [height, width, channels] */
  readonly shape: readonly number[];
}

/** @param sameChannels the channels that the image gets where the recipe says none; default: its own */
type DecodeImage = (path: string, sameChannels?: number) => Promise<Image>;

/** Decodes to one channel (grey) or three, without transparency, and to the recipe's size. */
async function openDecoder({ size, channels }: FolderRecipe): Promise<DecodeImage> {
  const { default: sharp } = await import('sharp').catch((error: unknown) => {
    throw new UserError(
      'images need the package sharp, which is not installed here: npm install sharp',
      exitCodes.usage,
      error,
    );
  });
  return async (path, sameChannels) => {
    try {
      const opened = sharp(path).removeAlpha();
      const wanted = channels ?? sameChannels ?? ((await opened.metadata()).space === 'b-w' ? 1 : 3);
      const sized = size === undefined ? opened : opened.resize(size[1], size[0], { fit: 'fill' });
      const { data, info } = await sized
        .toColourspace(wanted === 1 ? 'b-w' : 'srgb')
        .raw({ depth: 'uchar' })
        .toBuffer({ resolveWithObject: true });
      return { pixels: data, shape: [info.height, info.width, info.channels] };
    } catch (error) {
      throw damaged(path, 'no PNG or JPEG image that can be decoded', error);
    }
  };
}
