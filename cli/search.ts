/** `stillhouse search`: the values of a recipe's keys that make the best student, by trials one after the other. */
import { readFile } from 'node:fs/promises';
import { join, relative, resolve } from 'node:path';
import { exitCodes, UserError } from '../shared/errors.js';
import { makeFolders } from '../shared/files.js';
import { endWithWhatIsKept } from './endings.js';
import { ownWorkersAlone, pageLine } from './credentials.js';
import { besideWorkers, planWorkers, type Beside } from './local-workers.js';
import { backendOption, memoryOption, withRun } from './options.js';
import { print, say, shellWord } from './output.js';
import type { OpenedSearch, SearchFlags } from './search-open.js';
import type { SearchState } from './search/search-state.js';
import { inGoodOrder } from './signals.js';
import { collect, positive } from './values.js';
import { action, type Verb } from './verb.js';

export const verb: Verb = (program) =>
  withRun(
    program
      .command('search')
      .argument('<recipe>')
      .description('values of keys of a recipe that make the best student, by trials'),
  )
    .option('--trials <n>', 'how many trials there are to be', positive, 30)
    .option('--space <key=range>', "a key and its range, instead of the recipe's; may be repeated", collect, [])
    .option('--workers <n>', 'local workers (default: one per GPU, else one per core)', positive)
    .addOption(backendOption())
    .addOption(memoryOption())
    .action(action(search));

/** Started again, it goes on where it was: trials that are over are only read. */
async function search(file: string, flags: SearchFlags): Promise<number> {
  const { openSearch } = await import('./search-open.js');
  const { SearchJournal } = await import('./search/search-journal.js');
  const { lockFolder } = await import('../coordinator/store/folder-lock.js');
  const { storing } = await import('../coordinator/store/durable-files.js');
  const opened = await openSearch(file, flags);
  const { out } = opened;
  await storing(out, () => makeFolders(join(out, 'generations')));
  const lock = await lockFolder(out, 'search is at work in this folder');
  const journal = await SearchJournal.open(out);
  try {
    await opened.begin(journal);
    await runTrials(opened, journal, file, flags);
    return await showResults(opened, journal, file, flags);
  } finally {
    await journal.close();
    await lock.close();
  }
}

type Journal = Awaited<ReturnType<typeof import('./search/search-journal.js').SearchJournal.open>>;

async function runTrials(opened: OpenedSearch, journal: Journal, file: string, flags: SearchFlags): Promise<void> {
  const { nextTrial, ranked } = await import('./search/search-state.js');
  const { searchOn } = await import('./search/search-loop.js');
  const { trialRunner } = await import('./search-trials.js');
  const { valuesText } = await import('./search/search-results.js');
  const { plan, out, run } = opened;
  const { objective } = plan;
  const isOver = journal.state.trials.at(-1)?.end !== null && nextTrial(plan, journal.state) === null;
  if (isOver) return;
  const tell = flags.quiet === true ? (): void => undefined : say;
  const access = ownWorkersAlone();
  const { credentials, token, announce } = access;
  let retract: (() => void) | null = null;
  const kinds = [await planWorkers(run, flags, { token, role: 'train' })];
  const search = (user: AbortSignal, { start, lost }: Beside): Promise<SearchState> => {
    const onListening = (port: number): void => {
      if (retract === null) tell(pageLine({ host: '127.0.0.1', port }, access, process.stderr.isTTY));
      retract ??= announce(port);
      start(port);
    };
    const trial = trialRunner({ file, flags, out, plan, credentials, onListening, user });
    const searched = searchOn({
      journal,
      plan,
      run: trial,
      onBegin: ({ number, values }) => tell(`trial ${number} of ${plan.trials}: ${valuesText(values)}`),
      onEnd: ({ number }, { outcome, value, reason }) => {
        const [best] = ranked(journal.state.trials, objective);
        const figure = value === null ? '' : ` ${objective.name} ${objective.text(value)}`;
        const least = best?.end?.value ?? null;
        const bestText = least === null ? '' : `; best: trial ${best?.number ?? 0}, ${objective.text(least)}`;
        tell(`trial ${number} ${outcome}${figure}${reason === undefined ? '' : ` (${reason})`}${bestText}`);
      },
    });
    return Promise.race([searched, lost]);
  };
  await inGoodOrder((user) =>
    besideWorkers(kinds, (beside) => search(user, beside)).catch((error: unknown) => {
      throw stoppedSearch(error, {
        why: String(user.reason ?? 'asked to'),
        trial: journal.state.trials.length,
        of: plan.trials,
      });
    }),
  )
    .then(({ trials }) => {
      if (trials.length < plan.trials)
        tell(`nothing is left to try: every value of the space has had its trial, ${trials.length} in all`);
    })
    .finally(() => retract?.());
  endWithWhatIsKept();
}

