/** The files of deploy/compose, as YAML: their commands are ones that there are, and what they name is declared. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { verb as coordinatorVerb } from '../../cli/coordinator.js';
import { verb as workerVerb } from '../../cli/worker.js';

interface Compose {
  readonly services: Readonly<
    Record<string, { readonly command?: readonly string[]; readonly secrets?: readonly string[] }>
  >;
  readonly secrets?: Readonly<Record<string, unknown>>;
}

const folder = fileURLToPath(new URL('../../deploy/compose/', import.meta.url));
const read = (name: string): Compose => parse(readFileSync(join(folder, name), 'utf8'), { merge: true }) as Compose;
const files = readdirSync(folder).filter((name) => name.endsWith('.yaml'));
const base = read('compose.yaml');

async function takes(words: readonly string[]): Promise<unknown> {
  const program = new Command().exitOverride().configureOutput({ writeErr: () => undefined });
  for (const verb of [coordinatorVerb, workerVerb]) verb(program);
  for (const command of program.commands)
    command
      .exitOverride()
      .configureOutput({ writeErr: () => undefined })
      .action(() => undefined);
  return program.parseAsync([...words], { from: 'user' });
}

describe.each(files)('%s', (name) => {
  const { services, secrets = {} } = read(name);

  it('calls commands with flags that there are', async () => {
    const commands = Object.values(services).flatMap(({ command }) => (command === undefined ? [] : [command]));
    expect(commands.length).toBeGreaterThan(0);
    for (const command of commands) {
      await expect(takes(command)).resolves.toBeDefined();
      await expect(takes([...command, '--no-such-flag'])).rejects.toThrow();
    }
  });

  it('changes services that compose.yaml has, and names secrets that are declared', () => {
    const declared = { ...base.secrets, ...secrets };
    expect(Object.keys(base.services)).toEqual(expect.arrayContaining(Object.keys(services)));
    for (const { secrets: named = [] } of Object.values(services))
      expect(Object.keys(declared)).toEqual(expect.arrayContaining([...named]));
  });
});
