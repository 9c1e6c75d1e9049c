// Why an open pipeline waits. Larder adds this to pipelines and application requests.
import { type Static, Type } from 'typebox';
import { Id, Observed, Text, Time, Word } from './field.ts';
import { WAITING_CAUSES } from './vocabulary.ts';

export const Waiting = Type.Object(
  {
    cause: Word(WAITING_CAUSES, 'Kind of reason.'),
    description: Text('The reason as a sentence.'),
    since: Time('Since when it has waited for this reason.'),
    base_image_id: Type.Optional(Id('Identifier of the base image for which it waits.')),
    registry_id: Type.Optional(Id('Identifier of the registry for which it waits.')),
    pipeline_id: Type.Optional(Id('Identifier of the pipeline that must end first.')),
  },
  { title: 'Waiting' },
);
export type Waiting = Static<typeof Waiting>;

/** The field `waiting` of a pipeline or an application request. */
export function waitingField(description: string) {
  return Type.Optional(Observed(Type.Array(Waiting, { description: `${description} An addition of Larder.` })));
}
