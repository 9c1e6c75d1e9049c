// Pipelines.
import { getPipeline, listPipelines } from '../../catalog/pipelines.ts';
import { reader } from '../handler.ts';

export const pipelineHandlers = { listPipelines: reader(listPipelines), getPipeline: reader(getPipeline) };
