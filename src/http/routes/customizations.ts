// The handlers of the endpoints for customizations.
import { createCustomization, deleteCustomization, updateCustomization } from '../../catalog/customization-changes.ts';
import { getCustomization, listCustomizations } from '../../catalog/customizations.ts';
import { reader, writer } from '../handler.ts';

export const customizationHandlers = {
  listCustomizations: reader(listCustomizations),
  createCustomization: writer(createCustomization),
  getCustomization: reader(getCustomization),
  updateCustomization: writer(updateCustomization),
  deleteCustomization: writer(deleteCustomization),
};
