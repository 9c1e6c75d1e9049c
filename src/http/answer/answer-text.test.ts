// The serializer of answers. It writes only the fields of the schema.
import { Type } from 'typebox';
import { expect, test } from 'vitest';
import { answerWriter } from './answer-text.ts';

const Thing = Type.Object({
  id: Type.String(),
  note: Type.Optional(Type.String()),
  parts: Type.Optional(Type.Array(Type.Object({ size: Type.Integer() }))),
  registry: Type.Optional(Type.Object({ name: Type.String() })),
});

const write = answerWriter(Thing);

test('writes the fields that the schema names, and omits undefined ones', () => {
  expect(write({ id: 'a', note: undefined, parts: [{ size: 1 }, { size: 2 }] })).toBe(
    '{"id":"a","parts":[{"size":1},{"size":2}]}',
  );
});

test('omits fields that the schema does not name, at any depth, and does not change its argument', () => {
  const given = {
    id: 'a',
    access_secret: 's',
    parts: [{ size: 1 }, { size: 2, sealed: 's' }],
    registry: { name: 'r', toString: 's', constructor: 's' },
  };
  const before = structuredClone(given);
  expect(JSON.parse(write(given))).toEqual({ id: 'a', parts: [{ size: 1 }, { size: 2 }], registry: { name: 'r' } });
  expect(given).toEqual(before);
});

test('writes the fields of each variant of a union', () => {
  const either = answerWriter(
    Type.Array(
      Type.Union([
        Type.Object({ type: Type.Literal('a'), size: Type.Integer() }),
        Type.Object({ type: Type.Literal('b'), name: Type.String() }),
      ]),
    ),
  );
  expect(
    either([
      { type: 'a', size: 1, secret: 's' },
      { type: 'b', name: 'n' },
    ]),
  ).toBe('[{"type":"a","size":1},{"type":"b","name":"n"}]');
  expect(() => either([{ size: 1 }])).toThrow('no type');
});

test('throws when an answer lacks a required field', () => {
  expect(() => write({ note: 'n' })).toThrow('The answer has no id');
  expect(() => write({ id: 'a', parts: [{}] })).toThrow('The answer has no size');
});
