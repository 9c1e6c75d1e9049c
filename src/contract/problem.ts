// The answer for a rejection (RFC 9457). It may have a list of violations.
import { type Static, Type } from 'typebox';
import { VIOLATIONS_MAX } from './limits.ts';

const members = {
  type: Type.String({ format: 'uri-reference', description: 'Address of a page that explains this kind of problem.' }),
  title: Type.String({ description: 'The kind of problem in a few words, always the same for a type.' }),
  status: Type.Integer({ description: 'The HTTP status.' }),
  detail: Type.Optional(Type.String({ description: 'Explanation of this occurrence.' })),
  instance: Type.Optional(Type.String({ description: 'Path of the request.' })),
};

export const Problem = Type.Object(members, { title: 'Error' });
export type Problem = Static<typeof Problem>;

export const Violation = Type.Object(
  {
    field: Type.String({ description: 'The parameter, field or archive entry as it was sent.' }),
    message: Type.String({ description: 'What is wrong, and what is expected.' }),
  },
  { title: 'Violation' },
);
export type Violation = Static<typeof Violation>;

export const ConstraintsViolationsError = Type.Object(
  { ...members, violations: Type.Array(Violation, { maxItems: VIOLATIONS_MAX }) },
  { title: 'ConstraintsViolationsError' },
);
export type ConstraintsViolationsError = Static<typeof ConstraintsViolationsError>;
