// Products of the main catalog. The extended paths are older names of the same endpoints.
import { getProduct, getProductBranch, listProducts, listProductsPage } from '../../catalog/products.ts';
import type { Input } from '../../contract/endpoints.ts';
import { type PublicContext, reader } from '../handler.ts';

const list = ({ db }: PublicContext, input: Input<'listProducts'>) => listProducts(db, input);
const page = ({ db }: PublicContext, input: Input<'listProductsPage'>) => listProductsPage(db, input);

export const productHandlers = {
  listProducts: list,
  listProductsPage: page,
  getProduct: reader(getProduct),
  getProductBranch: reader(getProductBranch),
  listExtendedProducts: list,
  listExtendedProductsPage: page,
  getExtendedProduct: reader(getProduct),
  getExtendedProductBranch: reader(getProductBranch),
};
