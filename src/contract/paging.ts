// Pages and orders: the parameters and the answers of lists.
import { type TSchema, Type } from 'typebox';
import { Word, withDefault } from './field.ts';
import { PAGE_MAX, PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX } from './limits.ts';

/** The two parameters of every paged list. */
export const pageQuery = {
  page: withDefault(Type.Integer({ minimum: 1, maximum: PAGE_MAX, description: 'Number of the page, from 1.' }), 1),
  page_size: withDefault(
    Type.Integer({ minimum: 1, maximum: PAGE_SIZE_MAX, description: 'Maximum number of items on a page.' }),
    PAGE_SIZE_DEFAULT,
  ),
};

export const ORDER_DIRECTIONS = ['ASC', 'DESC'] as const;
export type OrderDirection = (typeof ORDER_DIRECTIONS)[number];

/** The two parameters of a list that can be ordered. The first field is the default. */
export function orderQuery<const F extends readonly [string, ...string[]]>(fields: F, direction: OrderDirection) {
  return {
    order_field: withDefault(Word(fields, 'Field by which the list is ordered.'), fields[0]),
    order_direction: withDefault(Word(ORDER_DIRECTIONS, 'Ascending or descending.'), direction),
  };
}

/** A page of a list. */
export function PageOf<S extends TSchema>(item: S, title: string) {
  return Type.Object(
    {
      page: Type.Integer({ description: 'Number of this page.' }),
      page_size: Type.Integer({ description: 'Maximum number of items on a page.' }),
      total_size: Type.Integer({ description: 'Number of items on all pages.' }),
      total_pages: Type.Integer({ description: 'Number of pages.' }),
      items: Type.Array(item),
    },
    { title },
  );
}
