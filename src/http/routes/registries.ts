// The handlers of the endpoints for registries. Seals the secrets before the catalog gets them.
import {
  createRegistry as create,
  deleteRegistry,
  getRegistry,
  listRegistries,
  updateRegistry as update,
} from '../../catalog/registries.ts';
import { requestRegistryCheck } from '../../catalog/registry-checks.ts';
import { type Handler, reader, writer } from '../handler.ts';

const createRegistry: Handler<'createRegistry'> = (context, input) =>
  context.write((tx) => create(tx, context.caller, input, { seal: context.identity.seal }));

const updateRegistry: Handler<'updateRegistry'> = (context, input) =>
  context.write((tx) => update(tx, context.caller, input, { seal: context.identity.seal }));

export const registryHandlers = {
  listRegistries: reader(listRegistries),
  createRegistry,
  getRegistry: reader(getRegistry),
  updateRegistry,
  deleteRegistry: writer(deleteRegistry),
  checkRegistry: writer(requestRegistryCheck),
};
