// Names in documents exist: links, headings, paths, npm scripts, settings, commands and their options, and operations of the
// API.
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Command } from 'commander';
import { describe, expect, test } from 'vitest';
import { createWholeProgram } from '../src/bin/commands.ts';
import { OIDC_SETTINGS } from '../src/config/oidc-settings.ts';
import { COMMAND_LINE_SETTINGS, GENERAL_SETTINGS } from '../src/config/settings.ts';
import { RUN_REQUIREMENTS, TEST_REQUIREMENTS } from '../src/host/requirements.ts';
import { PROBLEMS } from '../src/http/answer/problems.ts';

const ROOT = new URL('../', import.meta.url).pathname;
const PAGES = globSync(['*.md', 'docs/*.md'], { cwd: ROOT }).filter((page) => page !== 'CHANGELOG.md');
const RECORDS = globSync('docs/decisions/*.md', { cwd: ROOT });
const FOLDERS = ['src', 'test', 'docs', 'bench', 'migrations', 'products', 'charts', 'examples'];

/** Misspelled settings that documents show as an example of a mistake. */
const MISTAKES = ['LARDER_DATABASE_ULR'];
/** Links to other sites and to paths of a running service. They are not checked. */
const TARGETS = /^(https?:|mailto:|\/)/;

type Page = { path: string; text: string };
const read = (path: string): Page => ({ path, text: readFileSync(join(ROOT, path), 'utf8') });

const pages = PAGES.map(read);
const all = [...pages, ...RECORDS.map(read)];

