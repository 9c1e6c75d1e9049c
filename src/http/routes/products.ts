// The main catalog's products. The extended paths are older spellings of the same answers.
import { getProduct, getProductBranch, listProducts, listProductsPage } from '../../catalog/products.ts';
import type { Handler } from '../handler.ts';
import { reader } from '../handler.ts';

const list: Handler<'listProducts'> = ({ db }, input) => listProducts(db, input);
const page: Handler<'listProductsPage'> = ({ db }, input) => listProductsPage(db, input);

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
