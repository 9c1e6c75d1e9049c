// Pages and orders: how every list is asked for and answered.
import { type TSchema, Type } from 'typebox';
import { Word, withDefault } from './field.ts';
import { PAGE_MAX, PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX } from './limits.ts';

/** The two parameters of every paged list. */
export const pageQuery = {
  page: withDefault(Type.Integer({ minimum: 1, maximum: PAGE_MAX, description: 'Which page, counted from 1.' }), 1),
  page_size: withDefault(
    Type.Integer({ minimum: 1, maximum: PAGE_SIZE_MAX, description: 'How many items a page holds at most.' }),
    PAGE_SIZE_DEFAULT,
  ),
};

export const ORDER_DIRECTIONS = ['ASC', 'DESC'] as const;
export type OrderDirection = (typeof ORDER_DIRECTIONS)[number];

/** The two parameters of a list that can be ordered; the first field named is the default. */
export function orderQuery<const F extends readonly [string, ...string[]]>(fields: F, direction: OrderDirection) {
  return {
    order_field: withDefault(Word(fields, 'What the list is ordered by.'), fields[0]),
    order_direction: withDefault(Word(ORDER_DIRECTIONS, 'Ascending or descending.'), direction),
  };
}

/** A page of a list. */
export function PageOf<S extends TSchema>(item: S, title: string) {
  return Type.Object(
    {
      page: Type.Integer({ description: 'The page that this is.' }),
      page_size: Type.Integer({ description: 'How many items a page holds at most.' }),
      total_size: Type.Integer({ description: 'How many items there are on all pages.' }),
      total_pages: Type.Integer({ description: 'How many pages there are.' }),
      items: Type.Array(item),
    },
    { title },
  );
}
