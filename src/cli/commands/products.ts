// Commands that list and show the products of the main catalog, with their branches and newest versions.
import type { Command } from 'commander';
import type { Io } from '../io.ts';
import { addList, type PageOptions, readPages, sayRest } from '../list.ts';
import { sayTable } from '../output.ts';
import { inSession } from '../session.ts';
import { addGet } from './get.ts';

export function addProductCommands(program: Command, io: Io): void {
  const group = program.command('products').description('list and show the products of the main catalog');
  addGet(group, io, {
    noun: 'product',
    by: 'its key or id',
    load: async ({ client }, product_id_or_key) => await client.call('getProduct', { product_id_or_key }),
    fields: ({ product, branches }) => ({
      ...{ name: product.name, key: product.key, description: product.description, category: product.category?.name },
      ...{ status: product.status, licenses: product.licenses?.map(({ license_key }) => license_key).join(', ') },
      branches: branches.map(({ branch }) => branchText(branch)).join(', '),
      ...{ home: product.home_url, id: product.product_id },
    }),
  });
  addList(group, 'list products')
    .option('--search <text>', 'only products whose key, name or description contains it')
    .action(
      inSession<PageOptions & { search?: string }>(io, async ({ client, show }, { search, ...pages }) => {
        const filters = search === undefined ? {} : { search };
        const page = await readPages(pages, ({ page: number, page_size: size }) =>
          client.call('listProductsPage', { ...filters, page: number, size }),
        );
        show(page, ({ items }) =>
          sayTable(io, items, [
            ['PRODUCT', ({ product }) => product.key],
            ['NAME', ({ product }) => product.name],
            ['STATUS', ({ product }) => product.status],
            ['BRANCHES', ({ branches }) => branches.map(({ branch }) => branch.key).join(', ')],
            ['ID', ({ product }) => product.product_id],
          ]),
        );
        sayRest(io, page);
      }),
    );
}

function branchText({
  key,
  latest_discovered_version: latest,
}: {
  key: string;
  latest_discovered_version?: { version: string };
}): string {
  return latest === undefined ? key : `${key} (${latest.version})`;
}
