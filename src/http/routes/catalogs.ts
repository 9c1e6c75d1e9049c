// The handlers of the endpoints for catalogs and their settings.
import { getCatalogSettings, updateCatalogSettings } from '../../catalog/catalog-settings.ts';
import { getCatalog, listCatalogs } from '../../catalog/catalogs.ts';
import { reader, writer } from '../handler.ts';

export const catalogHandlers = {
  listCatalogs: reader(listCatalogs),
  getCatalog: reader(getCatalog),
  getCatalogSettings: reader(getCatalogSettings),
  updateCatalogSettings: writer(updateCatalogSettings),
};
