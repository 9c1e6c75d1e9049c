// Follows pipelines until they end, a line for each change.
import type { Pipeline } from '../contract/pipeline.ts';
import type { Waiting } from '../contract/waiting.ts';
import { CommandFailed } from './io.ts';
import { clean, say } from './output.ts';
import type { Session } from './session.ts';

/** People do not read faster, and the server answers this in a millisecond. */
const POLL_MS = 1_000;

/** Where a pipeline stands, in a few words. */
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
  return away.length === 0 ? running.type : `${running.type}, ${away.join(', ')} is away`;
}

/** Why a pipeline failed, undefined when it did not. */
export function failureOf({ phases }: Pick<Pipeline, 'phases'>): string | undefined {
  const failure = phases.find((phase) => phase.failure !== undefined)?.failure;
  return failure === undefined ? undefined : `${failure.cause}: ${failure.error_message ?? 'no message'}`;
}

/** Why something waits, undefined when nothing holds it up. */
export function waitingOf({ waiting }: { waiting?: Waiting[] }): string | undefined {
  return waiting?.map(({ description }) => description).join(' ');
}

/**
 * Asks again and again until no pipeline of the answer is in progress. Says each change. Throws CommandFailed when one
 * of them failed.
 */
export async function watchPipelines(session: Session, ask: () => Promise<Pipeline[]>): Promise<Pipeline[]> {
  const seen = new Map<string, string>();
  for (;;) {
    const pipelines = await ask();
    for (const pipeline of pipelines) sayChange(session, pipeline, seen);
    if (pipelines.every(({ status }) => status !== 'IN_PROGRESS')) return finished(session, pipelines);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

function sayChange({ io }: Session, pipeline: Pipeline, seen: Map<string, string>): void {
  const stage = [stageOf(pipeline), waitingOf(pipeline)].filter((part) => part !== undefined).join(': ');
  if (seen.get(pipeline.id) === stage) return;
  seen.set(pipeline.id, stage);
  const time = new Date().toISOString().slice(11, 19);
  // On the error stream: what follows on standard output may be JSON.
  io.err.write(`${time}  ${pipeline.product.key} ${pipeline.version}  ${clean(stage)}\n`);
}

function finished({ io }: Session, pipelines: Pipeline[]): Pipeline[] {
  const failures = pipelines.filter(({ status }) => status === 'FAILED');
  for (const pipeline of failures)
    say({ ...io, out: io.err }, `${pipeline.product.key}: ${failureOf(pipeline) ?? 'failed'}`);
  if (failures.length > 0) throw new CommandFailed(`${failures.length} of ${pipelines.length} pipelines failed.`);
  return pipelines;
}
