// `charts check-values`: names the keys of a values file that a chart would ignore. It sends no request.
import { createReadStream, existsSync, readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import type { Command } from 'commander';
import { checkValues, type ValuesFinding, type ValuesSchema } from '../chart-values.ts';
import { CommandFailed, cannotRead, EXIT, type Io } from '../io.ts';
import { clean, say, sayJson } from '../output.ts';
import { ValuesError } from '../values-file.ts';

/** The library of products, which is installed with the program. */
const PRODUCTS = new URL('../../../products/', import.meta.url);
const MIB = 1024 ** 2;
/** The largest values file that is read, in bytes. The largest public values files have 200 kB. */
const VALUES_BYTES_MAX = MIB;

export function addChartCommands(program: Command, io: Io): void {
  const group = program.command('charts').description('use the charts of Larder');
  group
    .command('check-values')
    .description('name the keys of a values file that a chart would ignore')
    .argument('<file>', 'a values file, for example one that was written for a chart of Bitnami')
    .option('--chart <name>', 'the chart, for example redis (default: the one in the name of the file or its folder)')
    .addHelpText(
      'after',
      '\nExamples:\n  larder charts check-values values-redis.yaml\n  larder charts check-values production.yaml --chart redis\n\nIt needs no server. The exit status is 1 if the chart would ignore a key.',
    )
    .action(async (file: string, { chart: wanted }: { chart?: string }, command: Command) => {
      if (wanted !== undefined) expectChart(wanted);
      const text = await readValues(file);
      const chart = wanted ?? chartOf(file);
      const findings = checkFile(file, text, await readSchema(chart));
      const { json } = command.optsWithGlobals<{ json?: boolean }>();
      if (json) sayJson(io, { chart, findings });
      else sayFindings(io, chart, findings);
      const ignored = findings.filter(({ kind }) => kind === 'ignored').length;
      if (ignored > 0)
        throw new CommandFailed(
          `The chart ${chart} would ignore ${ignored} ${ignored === 1 ? 'key' : 'keys'} of ${file}.`,
        );
    });
}

function chartNames(): string[] {
  const hasChart = (name: string) => existsSync(new URL(`${name}/chart/values.schema.json`, PRODUCTS));
  return readdirSync(PRODUCTS).filter(hasChart).sort();
}

function expectChart(name: string): void {
  const names = chartNames();
  if (!names.includes(name))
    throw new CommandFailed(`There is no chart ${name}. The charts are ${names.join(', ')}.`, EXIT.usage);
}

/** Returns the chart whose name is a word in the name of the file or, if there is none, in the name of its folder. */
function chartOf(file: string): string {
  const names = chartNames();
  const path = resolve(file);
  for (const place of [basename(path), basename(dirname(path))]) {
    const words = place.toLowerCase().split(/[^a-z0-9]+/);
    const [name, ...others] = names.filter((one) => words.includes(one));
    if (name !== undefined && others.length === 0) return name;
  }
  throw new CommandFailed(
    `The name of ${file} does not show the chart: give --chart, one of ${names.join(', ')}.`,
    EXIT.usage,
  );
}

async function readSchema(chart: string): Promise<ValuesSchema> {
  return JSON.parse(await readFile(new URL(`${chart}/chart/values.schema.json`, PRODUCTS), 'utf8')) as ValuesSchema;
}

function checkFile(file: string, text: string, schema: ValuesSchema): ValuesFinding[] {
  try {
    return checkValues(text, schema);
  } catch (error) {
    if (!(error instanceof ValuesError)) throw error;
    throw new CommandFailed(`${file} ${error.message}.`);
  }
}

/** Reads at most the limit, because a device or a pipe has no size. */
async function readValues(file: string): Promise<string> {
  const bytes = await readStart(file);
  if (bytes.length > VALUES_BYTES_MAX)
    throw new CommandFailed(`${file} has more than ${VALUES_BYTES_MAX / MIB} MiB, so it is not a values file.`);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new CommandFailed(`${file} is not text in UTF-8.`);
  }
}

async function readStart(file: string): Promise<Buffer> {
  try {
    const chunks: Buffer[] = [];
    // `end` is the position of the last byte, so this reads one byte more than the limit.
    for await (const chunk of createReadStream(file, { end: VALUES_BYTES_MAX })) chunks.push(chunk);
    return Buffer.concat(chunks);
  } catch (error) {
    throw new CommandFailed(cannotRead(file, error), EXIT.usage);
  }
}

function sayFindings(io: Io, chart: string, findings: readonly ValuesFinding[]): void {
  if (findings.length === 0) say(io, `The chart ${chart} reads every key.`);
  for (const { line, key, message } of findings) say(io, `line ${line}: ${clean(key)} ${clean(message)}`);
}
