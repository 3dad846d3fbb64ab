/** How images may be brought to another resolution. worker/compute/teachers/resize.ts says what each does. */
export const resizeMethods = ['bilinear', 'nearest', 'area', 'bicubic'] as const;
