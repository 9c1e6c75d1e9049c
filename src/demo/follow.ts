// Polls the API for an answer. During this, prints changes of the pipelines or, if nothing changes, the reason for the wait.
import { setTimeout as delay } from 'node:timers/promises';
import type { Client } from '../client/client.ts';
import { UnreachableError } from '../client/problem-error.ts';
import type { Pipeline } from '../contract/pipeline.ts';
import { DemoFailed } from './demo-failed.ts';

/**
 * How long to wait for a change. In a working demonstration, the next change comes sooner, even on a slow network and a slow
 * machine.
 */
const PATIENCE_MS = 15 * 60_000;
const POLL_MS = 500;
/** A reminder is printed when no line was printed for this long, and then again every REMINDER_MS. */
const QUIET_MS = 2_000;
const REMINDER_MS = 10_000;
/** The page size of the list of pipelines. The demonstration starts fewer pipelines. */
const PIPELINES = 100;

/** The client and the catalog of the demonstration, and the function that prints a line. */
export type DemoContext = { client: Client; catalog_id: string; say: (line: string) => void };

/** `ask` is polled until it returns an answer. `waitingFor` returns the text of a reminder. */
export type Condition<T> = { ask: () => Promise<T | undefined>; waitingFor: () => Promise<string> };

export type Follow = <T>(condition: Condition<T>) => Promise<T>;

type News = { startedAt: number; lastAt: number; remindedAt: number; said: Set<string> };

/** Begins to follow. Earlier changes are not printed. The seconds in all lines count from this call. */
export async function openFollow(context: DemoContext): Promise<Follow> {
  const now = Date.now();
  const news: News = { startedAt: now, lastAt: now, remindedAt: 0, said: new Set() };
  for (const pipeline of await recentPipelines(context)) {
    if (pipeline.status !== 'IN_PROGRESS') for (const phase of pipeline.phases) news.said.add(keyOf(pipeline, phase));
  }
  return (condition) => follow({ ...context, news }, condition);
}

type NewsContext = DemoContext & { news: News };

/** Waits until the condition has an answer, and returns this answer. Throws if nothing changes for PATIENCE_MS. */
async function follow<T>(context: NewsContext, condition: Condition<T>): Promise<T> {
  context.news.lastAt = Date.now();
  for (;;) {
    try {
      const answer = await condition.ask();
      printNews(context, await recentPipelines(context));
      if (answer !== undefined) return answer;
      await remind(context, condition);
    } catch (error) {
      // The server may have died. Its supervisor restarts it.
      if (!(error instanceof UnreachableError)) throw error;
    }
    if (Date.now() - context.news.lastAt > PATIENCE_MS) throw new DemoFailed('Nothing changed for 15 minutes.');
    await delay(POLL_MS);
  }
}

async function recentPipelines({ client, catalog_id }: DemoContext): Promise<Pipeline[]> {
  return (await client.call('listPipelines', { catalog_id, page_size: PIPELINES })).items;
}

type Phase = Pipeline['phases'][number];

function keyOf(pipeline: Pipeline, phase: Phase): string {
  return `${pipeline.id} ${phase.type} ${phase.status}`;
}

function printNews({ say, news }: NewsContext, pipelines: Pipeline[]): void {
  for (const pipeline of pipelines.toReversed()) {
    for (const phase of pipeline.phases) {
      const key = keyOf(pipeline, phase);
      if (phase.status === 'PENDING' || phase.status === 'SKIPPED' || news.said.has(key)) continue;
      news.said.add(key);
      news.lastAt = Date.now();
      const why = phase.failure?.error_message ? `: ${phase.failure.error_message}` : '';
      const made = pipeline.packaging_type === 'HELM_CHART' ? `${pipeline.product.key} chart` : pipeline.product.key;
      const what = `${made.padEnd(12)} ${phase.type.toLowerCase().padEnd(13)}`;
      say(`${seconds(news)}  ${what} ${phase.status.toLowerCase().replace('_', ' ')}${why}`);
    }
  }
}

async function remind({ say, news }: NewsContext, { waitingFor }: Condition<unknown>): Promise<void> {
  const now = Date.now();
  if (now - news.lastAt < QUIET_MS || now - news.remindedAt < REMINDER_MS) return;
  news.remindedAt = now;
  say(`${seconds(news)}  ${await waitingFor()}`);
}

function seconds({ startedAt }: News): string {
  return `${((Date.now() - startedAt) / 1000).toFixed(1).padStart(6)} s`;
}
