import { describe, expect, it } from 'vitest';
import { modelAddressOf } from '../../../shared/recipe/model-address.js';

describe('the address of a served model', () => {
  it.each([
    ['https://far/v2/models/wide', 'https://far', 'wide', null, true],
    ['https://far:8443/served/v2/models/a%20b/versions/3/', 'https://far:8443/served', 'a b', '3', true],
    ['http://127.0.0.1:8000/v2/models/wide', 'http://127.0.0.1:8000', 'wide', null, true],
    ['http://[::1]:8000/v2/models/wide', 'http://[::1]:8000', 'wide', null, true],
    ['http://localhost/v2/models/wide', 'http://localhost', 'wide', null, true],
    ['http://127.0.0.1.far/v2/models/wide', 'http://127.0.0.1.far', 'wide', null, false],
    ['http://far/v2/models/wide', 'http://far', 'wide', null, false],
  ])('%s has a server, a model and a version', (url, base, model, version, isPrivate) => {
    expect(modelAddressOf(url)).toEqual({ base, model, version, isPrivate });
  });

  it.each([
    ['wide.onnx', 'no address'],
    ['file:///v2/models/wide', 'https:// wanted'],
    ['https://user:word@far/v2/models/wide', 'STILLHOUSE_TEACHER_TOKENS'],
    ['https://far/v2/models/wide?key=1', 'no ? and no #'],
    ['https://far/v2/models/a%', '%25 wanted'],
    ['https://far/v2/models', 'https://HOST/v2/models/NAME wanted'],
    ['https://far/v2/models/wide/infer', '/versions/VERSION'],
  ])('%s is none', (url, wish) => {
    expect(modelAddressOf(url)).toContain(wish);
  });
});
