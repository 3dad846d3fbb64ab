import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it } from 'vitest';
import { findLink, locate } from '../../../../worker/tools/install/package-index.js';
import { askPip, parsePipHelp, pipTags } from '../../../../worker/tools/install/pip.js';
import { parseAddress, shown } from '../../../../worker/tools/install/web-address.js';

const page = new URL('http://index.test/simple/tensorflow-cpu/');
const file = 'tensorflow_cpu-2.21.0-cp311-cp311-manylinux_2_27_x86_64.whl';

describe('where a wheel is', () => {
  it.each([
    [
      'HTML with relative links',
      `<a href="../../files/other.whl">other.whl</a><a data-x="1" href="../../files/${file}#sha256=ab">${file}</a>`,
      `http://index.test/files/${file}`,
    ],
    [
      'HTML with a signed link',
      `<A class=x HREF='https://store.test/${file}?a=1&amp;b=2#sha256=ab'>x</A>`,
      `https://store.test/${file}?a=1&b=2`,
    ],
    [
      'JSON',
      JSON.stringify({
        files: [
          { filename: 'o', url: 'o.whl' },
          { filename: file, url: `https://store.test/x/${file}` },
        ],
      }),
      `https://store.test/x/${file}`,
    ],
    [
      'an escaped name',
      `<a href="/f/${file.replace('+', '%2B').replace('_', '%5F')}">x</a>`,
      `http://index.test/f/${file.replace('_', '%5F')}`,
    ],
  ])('is read from %s', (_kind, text, wanted) => {
    expect(findLink(text, page, file)?.href).toBe(wanted);
  });

  it('is not another file of a like name', () => {
    expect(findLink(`<a href="${file}.metadata">x</a>`, page, file)).toBeNull();
  });

  it('is asked of the index by the package, and credentials go to that server alone', async () => {
    const seen: (string | undefined)[][] = [];
    const server = createServer((request, response) => {
      seen.push([request.url, request.headers.authorization]);
      response.end(`<a href="https://store.test/${file}">x</a>`);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const base = parseAddress(`http://u:p@127.0.0.1:${(server.address() as AddressInfo).port}/simple/`);
    const found = await locate(base, 'tensorflow-cpu', file);
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    expect(seen).toEqual([['/simple/tensorflow-cpu/', `Basic ${Buffer.from('u:p').toString('base64')}`]]);
    expect(found).toEqual({ url: new URL(`https://store.test/${file}`), headers: {} });
    await expect(locate(base, 'tensorflow-cpu', file)).rejects.toMatchObject({
      exitCode: 69,
      message: expect.stringContaining('--wheel FILE'),
    });
  });

  it('is an address that names the wheel itself', async () => {
    const direct = parseAddress(`https://mirror.test/a/${file}`);
    expect(await locate(direct, 'tensorflow-cpu', file)).toBe(direct);
    await expect(locate(direct, 'nvidia-cublas', 'nvidia_cublas-1.whl')).rejects.toMatchObject({
      exitCode: 2,
      message: `https://mirror.test/a/${file}: is one wheel, and nvidia_cublas-1.whl is needed; a Python package index with it was wanted`,
    });
  });

  it.each([
    ['a-2.21.0-cp311-cp311-manylinux_2_27_x86_64.whl', 'cp', '311', 'cp311', ['manylinux_2_27_x86_64']],
    [
      'b-1-py3-none-manylinux1_x86_64.manylinux_2_5_x86_64.whl',
      'py',
      '3',
      'none',
      ['manylinux1_x86_64', 'manylinux_2_5_x86_64'],
    ],
  ])('is asked of pip by its tags: %s', (name, implementation, version, abi, platforms) => {
    expect(pipTags(name)).toEqual([
      ...['--only-binary=:all:', '--implementation', implementation, '--python-version', version, '--abi', abi],
      ...platforms.flatMap((platform) => ['--platform', platform]),
    ]);
  });

  it.each(['ftp://mirror.test', 'mirror.test/simple', ''])('is not %j', (address) => {
    expect(() => parseAddress(address)).toThrow(/no http or https address/);
  });

  it('is shown without what may be secret', () => {
    expect(shown(parseAddress('https://u:p@mirror.test/a?token=x').url)).toBe('https://mirror.test/a');
  });

  it('is asked of pip: environment first, else the default that its help tells', async () => {
    expect(await askPip(null, { PIP_INDEX_URL: 'https://mirror.test/simple' })).toBe('https://mirror.test/simple');
    expect(await askPip(null, {})).toBeNull();
    const help =
      '  -i, --index-url <url>       Base URL of the Python Package Index (default\n                              https://mirror.test/simple). This should point\n  --extra-index-url <url>  (default https://other.test)';
    expect(parsePipHelp(help)).toBe('https://mirror.test/simple');
    expect(parsePipHelp('no such option')).toBeNull();
  });
});
