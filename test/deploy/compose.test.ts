/** The files of deploy/compose, as YAML: their commands are ones that there are, and what they name is declared. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { verb as coordinatorVerb } from '../../cli/coordinator.js';
import { verb as workerVerb } from '../../cli/worker.js';

interface Compose {
  readonly services: Readonly<
    Record<
      string,
      {
        readonly command?: readonly string[];
        readonly image?: string;
        readonly secrets?: readonly string[];
        readonly volumes?: readonly string[];
      }
    >
  >;
  readonly secrets?: Readonly<Record<string, unknown>>;
}

const folder = fileURLToPath(new URL('../../deploy/compose/', import.meta.url));
const read = (name: string): Compose => parse(readFileSync(join(folder, name), 'utf8'), { merge: true }) as Compose;
const files = readdirSync(folder).filter((name) => name.endsWith('.yaml'));
const base = read('compose.yaml');
/** Services of ours: others bring an image of their own, whose commands are not known here. */
const isOurs = (name: string, image = ''): boolean => name in base.services || image.startsWith('${STILLHOUSE_IMAGE');

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
    const commands = Object.entries(services).flatMap(([service, { command, image }]) =>
      command === undefined || !isOurs(service, image) ? [] : [command],
    );
    expect(commands.length).toBeGreaterThan(0);
    for (const command of commands) {
      await expect(takes(command)).resolves.toBeDefined();
      await expect(takes([...command, '--no-such-flag'])).rejects.toThrow();
    }
  });

  it('adds only services with an image, and names secrets that are declared', () => {
    const declared = { ...base.secrets, ...secrets };
    const others = Object.entries(services).filter(([service, { image }]) => !isOurs(service, image));
    expect(others.map(([, { image }]) => image)).toEqual(others.map(() => expect.stringMatching(/:\S+\}$/)));
    for (const { secrets: named = [] } of Object.values(services))
      expect(Object.keys(declared)).toEqual(expect.arrayContaining([...named]));
  });
});

describe('monitoring.yaml', () => {
  const monitoring = join(folder, '../monitoring');
  const files = Object.values(read('monitoring.yaml').services).flatMap(({ volumes = [] }) =>
    volumes.filter((volume) => volume.startsWith('.')).map((volume) => volume.split(':')),
  );
  const insideOf = (end: string): string | undefined => files.find(([outside]) => outside?.endsWith(end))?.[1];
  const parsed = (path: string): unknown => parse(readFileSync(path, 'utf8'));

  it('mounts files that there are', () => {
    expect(files).toHaveLength(5);
    for (const [outside = ''] of files) expect(existsSync(join(folder, outside)), outside).toBe(true);
  });

  it('scrapes as deploy/monitoring does, but for the address and where the token lies', () => {
    const shipped = readFileSync(join(monitoring, 'prometheus.yml'), 'utf8')
      .replace('127.0.0.1:7070', 'coordinator:7070')
      .replace('credentials_file: token', 'credentials_file: /run/secrets/viewer');
    expect(parsed(join(folder, 'monitoring/prometheus.yml'))).toEqual(parse(shipped));
  });

  it('has Grafana find the dashboard and Prometheus where they are', () => {
    const { providers } = parsed(join(folder, 'monitoring/dashboards.yaml')) as {
      providers: readonly { options: { path: string } }[];
    };
    expect(providers.map(({ options }) => join(options.path, 'dashboard.json'))).toEqual([insideOf('dashboard.json')]);
    expect(parsed(join(folder, 'monitoring/datasources.yaml'))).toMatchObject({
      datasources: [{ type: 'prometheus', url: 'http://prometheus:9090' }],
    });
    expect(Object.keys(read('monitoring.yaml').services)).toContain('prometheus');
  });
});
