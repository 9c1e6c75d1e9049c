// The main catalog's products.
import { getProductBranch } from '../../catalog/products.ts';
import { reader } from '../handler.ts';

export const productHandlers = { getProductBranch: reader(getProductBranch) };