/** What the user is told of a stop: the search's, not that of the trial that it fell into. */
function stoppedSearch(error: unknown, { why, trial, of }: { why: string; trial: number; of: number }): unknown {
  if (!(error instanceof UserError) || error.exitCode !== exitCodes.stopped) return error;
  return new UserError(
    `the search stopped (${why}) in trial ${trial} of ${of}; run the same command again to continue`,
    exitCodes.stopped,
    error,
  );
}

/** Writes search.json, search.html and best.yaml, and prints what the search came to. */
async function showResults(opened: OpenedSearch, journal: Journal, file: string, flags: SearchFlags): Promise<number> {
  const { resultOf, searchPage, searchTable, outcomesText, valuesText } = await import('./search/search-results.js');
  const { storing, writeDurably } = await import('../coordinator/store/durable-files.js');
  const { plan, out, recipe } = opened;
  const { trials } = journal.state;
  const result = resultOf(recipe.name, plan, trials);
  const write = (name: string, text: string): Promise<void> =>
    storing(join(out, name), () => writeDurably(join(out, name), [Buffer.from(text)]));
  await write('search.html', searchPage(recipe.name, plan, trials));
  await write('search.json', `${JSON.stringify(result, null, 2)}\n`);
  const { best } = result;
  const value = best?.value ?? null;
  if (best === null || value === null)
    throw new UserError(
      `${out}: no trial came to its end: ${trials[0]?.end?.reason ?? 'none began'}; a recipe or a space with which students learn was wanted`,
      exitCodes.data,
    );
  const { bestRecipe } = await import('./search/best-recipe.js');
  const { recipeValues } = await import('../shared/recipe/read.js');
  const { filesIn } = await import('./prepare/missing-files.js');
  const { isRemote } = await import('./prepare/remote/list.js');
  const { assignments } = await import('./search/space.js');
  const text = await readFile(file, 'utf8');
  const set = [...flags.set, ...assignments(best.values)];
  const figure = `${plan.objective.name} ${plan.objective.text(value)}`;
  await write(
    'best.yaml',
    bestRecipe({
      values: recipeValues(text, { file, set, seed: flags.seed }),
      name: recipe.name,
      files: filesIn(recipe),
      from: relative(resolve(out), resolve(file, '..')),
      isRemote,
      about: [`Trial ${best.trial} of a search, ${figure}: ${valuesText(best.values)}`],
    }),
  );
  if (flags.json === true) {
    print(JSON.stringify(result));
    return exitCodes.done;
  }
  print(`\n${searchTable(plan, trials)}\n`);
  print(`${outcomesText(trials)}; the best is trial ${best.trial}, ${figure}: ${valuesText(best.values)}`);
  print(`Its run lies in ${join(out, best.folder)}; pictures of all: ${join(out, 'search.html')}.`);
  print(`Run its recipe:  stillhouse run ${shellWord(join(out, 'best.yaml'))}`);
  return exitCodes.done;
}
