// The handlers of the endpoints for pipelines.
import { retryPipeline } from '../../catalog/pipeline-retries.ts';
import { getPipeline, listPipelines } from '../../catalog/pipelines.ts';
import { reader, writer } from '../handler.ts';

export const pipelineHandlers = {
  listPipelines: reader(listPipelines),
  getPipeline: reader(getPipeline),
  retryPipeline: writer(retryPipeline),
};
