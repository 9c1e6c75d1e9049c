// Watches pipelines until they end, and prints a line for each change.
import { setTimeout as sleep } from 'node:timers/promises';
import { isAway } from '../client/problem-error.ts';
import type { Pipeline } from '../contract/pipeline.ts';
import type { Waiting } from '../contract/waiting.ts';
import { CommandFailed } from './io.ts';
import { clean, say } from './output.ts';
import type { Session } from './session.ts';

/** The pause between two questions. It is short enough for a person, and the server answers in a millisecond. */
const POLL_MS = 1_000;

/** How long the server may be unreachable. This is enough for a restart or an upgrade. */
const AWAY_MS_MAX = 120_000;

/** Returns the state of a pipeline in a few words. */
export function stageOf({
  status,
  phases,
  distributions,
}: Pick<Pipeline, 'status' | 'phases' | 'distributions'>): string {
  const failed = phases.find((phase) => phase.status === 'FAILED');
  if (failed !== undefined) return `FAILED in ${failed.type}`;
  if (status !== 'IN_PROGRESS') return status;
  const running = phases.find((phase) => phase.status === 'IN_PROGRESS');
  if (running === undefined) return 'waiting';
  const away = distributions?.flatMap((one) => (one.status === 'WAITING' ? [one.registry_name] : [])) ?? [];
  return away.length === 0 ? running.type : `${running.type}, waiting for ${away.join(', ')}`;
}

/** Returns the reason why a pipeline failed, or undefined if it has not failed. */
export function failureOf({ phases }: Pick<Pipeline, 'phases'>): string | undefined {
  const failure = phases.find((phase) => phase.failure !== undefined)?.failure;
  return failure === undefined ? undefined : `${failure.cause}: ${failure.error_message ?? 'no message'}`;
}

/** Returns the reason why a pipeline or request waits, or undefined if it does not wait. */
export function waitingOf({ waiting }: { waiting?: Waiting[] }): string | undefined {
  return waiting?.map(({ description }) => description).join(' ');
}

/**
 * Polls until no pipeline of the answer is in progress, and prints each change. Throws CommandFailed if one of the pipelines
 * failed. If the server does not answer, tries again for `awayMsMax` and then throws the error.
 */
export async function watchPipelines<T extends { items: Pipeline[] }>(
  session: Session,
  ask: () => Promise<T>,
  awayMsMax = AWAY_MS_MAX,
): Promise<T> {
  const seen = new Map<string, string>();
  for (;;) {
    const answer = await askPatiently(session, ask, awayMsMax);
    for (const pipeline of answer.items) sayChange(session, pipeline, seen);
    if (answer.items.every(({ status }) => status !== 'IN_PROGRESS')) {
      requireSuccess(session, answer.items);
      return answer;
    }
    await sleep(POLL_MS);
  }
}

async function askPatiently<T>({ io }: Session, ask: () => Promise<T>, awayMsMax: number): Promise<T> {
  let awaySince: number | undefined;
  for (;;) {
    try {
      const answer = await ask();
      if (awaySince !== undefined) io.err.write(`${clockTime()}  The server answers again.\n`);
      return answer;
    } catch (error) {
      if (!isAway(error)) throw error;
      if (awaySince === undefined) {
        awaySince = performance.now();
        const seconds = Math.round(awayMsMax / 1000);
        io.err.write(`${clockTime()}  ${clean(error.message)}. Trying again for ${seconds} s.\n`);
      }
      if (performance.now() - awaySince >= awayMsMax) throw error;
      await sleep(POLL_MS);
    }
  }
}

function clockTime(): string {
  return new Date().toISOString().slice(11, 19);
}

function sayChange({ io }: Session, pipeline: Pipeline, seen: Map<string, string>): void {
  const stage = [stageOf(pipeline), waitingOf(pipeline)].filter((part) => part !== undefined).join(': ');
  if (seen.get(pipeline.id) === stage) return;
  seen.set(pipeline.id, stage);
  // Writes to standard error, because standard output may contain JSON.
  io.err.write(`${clockTime()}  ${pipeline.product.key} ${pipeline.version}  ${clean(stage)}\n`);
}

function requireSuccess({ io }: Session, pipelines: Pipeline[]): void {
  const failures = pipelines.filter(({ status }) => status === 'FAILED');
  for (const pipeline of failures)
    say({ ...io, out: io.err }, `${pipeline.product.key}: ${failureOf(pipeline) ?? 'failed'}`);
  if (failures.length > 0) throw new CommandFailed(`${failures.length} of ${pipelines.length} pipelines failed.`);
}