const withoutBlocks = (text: string) => text.replace(/^```[\s\S]*?^```/gm, '');
const spansOf = (text: string) => [...withoutBlocks(text).matchAll(/`([^`\n]+)`/g)].map((found) => found[1] ?? '');
const blocksOf = (text: string) => [...text.matchAll(/^```\w*\n([\s\S]*?)^```/gm)].map((found) => found[1] ?? '');

/** Returns the anchors that GitHub makes for the headings. */
function anchorsOf(text: string): Set<string> {
  const headings = [...withoutBlocks(text).matchAll(/^#+ (.+)$/gm)].map((found) => found[1] ?? '');
  return new Set(
    headings.map((heading) =>
      heading
        .toLowerCase()
        .replace(/[^\p{L}\p{N}_ -]/gu, '')
        .replaceAll(' ', '-'),
    ),
  );
}

function brokenLinks({ path, text }: Page): string[] {
  const targets = [...withoutBlocks(text).matchAll(/\]\(([^)\s]+)\)/g)].map((found) => found[1] ?? '');
  return targets.filter((target) => {
    if (TARGETS.test(target)) return false;
    const [file = '', anchor] = target.split('#');
    const linked = file === '' ? path : join(dirname(path), file);
    if (!existsSync(join(ROOT, linked))) return true;
    return anchor !== undefined && !anchorsOf(read(linked).text).has(anchor);
  });
}

/** Whether a code span is a path in the repository. Placeholders (`NOUN.ts`, `{…}`, `…`) are not. */
const isPath = (span: string) => /^[\w.*/-]+$/.test(span) && !/[A-Z]{3,}\.ts|NAME|FOLDER/.test(span);

function missingPaths({ text }: Page): string[] {
  const spans = spansOf(text).filter(isPath);
  const inRepository = spans.filter((span) => FOLDERS.some((folder) => span.startsWith(`${folder}/`)));
  return inRepository.filter((span) => globSync(span, { cwd: ROOT }).length === 0);
}

/**
 * Returns names that do not exist. ARCHITECTURE.md names folders and files below src/, and files of the folder that its line
 * describes.
 */
function missingSources({ text }: Page): string[] {
  const sources = new Set(
    globSync('src/**/*', { cwd: ROOT }).flatMap((path) => [path.slice(4), path.split('/').at(-1)]),
  );
  const tests = new Set(globSync('test/*', { cwd: ROOT }).map((path) => path.slice(5)));
  const named = spansOf(text).filter((span) => isPath(span) && /\.ts$|^[\w-]+\/([\w-]+\/)*$/.test(span));
  return named.filter((span) => {
    const name = span.replace(/\/$/, '');
    if (sources.has(name) || tests.has(name) || existsSync(join(ROOT, name))) return false;
    return globSync(`src/${name}`, { cwd: ROOT }).length === 0;
  });
}

const known = new Set([
  ...Object.keys(GENERAL_SETTINGS),
  ...Object.keys(OIDC_SETTINGS),
  ...COMMAND_LINE_SETTINGS,
  ...MISTAKES,
]);

function unknownSettings({ text }: Page): string[] {
  return [...text.matchAll(/\bLARDER_[A-Z_]*[A-Z]\b(?!_)/g)]
    .map(([name]) => name)
    .filter((name) => !known.has(name) && !name.startsWith('LARDER_TEST_'));
}

const scripts = Object.keys(JSON.parse(read('package.json').text).scripts);

function unknownScripts({ text }: Page): string[] {
  return [...text.matchAll(/\bnpm run (?:--silent )?([\w:-]+)/g)]
    .map((found) => found[1] ?? '')
    .filter((name) => !scripts.includes(name));
}

const program = createWholeProgram({ out: process.stdout, err: process.stderr, in: process.stdin }, async () => {
  throw new Error('a document starts no operation');
});

/**
 * Returns the command lines after `larder` or `npm run larder --`. A command line ends at the end of the line or at a pipe.
 */
function commandLines({ text }: Page): string[] {
  const code = [...spansOf(text), ...blocksOf(text).flatMap((block) => block.split('\n'))];
  return code.flatMap((line) => {
    const found = /^(?:npm run (?:--silent )?larder --|larder)(?: (.*))?$/.exec(line.trim());
    return found ? [(found[1] ?? '').replace(/ (#|\\?\|).*$/, '')] : [];
  });
}

/** Returns the part of a command line that the program does not know, or undefined if it knows all parts. */
function unknownPart(line: string): string | undefined {
  let command: Command = program;
  for (const word of line.split(/\s+/).filter(Boolean)) {
    if (word.startsWith('-')) {
      const option = word.split('=')[0] ?? '';
      if (!optionsOf(command).has(option)) return `${line}: ${option}`;
      continue;
    }
    const next = command.commands.find((one) => one.name() === word || one.aliases().includes(word));
    if (next) command = next;
    // A word that is not a command is an argument. The program itself has no arguments, so the word is unknown.
    else if (command === program && /^[a-z-]+$/.test(word)) return `${line}: ${word}`;
  }
  return undefined;
}

function optionsOf(command: Command): Set<string> {
  const own = command.options.flatMap(({ short, long }) => [short, long]);
  const inherited = command.parent ? [...optionsOf(command.parent)] : ['--help', '-h'];
  return new Set([...own, ...inherited].filter((name) => name != null));
}

const withoutNames = (path: string) => path.replace(/\{[^}]+\}/g, '{}');
const operations: Record<string, object> = Object.fromEntries(
  Object.entries<object>(JSON.parse(read('openapi.json').text).paths).map(([path, methods]) => [
    withoutNames(path),
    methods,
  ]),
);
/** Paths that are served in addition to the contract: documents, schemas, pictures, and the log-in of browsers. */
const OUTSIDE_CONTRACT = /^\/v1\/api\.|^\/larder\/v1\/(schemas\/|products\/\{key\}\/icon$|sign-in\/oidc$|$)/;

/** Returns unknown operations in code spans, with or without a method. A path that is shortened with `…` is not checked. */
function unknownOperations({ text }: Page): string[] {
  const found = spansOf(text).map((span) => /^(?:([A-Z]+) )?(\/(?:larder\/)?v1\/[^\s?…]*)(?:\?\S*)?$/.exec(span));
  return found.flatMap((parts) => {
    const [span, method, path] = parts ?? [];
    if (span === undefined || path === undefined || OUTSIDE_CONTRACT.test(path)) return [];
    const methods = Object.keys(operations[withoutNames(path)] ?? {});
    const exists = method === undefined ? methods.length > 0 : methods.includes(method.toLowerCase());
    return exists ? [] : [span];
  });
}

function unknownProblems({ text }: Page): string[] {
  return [...text.matchAll(/\/problems\/([a-z-]+)/g)]
    .map((found) => found[1] ?? '')
    .filter((name) => !(name in PROBLEMS));
}

describe.each(all)('$path', (page) => {
  test('links lead to files and headings that exist', () => expect(brokenLinks(page)).toEqual([]));
  test('settings exist', () => expect(unknownSettings(page)).toEqual([]));
  test('operations of the API exist', () => expect(unknownOperations(page)).toEqual([]));
  test('problems of the API exist', () => expect(unknownProblems(page)).toEqual([]));
  test('npm scripts exist', () => expect(unknownScripts(page)).toEqual([]));
  test('paths exist', () => expect(missingPaths(page)).toEqual([]));
  test('commands and their options exist', () => {
    expect(
      commandLines(page)
        .map(unknownPart)
        .filter((part) => part !== undefined),
    ).toEqual([]);
  });
});

test('ARCHITECTURE.md names files and folders that exist', () => {
  expect(missingSources(read('ARCHITECTURE.md'))).toEqual([]);
});

test('README.md lists the Debian packages that Larder and its tests require', () => {
  const { text } = read('README.md');
  const listed = (row: string) =>
    (new RegExp(`^\\| ${row} \\| \`(.*)\` \\|$`, 'm').exec(text)?.[1] ?? '').split(' ').sort();
  const names = (requirements: typeof RUN_REQUIREMENTS) => requirements.map((one) => one.package).sort();
  expect(listed('all')).toEqual(names(RUN_REQUIREMENTS));
  expect([...listed('all'), ...listed('`npm test` also')].sort()).toEqual(names(TEST_REQUIREMENTS));
});

test('a name that does not exist is found', () => {
  const text =
    'See [x](docs/none.md), [y](README.md#none), `src/none.ts`, `LARDER_NONE`, `npm run none`, `larder none`.';
  const page = { path: 'page.md', text };
  expect(brokenLinks(page)).toEqual(['docs/none.md', 'README.md#none']);
  expect(missingPaths(page)).toEqual(['src/none.ts']);
  expect(missingSources({ ...page, text: '`http/none.ts` `none/`' })).toEqual(['http/none.ts', 'none/']);
  expect(unknownSettings(page)).toEqual(['LARDER_NONE']);
  expect(unknownScripts(page)).toEqual(['none']);
  expect(commandLines(page).map(unknownPart)).toEqual(['none: none']);
  const api = {
    ...page,
    text: '`DELETE /v1/catalogs`, `/v1/none`, `GET /v1/catalogs/{id}/releases`, `/problems/none`',
  };
  expect(unknownOperations(api)).toEqual(['DELETE /v1/catalogs', '/v1/none']);
  expect(unknownProblems(api)).toEqual(['none']);
  expect(unknownPart('content check --none')).toBe('content check --none: --none');
});
