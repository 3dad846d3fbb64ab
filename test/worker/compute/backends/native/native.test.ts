import { describe, expect, it } from 'vitest';
import { restoreUtil, setEnvironment } from '../../../../../worker/compute/backends/native/native.js';

describe("the native backend's settings", () => {
  it('fix the number of threads, whatever the environment says', () => {
    const env = { TF_NUM_INTRAOP_THREADS: '8', OMP_NUM_THREADS: '8' };
    setEnvironment(env, 2);
    expect(env).toMatchObject({ TF_NUM_INTRAOP_THREADS: '2', TF_NUM_INTEROP_THREADS: '1', OMP_NUM_THREADS: '2' });
  });

  it('make CUDA repeat its bits and share its memory, unless the user says otherwise', () => {
    const env = { TF_CPP_MIN_LOG_LEVEL: '0' };
    setEnvironment(env, 1);
    expect(env).toMatchObject({
      TF_CPP_MIN_LOG_LEVEL: '0',
      TF_FORCE_GPU_ALLOW_GROWTH: 'true',
      TF_DETERMINISTIC_OPS: '1',
      TF_CUDNN_USE_AUTOTUNE: '0',
      NVIDIA_TF32_OVERRIDE: '0',
    });
  });

  it('put back the two functions of util that Node 23 removed, and replace none', () => {
    const mine = (): boolean => true;
    const util: Record<string, (value: unknown) => boolean> = { isArray: mine };
    restoreUtil(util);
    expect(util.isArray).toBe(mine);
    const { isNullOrUndefined } = util;
    if (isNullOrUndefined === undefined) throw new Error('no function');
    expect([null, undefined, 0, ''].map((value) => isNullOrUndefined(value))).toEqual([true, true, false, false]);
  });
});
