import { spawn } from 'node:child_process';
import { mkdir, readdir, readFile, symlink, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { knownOf, openRunFolder, resolveRunFolder } from '../../../coordinator/store/run-folder.js';
import { temporaryFolder } from '../helpers.js';

const digest = {
  recipeDigest: 'a'.repeat(64),
  recipeText: `optimizer: { learningRate: 0.1 }\ndigests: { recipe: ${'a'.repeat(64)} }`,
};
const other = {
  recipeDigest: 'b'.repeat(64),
  recipeText: `optimizer: { learningRate: 0.2, momentum: 0.9 }\ndigests: { recipe: ${'b'.repeat(64)} }`,
};

async function finish(path: string): Promise<void> {
  await mkdir(path, { recursive: true });
  await writeFile(join(path, 'summary.json'), '{}');
}

describe('resolveRunFolder', () => {
  it('takes the wanted name when nothing is there', async () => {
    const wanted = join(await temporaryFolder(), 'runs', 'mnist');
    expect(await resolveRunFolder(wanted, digest)).toBe(wanted);
  });

  it('continues an unfinished run of this recipe', async () => {
    const wanted = join(await temporaryFolder(), 'mnist');
    await (await openRunFolder(wanted, digest)).close();
    expect(await resolveRunFolder(wanted, digest)).toBe(wanted);
  });

  it('keeps finished runs and goes to NAME-2, NAME-3', async () => {
    const wanted = join(await temporaryFolder(), 'mnist');
    await finish(wanted);
    expect(await resolveRunFolder(wanted, digest)).toBe(`${wanted}-2`);
    await finish(`${wanted}-2`);
    expect(await resolveRunFolder(wanted, digest)).toBe(`${wanted}-3`);
  });

  it('takes a finished run of this recipe for the result, and refuses one of another', async () => {
    const wanted = join(await temporaryFolder(), 'mnist');
    const options = { onFinished: 'keep' } as const;
    expect(await resolveRunFolder(wanted, digest, options)).toBe(wanted);
    await (await openRunFolder(wanted, digest)).close();
    await finish(wanted);
    expect(await resolveRunFolder(wanted, digest, options)).toBe(wanted);
    expect(await resolveRunFolder(wanted, digest, { ...options, resume: true })).toBe(wanted);
    await expect(resolveRunFolder(wanted, other, options)).rejects.toMatchObject({
      exitCode: 2,
      message: `${wanted}: holds a finished run of another recipe; another --out wanted, or --number to go beside it (${wanted}-2), or --overwrite to replace it`,
    });
  });

  it('takes the newest finished run for the result where the same start comes once more', async () => {
    const wanted = join(await temporaryFolder(), 'mnist');
    const once = { onFinished: 'once' } as const;
    expect(await resolveRunFolder(wanted, digest, once)).toBe(wanted);
    await (await openRunFolder(wanted, other)).close();
    await finish(wanted);
    expect(await resolveRunFolder(wanted, digest, once)).toBe(`${wanted}-2`);
    await expect(resolveRunFolder(wanted, digest, { resume: true })).rejects.toMatchObject({
      message: expect.stringMatching(
        /^--resume: .* holds a finished run of another recipe; one of this recipe was wanted/,
      ),
    });
    await (await openRunFolder(`${wanted}-2`, digest)).close();
    await finish(`${wanted}-2`);
    expect(await resolveRunFolder(wanted, digest, once)).toBe(`${wanted}-2`);
    expect(await resolveRunFolder(wanted, digest, { resume: true })).toBe(`${wanted}-2`);
    expect(await resolveRunFolder(wanted, digest)).toBe(`${wanted}-3`);
    await (await openRunFolder(`${wanted}-3`, digest)).close();
    expect(await resolveRunFolder(wanted, digest, once)).toBe(`${wanted}-3`);
  });

  it('overwrites a finished run, and no unfinished one and no file of others', async () => {
    const wanted = join(await temporaryFolder(), 'mnist');
    const options = { onFinished: 'overwrite' } as const;
    await (await openRunFolder(wanted, digest)).close();
    expect(await resolveRunFolder(wanted, digest, options)).toBe(wanted);
    expect(await readdir(wanted)).toEqual(['generations']);
    await finish(wanted);
    await mkdir(join(wanted, 'student'));
    await writeFile(join(wanted, 'notes.txt'), 'mine');
    expect(await resolveRunFolder(wanted, other, options)).toBe(wanted);
    expect(await readdir(wanted)).toEqual(['notes.txt']);
  });

  it('refuses an unfinished run of another recipe', async () => {
    const wanted = join(await temporaryFolder(), 'mnist');
    await (await openRunFolder(wanted, other)).close();
    await expect(resolveRunFolder(wanted, digest)).rejects.toMatchObject({ name: 'UserError', exitCode: 2 });
    await expect(openRunFolder(wanted, digest)).rejects.toMatchObject({ name: 'UserError', exitCode: 2 });
  });

  it('says what differs, and continues it by force', async () => {
    const wanted = join(await temporaryFolder(), 'mnist');
    const folder = await openRunFolder(wanted, other);
    await folder.write('recipe.yaml', other.recipeText);
    await folder.close();
    const changes = ['optimizer.learningRate: 0.2 there, 0.1 here', 'optimizer.momentum: 0.9 there, nothing here'];
    await expect(resolveRunFolder(wanted, digest)).rejects.toMatchObject({
      message: expect.stringContaining(`another recipe: ${changes.join('; ')}; finish that run`),
    });
    expect(await resolveRunFolder(wanted, digest, { force: true })).toBe(wanted);
    const forced = await openRunFolder(wanted, digest, { force: true });
    expect(forced.changes).toEqual(changes);
    await forced.write('recipe.yaml', digest.recipeText);
    await forced.close();
    // From then on it is a run of that recipe.
    const next = await openRunFolder(wanted, digest);
    expect(next.changes).toEqual([]);
    await next.close();
  });
});

describe('an unfinished run with another compression alone', () => {
  const text = (compression: string, rate: number, letter: string) => ({
    recipeDigest: letter.repeat(64),
    recipeText: `optimizer: { learningRate: ${rate} }\ncompression: ${compression}\ndigests: { recipe: ${letter.repeat(64)} }`,
  });

  it('goes on without force, and says so; with anything else beside it it is refused', async () => {
    const wanted = join(await temporaryFolder(), 'mnist');
    const first = await openRunFolder(wanted, text('none', 0.1, 'a'));
    await first.write('recipe.yaml', text('none', 0.1, 'a').recipeText);
    await first.close();
    await expect(openRunFolder(wanted, text('bf16', 0.2, 'c'))).rejects.toMatchObject({ exitCode: 2 });
    expect(await resolveRunFolder(wanted, text('bf16', 0.1, 'b'))).toBe(wanted);
    const second = await openRunFolder(wanted, text('bf16', 0.1, 'b'));
    expect(second.changes).toEqual(['compression: "none" there, "bf16" here']);
    await second.close();
  });
});

describe('what a run knows of remote files and served models', () => {
  const identity = { files: 1, bytes: 2, sha256: 'd'.repeat(64) };
  const canary = { question: 'e'.repeat(64), answer: 'AACAPw==' };
  const remote = {
    ...digest,
    recipeText: `digests: { recipe: ${'a'.repeat(64)}, remote: { "https://there/x.csv": ${JSON.stringify(identity)} }, served: { big: ${JSON.stringify(canary)} } }`,
  };
  const found = { remote: new Map([['https://there/x.csv', identity]]), served: new Map([['big', canary]]) };
  const nothing = { remote: new Map(), served: new Map() };

  async function begin(path: string): Promise<void> {
    const folder = await openRunFolder(path, remote);
    await folder.write('recipe.yaml', remote.recipeText);
    await folder.close();
  }

  it('is that of the run that is continued, or that is the result', async () => {
    const wanted = join(await temporaryFolder(), 'mnist');
    expect(await knownOf(wanted)).toEqual(nothing);
    await begin(wanted);
    expect(await knownOf(wanted)).toEqual(found);
    await finish(wanted);
    const of = (options: Parameters<typeof knownOf>[1]): Promise<unknown> => knownOf(wanted, options);
    expect([await of({}), await of({ onFinished: 'overwrite' })]).toEqual([nothing, nothing]);
    expect([await of({ onFinished: 'keep' }), await of({ onFinished: 'once' }), await of({ resume: true })]).toEqual([
      found,
      found,
      found,
    ]);
  });
});

describe('a folder that cannot be made', () => {
  it.each([
    ['a link that leads nowhere', 'link', 'a file or a link that leads nowhere is in the way'],
    ['a file on its way', 'file/run', 'a file or a link that leads nowhere is in the way'],
    ['a system folder that takes none', '/proc/run', 'ENOENT'],
  ])('is refused: %s', async (_case, name, why) => {
    const parent = await temporaryFolder();
    await symlink(join(parent, 'nowhere', 'at', 'all'), join(parent, 'link'));
    await writeFile(join(parent, 'file'), '');
    const path = name.startsWith('/') ? name : join(parent, name);
    await expect(openRunFolder(path, digest)).rejects.toMatchObject({
      exitCode: 69,
      message: `${path}: no run can be begun there (${why}); a folder that can be written to was wanted: choose another --out`,
    });
  });
});

describe('openRunFolder', () => {
  it('claims the next generation, with a nonce of its own and the run id of the first', async () => {
    const path = join(await temporaryFolder(), 'mnist');
    const first = await openRunFolder(path, digest);
    await first.close();
    const second = await openRunFolder(path, digest);
    expect([first.generation.counter, second.generation.counter]).toEqual([1, 2]);
    expect(second.run).toBe(first.run);
    expect(second.generation.nonce).not.toBe(first.generation.nonce);
    expect(second.nonces).toEqual(
      new Map([
        [first.generation.nonce, 1],
        [second.generation.nonce, 2],
      ]),
    );
    expect((await readdir(join(path, 'generations'))).sort()).toEqual(['1', '2', 'lock']);
    await second.close();
  });

  it('refuses a second coordinator on the same folder, by whatever path', async () => {
    const parent = await temporaryFolder();
    const path = join(parent, 'mnist');
    const first = await openRunFolder(path, digest);
    await symlink(path, join(parent, 'link'));
    await expect(openRunFolder(join(parent, 'link'), digest)).rejects.toMatchObject({
      name: 'UserError',
      exitCode: 69,
      message: expect.stringMatching(/another coordinator/),
    });
    await first.close();
    await (await openRunFolder(path, digest)).close();
  });

  it('is free again once the process that held it was killed', async () => {
    const path = join(await temporaryFolder(), 'mnist');
    await (await openRunFolder(path, digest)).close();
    const script = `const { createHash } = require('node:crypto'); const { readFileSync, realpathSync } = require('node:fs');
      const path = realpathSync(${JSON.stringify(path)});
      const digest = createHash('sha256').update(readFileSync(path + '/generations/lock', 'utf8') + '\\n' + path).digest('hex');
      require('node:net').createServer().listen('\\0stillhouse-' + digest, () => console.log('held'));`;
    const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
    await new Promise((resolve) => child.stdout.once('data', resolve));
    await expect(openRunFolder(path, digest)).rejects.toMatchObject({ exitCode: 69 });
    const ended = new Promise((resolve) => child.once('close', resolve));
    child.kill('SIGKILL');
    await ended;
    await (await openRunFolder(path, digest)).close();
  });

  it('knows when a coordinator elsewhere has claimed a later generation', async () => {
    const path = join(await temporaryFolder(), 'mnist');
    const folder = await openRunFolder(path, digest);
    await folder.expectNewest();
    await writeFile(join(path, 'generations', '2'), '{}');
    await expect(folder.expectNewest()).rejects.toMatchObject({
      name: 'UserError',
      exitCode: 69,
      message: expect.stringContaining('has taken over this run folder'),
    });
    await folder.close();
  });

  it('names a generation that is damaged', async () => {
    const path = join(await temporaryFolder(), 'mnist');
    await (await openRunFolder(path, digest)).close();
    const file = join(path, 'generations', '1');
    const whole = await readFile(file, 'utf8');
    const damages = ['{ "counter": [', whole.replace('"counter":1', '"counter":2'), whole.slice(0, -2), ` ${whole}`];
    for (const damage of damages) {
      await writeFile(file, damage);
      await expect(openRunFolder(path, digest)).rejects.toMatchObject({
        name: 'UserError',
        exitCode: 65,
        message: expect.stringContaining('generations/1 is damaged'),
      });
    }
  });

  it("names a generation that is missing, or is another run's", async () => {
    const [path, elsewhere] = [join(await temporaryFolder(), 'mnist'), join(await temporaryFolder(), 'other')];
    for (const place of [path, path, elsewhere, elsewhere]) await (await openRunFolder(place, digest)).close();
    await writeFile(join(path, 'generations', '2'), await readFile(join(elsewhere, 'generations', '2')));
    await expect(openRunFolder(path, digest)).rejects.toThrow(/generations\/2 is of another run/);
    await unlink(join(path, 'generations', '1'));
    await expect(openRunFolder(path, digest)).rejects.toThrow(/generations\/1 is missing/);
  });

  it('goes by its generations where recipe.yaml is damaged, and tells so', async () => {
    const path = join(await temporaryFolder(), 'mnist');
    const folder = await openRunFolder(path, digest);
    await folder.write('recipe.yaml', digest.recipeText);
    await folder.close();
    const whole = await openRunFolder(path, digest);
    await whole.close();
    await writeFile(join(path, 'recipe.yaml'), '{ "counter": [');
    const again = await openRunFolder(path, digest);
    await again.close();
    expect([whole.isRecipeDamaged, again.isRecipeDamaged]).toEqual([false, true]);
    await expect(openRunFolder(path, other)).rejects.toMatchObject({ exitCode: 2 });
  });
});
