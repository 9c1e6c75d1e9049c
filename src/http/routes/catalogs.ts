// Catalogs.
import { getCatalog, listCatalogs } from '../../catalog/catalogs.ts';
import { reader } from '../handler.ts';

export const catalogHandlers = { listCatalogs: reader(listCatalogs), getCatalog: reader(getCatalog) };
